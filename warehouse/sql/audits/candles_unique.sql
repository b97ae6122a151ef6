-- One row: a candle that stands in the lake more than once. None means pass.
-- Grain: (venue, instrument, timeframe, open_time).
SELECT venue, instrument, timeframe, open_time, count(*) AS copies FROM candles GROUP BY ALL HAVING count(*) > 1;

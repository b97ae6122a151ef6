-- One row: a candle that does not open on its timeframe's UTC grid, or whose prices contradict each other.
-- Grain: (venue, instrument, timeframe, open_time).
SELECT venue, instrument, timeframe, open_time, open, high, low, close
FROM candles
WHERE epoch_us(open_time) % bar_us(timeframe) <> 0
    OR NOT (low > 0 AND low <= least(open, close) AND high >= greatest(open, close) AND volume >= 0);

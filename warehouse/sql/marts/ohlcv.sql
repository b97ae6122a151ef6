-- One row: one of the newest n closed candles of one instrument and timeframe, at each venue that has it.
-- Grain: (venue, open_time). Time: open_time, ascending. Volumes are base units, quote_volume quote units.
-- Example: FROM ohlcv('BTC-USDT', '1h', 24) WHERE venue = 'binance';
CREATE MACRO ohlcv(symbol, bar, n) AS TABLE
SELECT venue, instrument, timeframe, open_time, open, high, low, close, volume, quote_volume, trade_count,
       taker_buy_volume
FROM candles
WHERE instrument = symbol AND timeframe = bar AND closed
QUALIFY row_number() OVER (PARTITION BY venue ORDER BY open_time DESC) <= n
ORDER BY venue, open_time;

-- One row: a key that stands more than once in one of the smaller tables (trades, candles and funding have their own).
-- Grain: (dataset, key). None means pass.
SELECT 'liquidations' AS dataset, (venue, instrument, ts_event, liquidated_side, price, size, nth)::VARCHAR AS key,
    count(*) AS copies
FROM liquidations GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'marks', (venue, instrument, ts_event)::VARCHAR AS key, count(*) FROM marks GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'accruals', (venue, instrument, ts_event)::VARCHAR AS key, count(*)
FROM accruals GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'open_interest', (venue, instrument, ts_event, period_us)::VARCHAR AS key, count(*)
FROM open_interest GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'insurance', (venue, pool, asset, ts_event)::VARCHAR AS key, count(*)
FROM insurance GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'books', (venue, instrument, ts_event, origin)::VARCHAR AS key, count(*)
FROM books GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'price_candles', (venue, instrument, kind, timeframe, open_time)::VARCHAR AS key, count(*)
FROM price_candles GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'mismatches', ("check", venue, instrument, timeframe, "at", field)::VARCHAR AS key, count(*)
FROM mismatches GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT 'instruments', (venue, instrument, valid_from)::VARCHAR AS key, count(*)
FROM instruments GROUP BY ALL HAVING count(*) > 1;

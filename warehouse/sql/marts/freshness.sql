-- One row: how many rows of one dataset one instrument has, and how new the newest one is.
-- Grain: (dataset, venue, instrument). Time: newest_event (venue's clock), newest_recv (ours).
-- Example: SELECT * FROM freshness WHERE dataset = 'trades' ORDER BY newest_event;
CREATE VIEW freshness AS
SELECT
    'trades' AS dataset, venue, instrument, count(*) AS rows,
    max(ts_event) AS newest_event, max(ts_recv) AS newest_recv
FROM trades GROUP BY ALL
UNION ALL
SELECT 'candles', venue, instrument, count(*), max(open_time), max(ts_recv) FROM candles GROUP BY ALL
UNION ALL
SELECT 'price_candles', venue, instrument, count(*), max(open_time), max(ts_recv) FROM price_candles GROUP BY ALL
UNION ALL
SELECT 'funding', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM funding GROUP BY ALL
UNION ALL
SELECT 'accruals', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM accruals GROUP BY ALL
UNION ALL
SELECT 'marks', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM marks GROUP BY ALL
UNION ALL
SELECT 'open_interest', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM open_interest GROUP BY ALL
UNION ALL
SELECT 'liquidations', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM liquidations GROUP BY ALL
UNION ALL
SELECT 'books', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM books GROUP BY ALL
UNION ALL
SELECT 'insurance', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM insurance GROUP BY ALL
UNION ALL
SELECT 'calendar', venue, instrument, count(*), max(ts_event), max(ts_recv) FROM calendar GROUP BY ALL
ORDER BY ALL;

-- One row: one trade far from its neighbours of the same five minutes, of which there must be thirty. kind 'price':
-- more than 10 robust deviations and 20 basis points from their median; kind 'size': more than 8 robust deviations
-- above the median on a logarithmic scale.
-- Grain: (venue, instrument, trade_id, kind). Time: ts_event. score counts robust deviations (1.4826 times the median
-- absolute deviation); it is null where that is zero, and then only prices count.
-- Example: SELECT venue, kind, count(*) FROM outliers GROUP BY ALL;
CREATE VIEW outliers AS
WITH placed AS (
    SELECT *, time_bucket(INTERVAL 5 MINUTES, ts_event) AS bucket FROM stg_trades
),
usual AS (
    SELECT
        venue, instrument, bucket, median(price) AS price_usual, mad(price) * 1.4826 AS price_spread,
        median(ln(size)) AS size_usual, mad(ln(size)) * 1.4826 AS size_spread
    FROM placed
    GROUP BY ALL
    HAVING count(*) >= 30
),
judged AS (
    SELECT
        venue, instrument, trade_id, ts_event, price, size, price_usual, exp(size_usual) AS size_usual,
        abs(price - price_usual) / nullif(price_spread, 0) AS price_score,
        (ln(size) - usual.size_usual) / nullif(size_spread, 0) AS size_score
    FROM placed JOIN usual USING (venue, instrument, bucket)
)
SELECT venue, instrument, trade_id, 'price' AS kind, ts_event, price, size, price_usual AS usual, price_score AS score
FROM judged
WHERE coalesce(price_score > 10, true) AND abs(price / price_usual - 1) > 0.002
UNION ALL
SELECT venue, instrument, trade_id, 'size', ts_event, price, size, size_usual, size_score
FROM judged
WHERE size_score > 8;

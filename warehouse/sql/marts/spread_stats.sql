-- One row: the spread between the best prices of one instrument in one hour, over all readable pictures of its book.
-- Grain: (venue, instrument, hour); hours without a picture have no row. Time: hour. Basis points of the mid price.
-- Example: SELECT venue, hour, spread_bps_median FROM spread_stats WHERE instrument = 'BTC-USDT-PERP' ORDER BY hour;
CREATE VIEW spread_stats AS
SELECT
    venue, instrument, date_trunc('hour', ts_event) AS hour, count(*) AS pictures,
    min(spread_bps) AS spread_bps_min,
    avg(spread_bps) AS spread_bps_mean,
    median(spread_bps) AS spread_bps_median,
    quantile_cont(spread_bps, 0.95) AS spread_bps_p95,
    max(spread_bps) AS spread_bps_max
FROM stg_books
GROUP BY ALL;

-- One row: how far one venue's closes of one instrument lie from the median of all venues.
-- Grain: (instrument, timeframe, venue). Time: from_time to to_time. Basis points.
-- Example: FROM venue_disagreement WHERE timeframe = '1m' ORDER BY worst_bps DESC;
CREATE VIEW venue_disagreement AS
SELECT
    instrument, timeframe, venue, count(*) AS bars, min(open_time) AS from_time, max(open_time) AS to_time,
    avg(premium_bps) AS mean_bps,
    quantile_cont(abs(premium_bps), 0.99) AS p99_bps,
    max(abs(premium_bps)) AS worst_bps,
    arg_max(open_time, abs(premium_bps)) AS worst_at
FROM stg_closes
GROUP BY ALL
ORDER BY instrument, timeframe, venue;

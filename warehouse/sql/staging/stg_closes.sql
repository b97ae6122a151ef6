-- One row: one venue's close of one bar beside the median close of all venues that have this bar, at least two.
-- Grain: (instrument, timeframe, open_time, venue). Time: open_time. premium_bps is in basis points.
-- Example: SELECT venue, max(abs(premium_bps)) FROM stg_closes WHERE timeframe = '1h' GROUP BY venue;
CREATE VIEW stg_closes AS
WITH bars AS (
    SELECT
        instrument, timeframe, open_time, venue, "close",
        median("close") OVER bar AS reference,
        count(*) OVER bar AS venues
    FROM candles
    WHERE closed
    WINDOW bar AS (PARTITION BY instrument, timeframe, open_time)
)
SELECT *, 1e4 * ("close" / reference - 1) AS premium_bps FROM bars WHERE venues >= 2;

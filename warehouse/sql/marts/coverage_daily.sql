-- One row: which part of one UTC day is covered for one series, by whatever way it came.
-- Grain: (dataset, venue, instrument, timeframe, day), every day from the series' first to its last. share is 0 to 1.
-- Example: SELECT dataset, venue, day, avg(share) FROM coverage_daily GROUP BY ALL;
CREATE VIEW coverage_daily AS
WITH pieces AS (
    FROM stg_coverage_pieces WHERE origin = 'any'
),
days AS (
    SELECT
        dataset, venue, instrument, timeframe,
        unnest(range(date_trunc('day', min(piece_start)), max(piece_end), INTERVAL 1 DAY)) AS day_start
    FROM pieces
    GROUP BY dataset, venue, instrument, timeframe
)
SELECT
    days.dataset, days.venue, days.instrument, days.timeframe, day_start::DATE AS day,
    coalesce(sum(
        epoch_us(least(piece_end, day_start + INTERVAL 1 DAY)) - epoch_us(greatest(piece_start, day_start))
    ) FILTER (piece_start IS NOT NULL), 0) / 86400e6 AS share
FROM days
LEFT JOIN pieces
    ON pieces.dataset = days.dataset AND pieces.venue = days.venue AND pieces.instrument = days.instrument
    AND pieces.timeframe = days.timeframe AND piece_start < day_start + INTERVAL 1 DAY AND piece_end > day_start
GROUP BY ALL
ORDER BY ALL;

-- One row: one stretch of time that is covered without a break, of intervals that touch or overlap made one.
-- Grain: (dataset, venue, instrument, timeframe, origin, piece_start). Time: [piece_start, piece_end).
-- Besides the origins there is 'any': whatever way it came.
-- Example: FROM stg_coverage_pieces WHERE dataset = 'trades' AND origin = 'any';
CREATE VIEW stg_coverage_pieces AS
WITH spans AS (
    SELECT dataset, venue, instrument, timeframe, origin, "start", "end" FROM stg_coverage
    UNION ALL
    SELECT dataset, venue, instrument, timeframe, 'any', "start", "end" FROM stg_coverage
),
steps AS (
    SELECT
        *,
        coalesce("start" > max("end") OVER (
            PARTITION BY dataset, venue, instrument, timeframe, origin ORDER BY "start", "end"
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), true)::INT AS begins
    FROM spans
),
numbered AS (
    SELECT *, sum(begins) OVER (
        PARTITION BY dataset, venue, instrument, timeframe, origin ORDER BY "start", "end" ROWS UNBOUNDED PRECEDING
    ) AS piece
    FROM steps
)
SELECT
    dataset, venue, instrument, timeframe, origin, count(*) AS intervals,
    min("start") AS piece_start, max("end") AS piece_end
FROM numbered
GROUP BY dataset, venue, instrument, timeframe, origin, piece;

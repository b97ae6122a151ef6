-- One row: how much of one dataset the lake holds for one instrument, and by which way it came.
-- Grain: (dataset, venue, instrument, timeframe, origin). Time: covered_from, covered_to.
-- Example: FROM coverage_matrix WHERE dataset = 'candles' AND timeframe = '1h';
CREATE VIEW coverage_matrix AS
SELECT
    dataset, venue, instrument, timeframe, origin,
    count(*) AS intervals,
    min("start") AS covered_from,
    max("end") AS covered_to,
    sum(epoch_us("end") - epoch_us("start")) / 1e6 AS seconds_listed
FROM stg_coverage
GROUP BY ALL
ORDER BY ALL;

-- One row: how much of one dataset the lake holds for one instrument, and by which way it came.
-- Grain: (dataset, venue, instrument, timeframe, origin). Time: covered_from, covered_to.
-- intervals counts what stands in the ledger; pieces what is left when those that touch or overlap are one; share is
-- the covered part of the time from the first to the last.
-- Example: FROM coverage_matrix WHERE dataset = 'candles' AND timeframe = '1h';
CREATE VIEW coverage_matrix AS
SELECT
    dataset, venue, instrument, timeframe, origin,
    sum(intervals)::BIGINT AS intervals,
    count(*) AS pieces,
    min(piece_start) AS covered_from,
    max(piece_end) AS covered_to,
    sum(epoch_us(piece_end) - epoch_us(piece_start)) / 1e6 AS seconds_covered,
    sum(epoch_us(piece_end) - epoch_us(piece_start))
        / nullif(epoch_us(max(piece_end)) - epoch_us(min(piece_start)), 0) AS share
FROM stg_coverage_pieces
WHERE origin <> 'any'
GROUP BY dataset, venue, instrument, timeframe, origin
ORDER BY ALL;

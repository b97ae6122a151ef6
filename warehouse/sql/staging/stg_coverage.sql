-- One row: one interval in which a dataset is known to be complete, in its newest extent.
-- Grain: (dataset, venue, instrument, timeframe, origin, source, start). Time: start; the interval is ["start", "end").
-- Example: FROM stg_coverage WHERE dataset = 'trades' AND origin = 'stream';
CREATE VIEW stg_coverage AS
SELECT dataset, venue, instrument, timeframe, "start", "end", origin, source, first_id, first_seq, rows, note, ts_recv
FROM coverage
QUALIFY row_number() OVER (
    PARTITION BY dataset, venue, instrument, timeframe, origin, source, "start" ORDER BY ts_recv DESC, "end" DESC
) = 1;

-- One row: the newest state of one hole in a stream.
-- Grain: (venue, instrument, stream, opened_at, from_id). Time: opened_at; the hole itself is [from_ts, to_ts].
-- Example: FROM stg_gaps WHERE state = 'unrecoverable';
CREATE VIEW stg_gaps AS
SELECT venue, instrument, stream, opened_at, from_id, to_id, from_ts, to_ts, cause, state, attempts, reason, ts_recv
FROM gaps
QUALIFY row_number() OVER (
    PARTITION BY venue, instrument, stream, opened_at, from_id
    ORDER BY ts_recv DESC, log_seq DESC, attempts DESC, (state = 'open')
) = 1;

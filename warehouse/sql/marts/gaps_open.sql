-- One row: one hole in a stream that is known and not yet repaired or given up.
-- Grain: (venue, instrument, stream, opened_at, from_id). Time: opened_at.
-- Example: SELECT venue, instrument, stream, cause FROM gaps_open;
CREATE VIEW gaps_open AS
SELECT * FROM stg_gaps WHERE state = 'open' ORDER BY opened_at;

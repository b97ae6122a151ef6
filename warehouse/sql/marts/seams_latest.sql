-- One row: the newest certificate of one instrument's seam between history and the live tape.
-- Grain: (venue, instrument). Time: created. History holds ts_event < cut, the tape the rest.
-- Example: SELECT venue, instrument, state, reason FROM seams_latest WHERE state <> 'proven';
CREATE VIEW seams_latest AS
SELECT * FROM seams
QUALIFY row_number() OVER (PARTITION BY venue, instrument ORDER BY created DESC) = 1
ORDER BY venue, instrument;

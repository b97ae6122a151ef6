-- One row: a recorded trade whose successor's id is not the next one, though no gap row explains it. None means pass.
-- Grain: (venue, instrument, trade_seq). Only trades from a journal, with contiguous ids.
WITH steps AS (
    SELECT
        venue, instrument, trade_seq, ts_event,
        lead(trade_seq) OVER (PARTITION BY venue, instrument ORDER BY trade_seq) AS next_seq
    FROM trades
    WHERE trade_seq IS NOT NULL AND log_seq IS NOT NULL
)
SELECT steps.venue, steps.instrument, trade_seq, next_seq, steps.ts_event
FROM steps
WHERE next_seq > trade_seq + 1
    AND NOT EXISTS (
        FROM stg_gaps AS gap
        WHERE gap.venue = steps.venue AND gap.instrument = steps.instrument AND gap.stream = 'trades'
            AND gap.from_id <= next_seq - 1 AND gap.to_id >= trade_seq + 1
    );

-- One row: a trade of recorded time whose successor's id is not the next one, though no gap row explains it. None means
-- pass.
-- Grain: (venue, instrument, trade_seq). Venues with contiguous ids alone; both trades lie in one recorded interval.
WITH steps AS (
    SELECT
        venue, instrument, trade_seq, ts_event,
        lead(trade_seq) OVER numbered AS next_seq,
        lead(ts_event) OVER numbered AS next_event
    FROM trades
    WHERE trade_seq IS NOT NULL
    WINDOW numbered AS (PARTITION BY venue, instrument ORDER BY trade_seq)
)
SELECT steps.venue, steps.instrument, trade_seq, next_seq, steps.ts_event
FROM steps
WHERE next_seq > trade_seq + 1
    AND EXISTS (
        FROM stg_coverage AS recorded
        WHERE recorded.venue = steps.venue AND recorded.instrument = steps.instrument
            AND recorded.dataset = 'trades' AND recorded.origin = 'stream'
            AND recorded."start" <= steps.ts_event AND steps.next_event < recorded."end"
    )
    AND NOT EXISTS (
        FROM stg_gaps AS gap
        WHERE gap.venue = steps.venue AND gap.instrument = steps.instrument AND gap.stream = 'trades'
            AND gap.from_id <= next_seq - 1 AND gap.to_id >= trade_seq + 1
    );

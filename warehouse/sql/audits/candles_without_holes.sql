-- One row: a candle whose successor does not begin where it ends, though coverage says that nothing is missing there,
-- and no gap row explains it. None means pass.
-- Grain: (venue, instrument, timeframe, open_time).
WITH steps AS (
    SELECT
        venue, instrument, timeframe, open_time,
        lead(open_time) OVER (PARTITION BY venue, instrument, timeframe ORDER BY open_time) AS next_open,
        bar_us(timeframe) AS length_us
    FROM candles
)
SELECT steps.venue, steps.instrument, steps.timeframe, open_time, next_open
FROM steps
JOIN stg_coverage AS held
    ON held.dataset = 'candles' AND held.venue = steps.venue AND held.instrument = steps.instrument
    AND held.timeframe = steps.timeframe AND held."start" <= open_time AND held."end" >= next_open
WHERE next_open IS NOT NULL AND epoch_us(next_open) <> epoch_us(open_time) + length_us
    AND NOT EXISTS (
        FROM stg_gaps AS gap
        WHERE gap.venue = steps.venue AND gap.instrument = steps.instrument AND gap.stream = 'candles'
            AND gap.cause = 'missing_' || steps.timeframe AND gap.state IN ('legitimate', 'unrecoverable')
            AND gap.from_ts < next_open AND gap.to_ts >= open_time
    );

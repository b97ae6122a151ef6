-- One row: a reading of open interest that is negative or not finite. None means pass.
-- Grain: (venue, instrument, ts_event, period_us).
SELECT venue, instrument, ts_event, period_us, open_interest, open_interest_quote
FROM open_interest
WHERE NOT (
    isfinite(open_interest) AND open_interest >= 0
    AND coalesce(isfinite(open_interest_quote) AND open_interest_quote >= 0, true)
);

-- One row: a trade whose price is not its ticks times the tick of the rules then in force. None means pass.
-- Grain: (venue, instrument, trade_id). Trades older than the oldest known rules are judged by those.
WITH ruled AS (
    SELECT
        venue, instrument, tick::DOUBLE AS tick,
        CASE WHEN row_number() OVER one = 1 THEN TIMESTAMPTZ '1970-01-01' ELSE valid_from END AS valid_from
    FROM instruments
    WINDOW one AS (PARTITION BY venue, instrument ORDER BY valid_from)
)
SELECT trades.venue, trades.instrument, trade_id, price, ticks, tick
FROM trades
ASOF JOIN ruled
    ON ruled.venue = trades.venue AND ruled.instrument = trades.instrument AND ruled.valid_from <= trades.ts_event
WHERE abs(price - ticks * tick) > 1e-6 * tick + 1e-12 * price;

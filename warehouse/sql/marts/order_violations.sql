-- One row: one trade that came out of order. kind 'event': its venue's clock is before that of the id before it; kind
-- 'delivery': it was journaled after a trade with a greater id.
-- Grain: (venue, instrument, trade_id, kind). Time: ts_event. behind counts microseconds, or ids.
-- Example: SELECT venue, kind, count(*), max(behind) FROM order_violations GROUP BY ALL;
CREATE VIEW order_violations AS
WITH recorded AS (
    SELECT venue, instrument, "start", source FROM stg_coverage WHERE dataset = 'trades' AND origin = 'stream'
),
marked AS (
    SELECT
        trades.venue, trades.instrument, trade_id, trade_seq, ts_event, log_seq, source,
        epoch_us(lag(ts_event) OVER (PARTITION BY trades.venue, trades.instrument ORDER BY trade_seq))
            - epoch_us(ts_event) AS back_us
    FROM trades
    ASOF LEFT JOIN recorded
        ON recorded.venue = trades.venue AND recorded.instrument = trades.instrument
        AND recorded."start" <= trades.ts_event
    WHERE trade_seq IS NOT NULL
),
delivered AS (  -- each journal counts its own log_seq
    SELECT
        venue, instrument, trade_id, ts_event,
        max(trade_seq) OVER (
            PARTITION BY venue, instrument, source ORDER BY log_seq
            RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) - trade_seq AS behind
    FROM marked
    WHERE log_seq IS NOT NULL
)
SELECT venue, instrument, trade_id, 'event' AS kind, ts_event, back_us AS behind FROM marked WHERE back_us > 0
UNION ALL
SELECT venue, instrument, trade_id, 'delivery', ts_event, behind FROM delivered WHERE behind > 0;

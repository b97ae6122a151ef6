-- One row: one market trade with its notional, its signed size, the second it fell into and the delay until we knew it.
-- Grain: (venue, instrument, trade_id). Time: ts_event. delay_us is our clock minus the venue's; null for history.
-- tick_rule is buy after a higher and sell after a lower price, by the last price that differed; null before the first.
-- Example: SELECT venue, avg(delay_us) FROM trades_enriched WHERE instrument = 'BTC-USDT' GROUP BY venue;
CREATE VIEW trades_enriched AS
WITH moved AS (
    SELECT
        *,
        nullif(sign(ticks - lag(ticks) OVER venue_order), 0) AS step
    FROM stg_trades
    WINDOW venue_order AS (PARTITION BY venue, instrument ORDER BY ts_event, trade_seq, ts_recv, log_seq, place)
)
SELECT
    * EXCLUDE (step),
    date_trunc('second', ts_event) AS second,
    CASE WHEN origin = 'stream' THEN epoch_us(ts_recv) - epoch_us(ts_event) END AS delay_us,
    CASE last_value(step IGNORE NULLS) OVER venue_order
        WHEN 1 THEN 'buy' WHEN -1 THEN 'sell' END AS tick_rule
FROM moved
WINDOW venue_order AS (
    PARTITION BY venue, instrument ORDER BY ts_event, trade_seq, ts_recv, log_seq, place ROWS UNBOUNDED PRECEDING
);

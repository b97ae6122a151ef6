-- One row: one market trade with its notional, its signed size, the second it fell into and the delay until we knew it.
-- Grain: (venue, instrument, trade_id). Time: ts_event. delay_us is our clock minus the venue's; null for history.
-- Example: SELECT venue, avg(delay_us) FROM trades_enriched WHERE instrument = 'BTC-USDT' GROUP BY venue;
CREATE VIEW trades_enriched AS
SELECT
    *,
    date_trunc('second', ts_event) AS second,
    CASE WHEN origin = 'stream' THEN epoch_us(ts_recv) - epoch_us(ts_event) END AS delay_us
FROM stg_trades;

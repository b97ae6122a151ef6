-- One row: one market trade that the live windows saw too: no off-market print, none that came too late.
-- Grain: (venue, instrument, trade_id). Time: ts_event. Signed columns are positive when the taker bought.
-- Example: SELECT venue, sum(notional) FROM stg_trades WHERE instrument = 'BTC-USDT' GROUP BY venue;
CREATE VIEW stg_trades AS
SELECT
    venue, instrument, ts_event, ts_recv, trade_id, trade_seq, price, size, taker_side, ticks, lots, origin, log_seq,
    place,
    price * size AS notional,
    CASE taker_side WHEN 'buy' THEN lots ELSE -lots END AS signed_lots,
    CASE taker_side WHEN 'buy' THEN size ELSE -size END AS signed_size
FROM trades
WHERE kind = 'market' AND NOT late;

-- One row: a trade without a positive, finite price and size. None means pass.
-- Grain: (venue, instrument, trade_id).
SELECT venue, instrument, trade_id, price, size
FROM trades
WHERE NOT (isfinite(price) AND isfinite(size) AND price > 0 AND size > 0 AND ticks > 0 AND lots > 0);

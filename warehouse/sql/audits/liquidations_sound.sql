-- One row: a liquidation without a side, a basis of its price, or a positive, finite price and size. None means pass.
-- Grain: (venue, instrument, ts_event, liquidated_side, price, size, nth).
SELECT venue, instrument, ts_event, liquidated_side, price_basis, price, size, nth
FROM liquidations
WHERE NOT (
    liquidated_side IN ('long', 'short') AND price_basis IN ('fill', 'bankruptcy') AND nth >= 0
    AND isfinite(price) AND isfinite(size) AND price > 0 AND size > 0
);

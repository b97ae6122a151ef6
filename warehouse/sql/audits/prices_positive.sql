-- One row: a mark or index price, of a reading or of a bar, that is not positive, finite and inside its bar.
-- Grain: (dataset, venue, instrument, timeframe, kind, time). None means pass.
SELECT 'marks' AS dataset, venue, instrument, '' AS timeframe, '' AS kind, ts_event AS time
FROM marks
WHERE NOT (
    coalesce(mark_price > 0 AND isfinite(mark_price), true)
    AND coalesce(index_price > 0 AND isfinite(index_price), true)
    AND (mark_price IS NOT NULL OR index_price IS NOT NULL)
)
UNION ALL
SELECT 'price_candles', venue, instrument, timeframe, kind, open_time
FROM price_candles
WHERE NOT (
    low > 0 AND isfinite(high) AND low <= least("open", "close") AND high >= greatest("open", "close")
    AND kind IN ('mark', 'index') AND epoch_us(open_time) % bar_us(timeframe) = 0
);

-- One row: one venue's close of one bar against the median close of all venues that have this bar, at least two.
-- Grain: (open_time, venue). Time: open_time. premium_bps is in basis points; the closes are the last trades of
-- the bar, seconds apart where a market is quiet.
-- Example: SELECT venue, avg(premium_bps) FROM cross_venue_premium('BTC-USDT-PERP', '1h') GROUP BY venue;
CREATE MACRO cross_venue_premium(symbol, bar) AS TABLE
SELECT open_time, venue, "close", reference, venues, premium_bps
FROM stg_closes
WHERE instrument = symbol AND timeframe = bar
ORDER BY open_time, venue;

-- One row: one price bin of one instrument at one venue, and what traded in it during [since, until).
-- Grain: (venue, bin). Time: none; choose it with the arguments. bin is the bin's lower price, width in quote per base.
-- Example: FROM volume_profile('BTC-USDT', TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-02', 10.0);
CREATE MACRO volume_profile(symbol, since, until, width) AS TABLE
SELECT
    venue, floor(price / width) * width AS bin,
    sum(size) AS volume,
    coalesce(sum(size) FILTER (taker_side = 'buy'), 0.0) AS buy_volume,
    coalesce(sum(size) FILTER (taker_side = 'sell'), 0.0) AS sell_volume,
    count(*) AS trades
FROM stg_trades
WHERE instrument = symbol AND ts_event >= since AND ts_event < until
GROUP BY ALL
ORDER BY venue, bin;

-- One row: one price bin of one instrument at one venue, and what traded in it during [since, until).
-- Grain: (venue, bin). Time: none; choose it with the arguments. bin is the bin's lower price, width in quote per base:
-- of a venue's ticks as many as come nearest to it, at least one.
-- Example: FROM volume_profile('BTC-USDT', TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-02', 10.0);
CREATE MACRO volume_profile(symbol, since, until, width) AS TABLE
WITH levels AS (
    SELECT
        venue, ticks, printf('%.12g', price / ticks)::DOUBLE AS tick,
        sum(size) AS volume,
        coalesce(sum(size) FILTER (taker_side = 'buy'), 0.0) AS buy_volume,
        coalesce(sum(size) FILTER (taker_side = 'sell'), 0.0) AS sell_volume,
        count(*) AS trades
    FROM stg_trades
    WHERE instrument = symbol AND ts_event >= since AND ts_event < until
    GROUP BY venue, ticks, price
),
sized AS (SELECT *, greatest(round(width / tick), 1)::BIGINT AS k FROM levels)
SELECT
    venue, printf('%.12g', ticks // k * k * tick)::DOUBLE AS bin,
    sum(volume) AS volume, sum(buy_volume) AS buy_volume, sum(sell_volume) AS sell_volume,
    sum(trades)::BIGINT AS trades
FROM sized
GROUP BY ALL
ORDER BY venue, bin;

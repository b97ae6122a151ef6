-- One row: one minute of order flow: what takers bought and sold, and the cumulative difference since 00:00 UTC.
-- Grain: (venue, instrument, minute); minutes without a trade have no row. Time: minute. Sizes are base units.
-- Example: SELECT minute, cvd FROM cvd WHERE venue = 'okx' AND instrument = 'BTC-USDT-PERP' ORDER BY minute;
CREATE VIEW cvd AS
WITH minutes AS (
    SELECT
        venue, instrument, date_trunc('minute', ts_event) AS minute,
        count(*) AS trades,
        coalesce(sum(size) FILTER (taker_side = 'buy'), 0.0) AS buy_size,
        coalesce(sum(size) FILTER (taker_side = 'sell'), 0.0) AS sell_size,
        sum(signed_lots) AS delta_lots,
        max(size / lots) AS lot
    FROM stg_trades
    GROUP BY ALL
)
SELECT
    venue, instrument, minute, trades, buy_size, sell_size,
    delta_lots * lot AS delta,
    sum(delta_lots) OVER day * lot AS cvd
FROM minutes
WINDOW day AS (PARTITION BY venue, instrument, date_trunc('day', minute) ORDER BY minute);

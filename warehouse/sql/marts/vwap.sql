-- One row: one minute's volume-weighted average price, and that of the day so far (since 00:00 UTC).
-- Grain: (venue, instrument, minute); minutes without a trade have no row. Time: minute. Prices in quote per base.
-- Example: SELECT minute, vwap, day_vwap FROM vwap WHERE venue = 'binance' AND instrument = 'BTC-USDT' ORDER BY minute;
CREATE VIEW vwap AS
WITH minutes AS (
    SELECT
        venue, instrument, date_trunc('minute', ts_event) AS minute,
        sum(lots) AS lots,
        sum(ticks::HUGEINT * lots) AS tick_lots,
        max(price / ticks) AS tick,
        sum(size) AS size
    FROM stg_trades
    GROUP BY ALL
)
SELECT
    venue, instrument, minute, size,
    tick_lots / lots * tick AS vwap,
    sum(tick_lots) OVER day / sum(lots) OVER day * tick AS day_vwap
FROM minutes
WINDOW day AS (PARTITION BY venue, instrument, date_trunc('day', minute) ORDER BY minute);

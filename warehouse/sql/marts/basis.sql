-- One row: how far a perpetual's mark price stands from its index price.
-- Grain: (venue, instrument, timeframe, ts_event). Time: ts_event. timeframe is empty for recorded readings, else the
-- bar whose two closes are compared, at its end. Prices in quote per base. index_price and basis_bps are null where no
-- index was known within a second of the mark.
-- Example: SELECT ts_event, basis_bps FROM basis WHERE instrument = 'BTC-USDT-PERP' AND timeframe = '';
CREATE VIEW basis AS
WITH bars AS (
    SELECT
        venue, instrument, timeframe, make_timestamptz(epoch_us(open_time) + bar_us(timeframe)) AS ts_event,
        max("close") FILTER (kind = 'mark') AS mark_price,
        max("close") FILTER (kind = 'index') AS index_price
    FROM price_candles
    GROUP BY venue, instrument, timeframe, open_time
    HAVING mark_price IS NOT NULL AND index_price IS NOT NULL
),
both_prices AS (
    SELECT venue, instrument, '' AS timeframe, ts_event, mark_price, index_price FROM marks
    WHERE mark_price IS NOT NULL
    UNION ALL
    SELECT venue, instrument, timeframe, ts_event, mark_price, index_price FROM bars
)
SELECT *, 1e4 * (mark_price - index_price) / index_price AS basis_bps
FROM both_prices;

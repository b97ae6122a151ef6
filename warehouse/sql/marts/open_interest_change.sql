-- One row: one reading of open interest and by what fraction it changed in 5 minutes, 15 minutes, 1 hour and 24 hours.
-- Grain: (venue, instrument, period_us, ts_event). Time: ts_event. Base units, one side: quote value moves with price.
-- A change is null without a reading at most five minutes older than the window's beginning.
-- Example: SELECT ts_event, change_1h FROM open_interest_change WHERE venue = 'bybit' AND instrument = 'BTC-USDT-PERP';
CREATE VIEW open_interest_change AS
SELECT
    venue, instrument, period_us, ts_event, open_interest, open_interest_quote,
    open_interest / nullif(last_value(open_interest) OVER back_5m, 0) - 1 AS change_5m,
    open_interest / nullif(last_value(open_interest) OVER back_15m, 0) - 1 AS change_15m,
    open_interest / nullif(last_value(open_interest) OVER back_1h, 0) - 1 AS change_1h,
    open_interest / nullif(last_value(open_interest) OVER back_24h, 0) - 1 AS change_24h
FROM open_interest
WINDOW
    back_5m AS (PARTITION BY venue, instrument, period_us ORDER BY ts_event
        RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 5 MINUTES PRECEDING),
    back_15m AS (PARTITION BY venue, instrument, period_us ORDER BY ts_event
        RANGE BETWEEN INTERVAL 20 MINUTES PRECEDING AND INTERVAL 15 MINUTES PRECEDING),
    back_1h AS (PARTITION BY venue, instrument, period_us ORDER BY ts_event
        RANGE BETWEEN INTERVAL 65 MINUTES PRECEDING AND INTERVAL 60 MINUTES PRECEDING),
    back_24h AS (PARTITION BY venue, instrument, period_us ORDER BY ts_event
        RANGE BETWEEN INTERVAL 1445 MINUTES PRECEDING AND INTERVAL 1440 MINUTES PRECEDING);

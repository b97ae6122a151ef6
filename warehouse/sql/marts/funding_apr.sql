-- One row: one funding rate made comparable: per eight hours and per year. Positive: longs pay shorts.
-- Grain: (venue, instrument, settled, ts_event). Time: ts_event. Rates are fractions; settled and accruing rates are
-- two series, never one. interval_hours is the venue's word, else the distance from the settlement before if that is a
-- usual one (1, 2, 4 or 8 hours), else null and with it rate_8h and apr.
-- Example: SELECT venue, avg(apr) FROM funding_apr WHERE settled AND instrument = 'BTC-USDT-PERP' GROUP BY venue;
CREATE VIEW funding_apr AS
WITH rates AS (
    SELECT venue, instrument, ts_event, settled, funding_rate, interval_us, next_funding_at, origin, ts_recv
    FROM funding WHERE settled
    UNION ALL
    SELECT venue, instrument, ts_event, settled, funding_rate, interval_us, next_funding_at, origin, ts_recv
    FROM accruals WHERE NOT settled
),
spans AS (
    SELECT
        *,
        CASE WHEN settled THEN epoch_us(ts_event) - epoch_us(lag(ts_event) OVER series) END / 3600e6 AS hours_before
    FROM rates
    WINDOW series AS (PARTITION BY venue, instrument, settled ORDER BY ts_event)
)
SELECT
    venue, instrument, settled, ts_event, funding_rate,
    coalesce(interval_us / 3600e6, CASE WHEN hours_before IN (1, 2, 4, 8) THEN hours_before END) AS interval_hours,
    funding_rate * 8 / interval_hours AS rate_8h,
    funding_rate * 24 / interval_hours * 365 AS apr,
    next_funding_at, origin, ts_recv
FROM spans;

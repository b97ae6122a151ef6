-- One row: a funding rate that no venue would charge: not finite, or a tenth of the position and more in one interval.
-- Grain: (dataset, venue, instrument, ts_event, settled). None means pass.
SELECT 'funding' AS dataset, venue, instrument, ts_event, settled, funding_rate
FROM funding WHERE NOT (isfinite(funding_rate) AND abs(funding_rate) < 0.1)
UNION ALL
SELECT 'accruals', venue, instrument, ts_event, settled, funding_rate
FROM accruals WHERE NOT (isfinite(funding_rate) AND abs(funding_rate) < 0.1 AND NOT settled);

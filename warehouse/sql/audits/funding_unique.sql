-- One row: a funding rate that stands in the lake more than once. None means pass.
-- Grain: (venue, instrument, ts_event, settled).
SELECT venue, instrument, ts_event, settled, count(*) AS copies FROM funding GROUP BY ALL HAVING count(*) > 1;

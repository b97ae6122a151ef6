-- One row: a trade that stands in the lake more than once. None means pass.
-- Grain: (venue, instrument, trade_id).
SELECT venue, instrument, trade_id, count(*) AS copies FROM trades GROUP BY ALL HAVING count(*) > 1;

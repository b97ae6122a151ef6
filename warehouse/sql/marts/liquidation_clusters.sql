-- One row: one burst of forced closes: at least three, each at most 5 s after the one before, one side with 80 % of it.
-- Grain: (venue, instrument, started). Time: started, ended. Notional in quote units; where sampled, a lower bound.
-- Example: FROM liquidation_clusters WHERE liquidated_side = 'long' ORDER BY notional DESC LIMIT 10;
CREATE VIEW liquidation_clusters AS
WITH steps AS (
    SELECT
        *, price * size AS notional,
        coalesce(epoch_us(ts_event) - epoch_us(lag(ts_event) OVER (
            PARTITION BY venue, instrument ORDER BY ts_event, nth
        )) > 5000000, true)::INT AS begins
    FROM liquidations
),
chains AS (
    SELECT *, sum(begins) OVER (PARTITION BY venue, instrument ORDER BY ts_event, nth ROWS UNBOUNDED PRECEDING) AS chain
    FROM steps
),
sums AS (
    SELECT
        venue, instrument, min(ts_event) AS started, max(ts_event) AS ended, count(*) AS events,
        sum(notional) AS notional,
        coalesce(sum(notional) FILTER (liquidated_side = 'long'), 0.0) AS long_notional,
        sum(notional) / sum(size) AS average_price, min(price) AS low, max(price) AS high, bool_or(sampled) AS sampled
    FROM chains
    GROUP BY venue, instrument, chain
)
SELECT
    venue, instrument, started, ended,
    CASE WHEN 2 * long_notional >= notional THEN 'long' ELSE 'short' END AS liquidated_side,
    events, notional, greatest(long_notional, notional - long_notional) / notional AS side_share,
    average_price, low, high, sampled
FROM sums
WHERE events >= 3 AND side_share >= 0.8;

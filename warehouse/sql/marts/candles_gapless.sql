-- One row: one bar of the grid, whether the lake has it or not.
-- Grain: (venue, open_time), every bar from the first to the last one known in [since, until). Time: open_time.
-- state is stated (by the venue), built (from smaller bars, all of them there) or missing: null prices then, and only
-- last_close, the newest close before it.
-- quiet says that the bar is known and nothing traded in it. Any timeframe of whole minutes, hours or days.
-- Example: FROM candles_gapless('BTC-USDT', '45m', TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-02');
CREATE MACRO candles_gapless(symbol, bar, since, until) AS TABLE
WITH parts AS (
    SELECT
        venue, timeframe, bar_us(timeframe) AS part_us, bar_us(bar) AS slot_us,
        epoch_us(open_time) - epoch_us(open_time) % bar_us(bar) AS slot,
        open_time, open, high, low, close, volume, quote_volume, trade_count
    FROM candles
    WHERE instrument = symbol AND closed AND open_time >= since AND open_time < until
        AND bar_us(bar) % bar_us(timeframe) = 0
),
whole AS (
    SELECT
        venue, slot, timeframe, part_us, slot_us,
        arg_min(open, open_time) AS open, max(high) AS high, min(low) AS low, arg_max(close, open_time) AS close,
        sum(volume) AS volume,
        CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END AS quote_volume,
        CASE WHEN count(trade_count) = count(*) THEN sum(trade_count)::BIGINT END AS trade_count
    FROM parts
    GROUP BY venue, slot, timeframe, part_us, slot_us
    HAVING count(*) * part_us = slot_us
    QUALIFY row_number() OVER (PARTITION BY venue, slot ORDER BY part_us DESC) = 1
),
slots AS (
    SELECT venue, unnest(range(min(slot), max(slot) + 1, slot_us)) AS slot FROM parts GROUP BY venue, slot_us
)
SELECT
    slots.venue, symbol AS instrument, bar AS timeframe, make_timestamptz(slots.slot) AS open_time,
    open, high, low, close, volume, quote_volume, trade_count,
    CASE WHEN whole.slot IS NULL THEN 'missing' WHEN part_us = slot_us THEN 'stated' ELSE 'built' END AS state,
    whole.timeframe AS built_from,
    coalesce(volume = 0, false) AS quiet,
    last_value(close IGNORE NULLS) OVER (PARTITION BY slots.venue ORDER BY slots.slot) AS last_close
FROM slots
LEFT JOIN whole ON whole.venue = slots.venue AND whole.slot = slots.slot
ORDER BY slots.venue, slots.slot;

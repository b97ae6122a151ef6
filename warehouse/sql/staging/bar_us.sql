-- One row: none; the length of a bar in microseconds, of a timeframe such as '1m', '4h' or '1d'.
-- Grain: a function of its argument. Bars of this length begin at whole multiples since 1970 UTC.
-- Example: SELECT bar_us('15m');
CREATE MACRO bar_us(bar) AS
    CASE right(bar, 1) WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 END
    * left(bar, -1)::BIGINT * 1000000;

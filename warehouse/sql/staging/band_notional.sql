-- One row: none; the quote notional of one book side within a band of basis points around the mid price, inclusive.
-- Grain: a function of its arguments. Null when the side ends inside the band: how much lies beyond is not known then.
-- Example: SELECT band_notional([99.9, 99.8, 99.0], [2.0, 3.0, 9.0], 100.0, 20);
CREATE MACRO band_notional(prices, sizes, mid, bps) AS
    CASE WHEN abs(prices[len(prices)] / mid - 1) * 1e4 > bps + 1e-6 THEN coalesce(list_sum(list_transform(
        list_filter(list_zip(prices, sizes), lambda level: abs(level[1] / mid - 1) * 1e4 <= bps + 1e-6),
        lambda level: level[1] * level[2]
    )), 0.0) END;

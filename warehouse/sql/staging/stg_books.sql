-- One row: one picture of an order book that can be read: both sides there and not crossed.
-- Grain: (venue, instrument, ts_event, origin). Time: ts_event. Level lists run from the best outwards.
-- Example: SELECT venue, avg(spread_bps) FROM stg_books WHERE instrument = 'BTC-USDT-PERP' GROUP BY venue;
CREATE VIEW stg_books AS
SELECT
    venue, instrument, ts_event, ts_recv, origin, update_id, bid_prices, bid_sizes, ask_prices, ask_sizes,
    bid_prices[1] AS best_bid,
    ask_prices[1] AS best_ask,
    (best_bid + best_ask) / 2 AS mid_price,
    1e4 * (best_ask - best_bid) / mid_price AS spread_bps
FROM books
WHERE len(bid_prices) > 0 AND len(ask_prices) > 0 AND bid_prices[1] < ask_prices[1] AND NOT late;

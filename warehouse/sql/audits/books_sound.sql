-- One row: a book picture that cannot be one: crossed, prices without sizes, a level not worse than the one before it,
-- a price or size that is not positive. An empty side is a book too. None means pass.
-- Grain: (venue, instrument, ts_event, origin).
SELECT venue, instrument, ts_event, origin, bid_prices[1] AS best_bid, ask_prices[1] AS best_ask
FROM books
WHERE NOT (
    len(bid_prices) = len(bid_sizes) AND len(ask_prices) = len(ask_sizes)
    AND coalesce(bid_prices[1] < ask_prices[1], true)
    AND coalesce(least(list_min(bid_prices), list_min(bid_sizes), list_min(ask_sizes)) > 0, true)
    AND bid_prices = list_reverse_sort(list_distinct(bid_prices))
    AND ask_prices = list_sort(list_distinct(ask_prices))
);

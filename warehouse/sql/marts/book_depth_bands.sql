-- One row: one picture of an order book: the notional resting within 5, 10, 25 and 50 basis points of the mid price.
-- Grain: (venue, instrument, ts_event, origin). Time: ts_event. Quote units. Null where the picture is not deep
-- enough to know. imbalance is (bid - ask) / (bid + ask) of the band.
-- Example: SELECT ts_event, bid_10bps, ask_10bps, imbalance_10bps FROM book_depth_bands WHERE venue = 'binance';
CREATE VIEW book_depth_bands AS
SELECT
    venue, instrument, ts_event, origin, mid_price, spread_bps,
    len(bid_prices) AS bid_levels, len(ask_prices) AS ask_levels,
    band_notional(bid_prices, bid_sizes, mid_price, 5) AS bid_5bps,
    band_notional(ask_prices, ask_sizes, mid_price, 5) AS ask_5bps,
    (bid_5bps - ask_5bps) / nullif(bid_5bps + ask_5bps, 0) AS imbalance_5bps,
    band_notional(bid_prices, bid_sizes, mid_price, 10) AS bid_10bps,
    band_notional(ask_prices, ask_sizes, mid_price, 10) AS ask_10bps,
    (bid_10bps - ask_10bps) / nullif(bid_10bps + ask_10bps, 0) AS imbalance_10bps,
    band_notional(bid_prices, bid_sizes, mid_price, 25) AS bid_25bps,
    band_notional(ask_prices, ask_sizes, mid_price, 25) AS ask_25bps,
    (bid_25bps - ask_25bps) / nullif(bid_25bps + ask_25bps, 0) AS imbalance_25bps,
    band_notional(bid_prices, bid_sizes, mid_price, 50) AS bid_50bps,
    band_notional(ask_prices, ask_sizes, mid_price, 50) AS ask_50bps,
    (bid_50bps - ask_50bps) / nullif(bid_50bps + ask_50bps, 0) AS imbalance_50bps
FROM stg_books;

"""How Binance writes our records: the inverse of `decode`, for the emulated venue only."""

from __future__ import annotations

from warehouse.clock import Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, FundingRate, Trade

Json = dict[str, object]


class Spelling:
    """Numbers and rows of one instrument. Spot writes eight decimals, futures those of the tick and the lot."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.symbol = rules.symbol
        self.spot = rules.market == "spot"
        self._price = 8 if self.spot else decimals(rules.tick)
        self._size = 8 if self.spot else decimals(rules.lot)

    def price(self, value: float) -> str:
        return f"{value:.{self._price}f}"

    def size(self, value: float) -> str:
        return f"{value:.{self._size}f}"

    def levels(self, levels: list[tuple[float, float]]) -> list[list[str]]:
        """`[["61837.63000000","3.78826000"],...]`."""
        price, size = f"%.{self._price}f", f"%.{self._size}f"
        return [[price % p, size % s] for p, s in levels]

    def agg_trade(self, trade: Trade) -> Json:
        """The keys that stream and REST share. Fills are their own aggregates where the market knows only fills."""
        number = trade.trade_seq if trade.trade_seq is not None else int(trade.trade_id)
        first = trade.first_fill if trade.first_fill is not None else number
        row: Json = {
            "a": number,
            "p": self.price(trade.price),
            "q": self.size(trade.size),
            "f": first,
            "l": trade.last_fill if trade.last_fill is not None else first,
            "T": trade.ts_event // 1000,
            "m": trade.taker_side == "sell",
        }
        if self.spot:
            row["M"] = True
        else:
            row["nq"] = self.size(0.0 if trade.rpi else trade.size)
        return row

    def agg_trade_event(self, trade: Trade, now: Micros) -> Json:
        event: Json = {"e": "aggTrade", "E": now // 1000, "s": self.symbol, **self.agg_trade(trade)}
        if not self.spot:
            event["st"] = 1
        return event

    def trade_event(self, trade: Trade, now: Micros) -> Json:
        number = trade.trade_seq if trade.trade_seq is not None else int(trade.trade_id)
        event: Json = {
            "e": "trade",
            "E": now // 1000,
            "T": trade.ts_event // 1000,
            "s": self.symbol,
            "t": number,
            "p": self.price(trade.price),
            "q": self.size(trade.size),
            "m": trade.taker_side == "sell",
        }
        if self.spot:
            event["M"] = True
        else:
            event["X"] = "MARKET" if trade.kind == "market" else "INSURANCE_FUND"
        return event

    def historical_trade(self, trade: Trade) -> Json:
        row: Json = {
            "id": trade.trade_seq if trade.trade_seq is not None else int(trade.trade_id),
            "price": self.price(trade.price),
            "qty": self.size(trade.size),
            "quoteQty": f"{trade.price * trade.size:.8f}",
            "time": trade.ts_event // 1000,
            "isBuyerMaker": trade.taker_side == "sell",
        }
        row["isBestMatch" if self.spot else "isRPITrade"] = True if self.spot else trade.rpi
        return row

    def book_ticker(self, quote: BestQuote, now: Micros) -> Json:
        event: Json = {
            "u": quote.update_id,
            "s": self.symbol,
            "b": self.price(quote.best_bid),
            "B": self.size(quote.best_bid_size),
            "a": self.price(quote.best_ask),
            "A": self.size(quote.best_ask_size),
        }
        if self.spot:
            return event
        times: Json = {"T": quote.ts_event // 1000, "E": now // 1000, "st": 1, "ps": self.symbol}
        return {"e": "bookTicker", **event, **times}

    def depth_update(self, update: BookUpdate, now: Micros) -> Json:
        """Spot: `U` is the id after the previous event's. Futures: `pu` is that id."""
        previous = update.previous_id if update.previous_id is not None else update.update_id - 1
        event: Json = {"e": "depthUpdate", "E": now // 1000}
        if not self.spot:
            event |= {"T": update.ts_event // 1000}
        event |= {"s": self.symbol, "U": previous + 1, "u": update.update_id}
        if not self.spot:
            event |= {"pu": previous, "ps": self.symbol, "st": 1}
        return event | {"b": self.levels(update.bids), "a": self.levels(update.asks)}

    def depth(self, book: BookUpdate, limit: int, now: Micros) -> Json:
        page: Json = {"lastUpdateId": book.update_id}
        if not self.spot:
            page |= {"E": now // 1000, "T": book.ts_event // 1000}
        return page | {"bids": self.levels(book.bids[:limit]), "asks": self.levels(book.asks[:limit])}

    def kline_row(self, candle: Candle) -> list[object]:
        return [
            candle.open_time // 1000,
            self.price(candle.open),
            self.price(candle.high),
            self.price(candle.low),
            self.price(candle.close),
            self.size(candle.volume),
            (candle.open_time + timeframe_us(candle.timeframe)) // 1000 - 1,
            f"{candle.quote_volume or 0.0:.8f}",
            candle.trade_count or 0,
            self.size(candle.taker_buy_volume or 0.0),
            f"{(candle.taker_buy_volume or 0.0) * candle.close:.8f}",
            "0",
        ]

    def kline_event(self, candle: Candle, now: Micros) -> Json:
        row = self.kline_row(candle)
        k: Json = {
            "t": row[0],
            "T": row[6],
            "s": self.symbol,
            "i": candle.timeframe,
            "f": -1,
            "L": -1,
            "o": row[1],
            "c": row[4],
            "h": row[2],
            "l": row[3],
            "v": row[5],
            "n": row[8],
            "x": candle.closed,
            "q": row[7],
            "V": row[9],
            "Q": row[10],
            "B": "0",
        }
        return {"e": "kline", "E": now // 1000, "s": self.symbol, "k": k}

    def funding(self, rate: FundingRate) -> Json:
        """The venue's settlement times lie a few milliseconds past the hour."""
        return {
            "symbol": self.symbol,
            "fundingTime": rate.ts_event // 1000 + 3,
            "fundingRate": f"{rate.funding_rate:.8f}",
            "markPrice": f"{rate.mark_price:.8f}" if rate.mark_price is not None else "",
            "rateType": "Regular",
        }

    def symbol_info(self, base: str, quote: str, status: str) -> Json:
        """A symbol of `exchangeInfo`; `status` is the venue's word."""
        rules = self.rules
        lot: Json = {"minQty": rules.min_size or rules.lot, "maxQty": "9000.00000000", "stepSize": rules.lot}
        price: Json = {"minPrice": rules.tick, "maxPrice": "1000000.00000000", "tickSize": rules.tick}
        filters: list[Json] = [{"filterType": "PRICE_FILTER", **price}, {"filterType": "LOT_SIZE", **lot}]
        info: Json = {
            "symbol": self.symbol,
            "status": status,
            "baseAsset": base,
            "quoteAsset": quote,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
        }
        least = rules.min_notional or "5"
        if self.spot:
            filters.append({"filterType": "NOTIONAL", "minNotional": least, "maxNotional": "9000000.00000000"})
            return info | {"isSpotTradingAllowed": True, "permissions": [], "filters": filters}
        filters.append({"filterType": "MARKET_LOT_SIZE", **lot})
        filters.append({"filterType": "MIN_NOTIONAL", "notional": least})
        return info | {
            "pair": self.symbol,
            "contractType": "PERPETUAL",
            "marginAsset": quote,
            "pricePrecision": decimals(rules.tick),
            "quantityPrecision": decimals(rules.lot),
            "onboardDate": (rules.listed_at or 1_567_965_300_000_000) // 1000,
            "deliveryDate": rules.delisting_at // 1000 if rules.delisting_at else 4_133_404_800_000,
            "filters": filters,
        }


def decimals(step: str) -> int:
    """Digits behind the point of a step: `0.01` has 2."""
    return len(step.partition(".")[2].rstrip("0"))

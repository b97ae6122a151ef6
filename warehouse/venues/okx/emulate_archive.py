"""OKX's bulk files over an emulated market: days of UTC+8, contracts, and on spot a header of old."""

from __future__ import annotations

from warehouse.clock import DAY, Micros
from warehouse.instruments import Rules
from warehouse.venues.archives import ArchiveFile, days
from warehouse.venues.base import MarketView, Reply
from warehouse.venues.emulate_archives import ALL, NOTHING, disordered, reaches, reply, table, zipped
from warehouse.venues.okx import archive, render
from warehouse.venues.okx.queries import Query, Refused, integer, one_of

OUT_AFTER: Micros = DAY

HOST = "https://static.okx.com"

_TRADES = "instrument_name,trade_id,side,price,size,created_time,source"
_OLD_TRADES = (
    "trade_id/\u64ae\u5408id,side/\u4ea4\u6613\u65b9\u5411,size/\u6570\u91cf,price/\u4ef7\u683c,"
    "created_time/\u6210\u4ea4\u65f6\u95f4"
)
_CANDLES = "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm"
_FUNDING = "instrument_name,funding_rate,funding_time"
_MODULES = {"1": "trades", "2": "candlesticks", "3": "fundingrates"}


class Archive:
    """`links` answers the question for files, `reply` one GET for a file."""

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def links(self, query: Query, now: Micros) -> list[object]:
        """`market-data-history`: links of the files that are out, the newest first."""
        word = one_of(query, "module", _MODULES)
        spot = query.get("instType") == "SPOT"
        names = query.get("instIdList" if spot else "instFamilyList", "").split(",")
        symbols = names if spot else [f"{name}-SWAP" for name in names]
        begin, end = integer(query, "begin"), integer(query, "end")
        if begin is None or end is None or not all(names):
            raise Refused("50014", "Parameter begin, end or the list of instruments can not be empty.")
        monthly = query.get("dateAggrType") == "monthly"
        if monthly != (word == "fundingrates"):
            raise Refused("51000", "Parameter dateAggrType error")
        touched = [day for day, _ in days(begin * 1000, end * 1000 + 1, archive.SHIFT)]
        whole = dict.fromkeys(day.isoformat()[:7] if monthly else day.isoformat() for day in touched)
        details = []
        for symbol in symbols:
            listed = [
                {"dateTs": when, "filename": f"{symbol}-{word}-{when}.zip", "sizeMB": "1", "url": HOST + path}
                for when in reversed(list(whole))
                if (path := archive.path_of(word, symbol, when)) and self._there(path, now)
            ]
            if listed:
                details.append({"groupDetails": listed, "instType": query.get("instType", "")})
        return [{"dateAggrType": query.get("dateAggrType", ""), "details": details, "ts": str(now // 1000)}]

    def reply(self, path: str, now: Micros) -> Reply:
        """The file at a path, 404 for what there is not (yet)."""
        found = self._there(path, now)
        if found is None:
            return NOTHING
        return reply(zipped(found[0].name.replace(".zip", ".csv"), self._table(*found)))

    def _there(self, path: str, now: Micros) -> tuple[ArchiveFile, Rules] | None:
        """The file at a path with its instrument, where it is out and the market knows all of it."""
        known = {rule.instrument: rule for rule in self._view.rules() if rule.venue == "okx"}
        found = archive.recognised(path, list(known.values()))
        if len(found) != 1 or found[0].end + OUT_AFTER > now:
            return None
        file = found[0]
        if file.kind == "trades" and not reaches(self._view, file.instrument, file.start):
            return None
        return file, known[file.instrument]

    def _table(self, file: ArchiveFile, rules: Rules) -> bytes:
        view = self._view
        if file.kind == "candles":
            bars = view.candles(file.instrument, "1m", file.start, file.end, ALL, False)
            told = []
            for bar in bars:
                at, *rest, confirm = render.candle(bar, rules)
                told.append([rules.symbol, *rest, at, confirm])
            return table(told, _CANDLES)
        if file.kind == "funding":
            rates = view.funding(file.instrument, file.start, file.end, ALL, False)
            return table([(rules.symbol, render.number(r.funding_rate), r.ts_event // 1000) for r in rates], _FUNDING)
        rows = view.trades_by_time(file.instrument, file.start, file.end, ALL, False)
        written = [render.trade(row, rules) for row in disordered(rows)]
        if rules.market == "spot":
            return table(
                [[row[name] for name in ("tradeId", "side", "sz", "px", "ts")] for row in written], _OLD_TRADES
            )
        order = ("instId", "tradeId", "side", "px", "sz", "ts", "source")
        return table([[row[name] for name in order] for row in written], _TRADES)

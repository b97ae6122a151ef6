"""OKX's own side keeps OKX's habits, and ccxt takes it for the venue."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import ccxt
import msgspec
import pytest

from tests.unit.venues.okx_market import NOW, SPOT, SWAP, Market
from warehouse.budgets.limits import okx as budget
from warehouse.clock import HOUR, MINUTE, SECOND
from warehouse.records import BestQuote
from warehouse.venues.base import Fetch
from warehouse.venues.okx import ENDPOINTS, NAME, emulated, symbol
from warehouse.venues.okx.emulate import LIMITS, WINDOW, EmulatedOkx
from warehouse.venues.okx.emulate_feeds import WINDOWS
from warehouse.venues.okx.emulate_socket import EmulatedOkxConnection
from warehouse.venues.okx.render import number, wire_size


def get(venue: EmulatedOkx, path: str, at: int = NOW, **query: str) -> tuple[int, str, list[Any]]:
    reply = venue.rest("rest", f"/api/v5/{path}", query, at)
    body = msgspec.json.decode(reply.body)
    return reply.status, body["code"], body["data"]


def subscribed(*args: tuple[str, str], path: str = "/ws/v5/public") -> tuple[Market, EmulatedOkxConnection, list[Any]]:
    market = Market()
    far = EmulatedOkx(market).connect("ws", path, {}, NOW)
    wanted = [{"channel": channel, "instId": inst} for channel, inst in args]
    said = far.receive(msgspec.json.encode({"id": "7", "op": "subscribe", "args": wanted}), NOW)
    return market, far, [json.loads(frame) for frame in said]


def test_the_face_of_the_package() -> None:
    assert NAME == "okx"
    assert (ENDPOINTS["rest"], ENDPOINTS["ws"]) == ("https://openapi.okx.com", "wss://ws.okx.com:8443")
    assert (symbol("BTC", "USDT", "spot"), symbol("BTC", "USDT", "perp")) == ("BTC-USDT", "BTC-USDT-SWAP")
    assert isinstance(emulated(Market()), EmulatedOkx)


def test_numbers_are_written_as_okx_writes_them() -> None:
    assert [number(x) for x in (64000.0, 1e-08, 0.1, 1e16)] == ["64000", "0.00000001", "0.1", "10000000000000000"]
    assert [wire_size(lots, SWAP) for lots in (0, 1, 100, 735)] == ["0", "0.01", "1", "7.35"]
    assert wire_size(12_060_306, SPOT) == "0.12060306"


def test_the_status_is_told_every_five_seconds() -> None:
    venue = EmulatedOkx(Market())
    at = (0, SECOND, 5 * SECOND - 1, 5 * SECOND, 6 * SECOND)
    assert [get(venue, "system/status", NOW + one)[0] for one in at] == [200, 429, 429, 200, 429]


def test_our_budget_asks_for_no_more_than_the_venue_answers() -> None:
    for path, (limit, _) in LIMITS.items():
        fetch = Fetch(purpose="status", base="rest", path=path, query={}, ccxt="")
        ours, weight = budget(fetch)
        window = WINDOWS.get(path, WINDOW)
        assert ours.per_us == window, path
        assert ours.amount // weight <= limit, path


def test_pages_descend_and_bounds_are_exclusive() -> None:
    venue = EmulatedOkx(Market())
    top = NOW // MINUTE * 60
    _, _, page = get(venue, "market/candles", instId="BTC-USDT", after=f"{top}000", before=f"{top - 300}000")
    assert [row[0] for row in page] == [f"{top - 60 * back}000" for back in (1, 2, 3, 4)]


def test_before_alone_gives_the_newest_rows_and_not_the_oldest_after_it() -> None:
    venue = EmulatedOkx(Market())
    old = NOW // 1000 - 86_400_000
    _, _, page = get(venue, "market/history-candles", instId="BTC-USDT", before=str(old), limit="3")
    assert int(page[0][0]) == NOW // MINUTE * 60_000
    assert len(page) == 3


def test_recent_candles_hold_1440_rows_and_pages_300() -> None:
    venue = EmulatedOkx(Market())
    _, _, page = get(venue, "market/candles", instId="BTC-USDT", limit="500")
    assert len(page) == 300
    older = str((NOW - 1440 * MINUTE) // 1000)
    assert get(venue, "market/candles", instId="BTC-USDT", after=older)[2] == []
    assert len(get(venue, "market/history-candles", instId="BTC-USDT", after=older)[2]) == 100


def test_trades_by_id_are_below_the_id() -> None:
    market = Market()
    market.trade(SWAP, 130)
    venue = EmulatedOkx(market)
    _, _, page = get(venue, "market/history-trades", market.at, instId="BTC-USDT-SWAP", after="5100")
    assert [row["tradeId"] for row in page] == [str(seq) for seq in range(5099, 4999, -1)]
    _, _, page = get(venue, "market/history-trades", market.at, instId="BTC-USDT-SWAP", after="5003")
    assert [row["tradeId"] for row in page] == ["5002", "5001", "5000"]
    _, _, page = get(venue, "market/trades", market.at, instId="BTC-USDT-SWAP")
    assert [page[0]["tradeId"], len(page)] == ["5129", 100]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("market/candles", {"instId": "BTC-USDT", "bar": "7m"}, "51000"),
        ("market/candles", {"instId": "BTC-USDT", "after": "soon"}, "51000"),
        ("market/trades", {"instId": "NO-SUCH"}, "51001"),
        ("market/trades", {}, "50014"),
        ("market/history-trades", {"instId": "BTC-USDT", "type": "2", "before": "1"}, "51000"),
        ("market/books", {"instId": "BTC-USDT", "sz": "401"}, "51000"),
        ("public/instruments", {}, "51000"),
        ("public/funding-rate-history", {"instId": "BTC-USDT"}, "51000"),
    ],
)
def test_bad_parameters_are_refused_with_okx_codes(path: str, query: dict[str, str], code: str) -> None:
    status, said, data = get(EmulatedOkx(Market()), path, NOW, **query)
    assert (status, said, data) == (400, code, [])


def test_unknown_paths_are_not_found() -> None:
    assert get(EmulatedOkx(Market()), "market/nothing")[0] == 404


def test_too_many_requests_are_refused_until_two_seconds_have_passed() -> None:
    venue = EmulatedOkx(Market())
    codes = [get(venue, "market/history-candles", NOW + at, instId="BTC-USDT")[:2] for at in range(21)]
    assert codes == [(200, "0")] * 20 + [(429, "50011")]
    assert get(venue, "market/candles", NOW + 30, instId="BTC-USDT")[0] == 200, "each path has its own budget"
    assert get(venue, "market/history-candles", NOW + 2 * SECOND, instId="BTC-USDT")[0] == 200


def test_each_argument_is_answered_on_its_own() -> None:
    _, far, said = subscribed(("books", "BTC-USDT"), ("trades-all", "BTC-USDT"), ("bbo-tbt", "NO-SUCH"))
    assert [frame.get("event") for frame in said] == ["subscribe", None, "error", "error"]
    assert {frame["code"] for frame in said if frame.get("event") == "error"} == {"60018"}
    assert {frame["id"] for frame in said if "event" in frame} == {"7"}
    assert list(far.streams) == ["books:BTC-USDT"]
    assert said[1]["action"] == "snapshot"
    assert said[1]["data"][0]["prevSeqId"] == -1
    assert said[1]["data"][0]["checksum"] == 0


def test_nonsense_and_pings() -> None:
    _, far, _ = subscribed()
    assert list(far.receive(b"ping", NOW)) == [b"pong"]
    for bad in (b"{", b"[]", b'{"op":"subscribe"}', b'{"op":"shout","args":[]}'):
        assert json.loads(far.receive(bad, NOW)[0])["code"] == "60012"


def test_control_operations_are_counted_by_the_hour() -> None:
    _, far, _ = subscribed()
    frame = b'{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}'
    answers = [json.loads(far.receive(frame, NOW)[0]) for _ in range(480)]
    assert (answers[-2]["event"], answers[-1]["code"]) == ("subscribe", "60014")
    assert json.loads(far.receive(frame, NOW + HOUR)[0])["event"] == "subscribe"


def test_a_new_subscriber_gets_no_update_that_its_snapshot_holds() -> None:
    market, far, said = subscribed(("books", "BTC-USDT"))
    assert said[-1]["data"][0]["seqId"] == 100
    first = market.update(SPOT)
    assert far.event(first, market.at)
    assert not far.event(first, market.at)


def test_a_quiet_book_is_kept_alive_each_minute() -> None:
    market, far, _ = subscribed(("books", "BTC-USDT"))
    assert not far.tick(NOW + 300 * SECOND), "where recorded frames are played nothing is mixed into them"
    far.event(market.update(SPOT), NOW)
    assert not far.tick(NOW + 59 * SECOND)
    row = json.loads(far.tick(NOW + 60 * SECOND)[0])["data"][0]
    assert (row["prevSeqId"], row["seqId"], row["asks"], row["bids"]) == (103, 103, [], [])
    assert not far.tick(NOW + 61 * SECOND)


def test_swap_sizes_go_out_in_contracts() -> None:
    market, far, _ = subscribed(("bbo-tbt", "BTC-USDT-SWAP"), ("trades", "BTC-USDT-SWAP"))
    trade = market.trade(SWAP)[0]
    row = json.loads(far.event(trade, market.at)[0])["data"][0]
    assert float(row["sz"]) == trade.lots / 100
    quote = BestQuote(
        venue="okx", instrument="BTC-USDT-PERP", ts_event=NOW, ts_recv=NOW, best_bid=91250.0, best_bid_size=0.0735,
        best_ask=91250.1, best_ask_size=8.1307, update_id=3,
    )  # fmt: skip
    row = json.loads(far.event(quote, NOW)[0])["data"][0]
    assert (row["bids"][0][1], row["asks"][0][1]) == ("7.35", "813.07")


class Client(ccxt.okx):  # type: ignore[misc]
    """ccxt with the emulated venue in place of its HTTP client."""

    def serve(self, market: Market) -> None:
        self.behind, self.venue = market, EmulatedOkx(market)

    def fetch(self, url: str, method: str = "GET", headers: object = None, body: object = None) -> object:
        parts = urlsplit(url)
        self.behind.at += SECOND
        reply = self.venue.rest("rest", parts.path, dict(parse_qsl(parts.query)), self.behind.at)
        return json.loads(reply.body)


def test_ccxt_loads_the_markets_and_reads_history() -> None:
    market = Market()
    client = Client({"enableRateLimit": False})
    client.serve(market)
    markets = client.load_markets()
    assert markets["BTC/USDT"]["precision"] == {"amount": 1e-08, "price": 0.1}
    assert markets["BTC/USDT:USDT"]["contractSize"] == 0.01
    assert markets["BTC/USDT:USDT"]["linear"]
    made = market.trade(SPOT, 3)
    assert [row["id"] for row in client.fetch_trades("BTC/USDT")] == [one.trade_id for one in made]
    assert len(client.fetch_ohlcv("BTC/USDT:USDT", "6h", limit=10)) == 10
    assert client.fetch_order_book("BTC/USDT", 5)["bids"][0][0] == 91249.9
    assert len(client.fetch_funding_rate_history("BTC/USDT:USDT", limit=5)) == 5
    assert client.fetch_time() == market.at // 1000

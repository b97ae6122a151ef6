"""The session against OKX's own side: it comes in step, notices what it missed, and mends only that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from tests.unit.venues.okx_market import NOW, SPOT, SWAP, Market, session
from warehouse.clock import SECOND, Micros
from warehouse.records import BookInvalid, BookUpdate, Connected, Disconnected, Record, SequenceGap, Trade, VenueNotice
from warehouse.venues.base import Fetch, Output, Reconnect, Send, Succeed
from warehouse.venues.okx.emulate import EmulatedOkx
from warehouse.venues.okx.session import OkxSession

RESUBSCRIBED = b'"unsubscribe","args":[{"channel":"books"'


class Line:
    """A session and the emulated venue, joined by hand. `deaf` drops what the venue pushes, `offline` its REST."""

    def __init__(self, one: OkxSession, market: Market) -> None:
        self.session, self.market = one, market
        self.venue = EmulatedOkx(market)
        self.far = self.venue.connect("ws", one.path, {}, market.at)
        self.records: list[Record] = []
        self.commands: list[Output] = []
        self.offline = False
        self.mute_books = False

    def connect(self) -> None:
        self.far = self.venue.connect("ws", self.session.path, {}, self.market.at)
        self.obey(self.session.connected(self.market.at))

    def obey(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, Record):
                self.records.append(output)
                continue
            self.commands.append(output)
            if isinstance(output, Send):
                self.hear(self.far.receive(output.frame, self.market.at))
            elif isinstance(output, Fetch):
                self.reply(output)

    def reply(self, fetch: Fetch) -> None:
        if self.offline:
            self.obey(self.session.answer(fetch, 0, b"no route", self.market.at))
            return
        reply = self.venue.rest(fetch.base, fetch.path, fetch.query, self.market.at)
        self.obey(self.session.answer(fetch, reply.status, reply.body, self.market.at))

    def hear(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            if not (self.mute_books and b'"snapshot"' in frame):
                self.obey(self.session.receive(frame, self.market.at))

    def happen(self, *records: Record) -> None:
        for record in records:
            self.hear(self.far.event(record, self.market.at))

    def wait(self, us: Micros, step: Micros = SECOND // 10) -> None:
        for _ in range(us // step):
            self.market.at += step
            self.obey(self.session.tick(self.market.at))
            self.hear(self.far.tick(self.market.at))

    def take(self, kind: type[Record], instrument: str = "") -> list[Record]:
        return [one for one in self.records if isinstance(one, kind) and instrument in ("", one.instrument)]


def line(name: str, *streams: str) -> Line:
    joined = Line(session(name, *streams), Market())
    joined.connect()
    return joined


def ids(records: Iterable[Record]) -> list[int | None]:
    return [one.trade_seq for one in records if isinstance(one, Trade)]


def gaps(joined: Line) -> list[tuple[str, str, str, int | None, int | None]]:
    rows = [one for one in joined.records if isinstance(one, SequenceGap)]
    return [(one.instrument, one.stream, one.state, one.from_id, one.to_id) for one in rows]


def test_the_first_outputs_are_the_subscriptions_and_ready_follows_the_last_acknowledgement() -> None:
    one = session("okx.public")
    first = one.connected(NOW)
    assert isinstance(first[0], Send)
    assert isinstance(first[-1], Connected)
    assert not one.ready
    far = EmulatedOkx(Market()).connect("ws", one.path, {}, NOW)
    frames = far.receive(first[0].frame, NOW)
    acknowledged = [frame for frame in frames if b'"event":"subscribe"' in frame]
    assert len(acknowledged) == 14
    for frame in acknowledged:
        assert not one.ready
        one.receive(frame, NOW)
    assert one.ready
    assert far.streams == [
        "bbo-tbt:BTC-USDT", "books:BTC-USDT", "tickers:BTC-USDT",
        "bbo-tbt:BTC-USDT-SWAP", "books:BTC-USDT-SWAP", "tickers:BTC-USDT-SWAP", "mark-price:BTC-USDT-SWAP",
        "index-tickers:BTC-USDT", "funding-rate:BTC-USDT-SWAP", "open-interest:BTC-USDT-SWAP",
        "liquidation-orders:SWAP", "instruments:SPOT", "instruments:SWAP", "status:",
    ]  # fmt: skip


def test_a_book_follows_its_snapshot_update_by_update() -> None:
    joined = line("okx.public")
    updates = [joined.market.update(SPOT) for _ in range(5)]
    joined.happen(*updates)
    got = [one for one in joined.take(BookUpdate, "BTC-USDT") if isinstance(one, BookUpdate)]
    assert [one.snapshot for one in got] == [True] + [False] * 5
    assert [one.update_id for one in got[1:]] == [one.update_id for one in updates]
    assert [one.bids for one in got[1:]] == [one.bids for one in updates]
    assert not gaps(joined)


def test_a_lost_push_invalidates_and_resyncs_that_book_alone() -> None:
    joined = line("okx.public")
    joined.market.update(SPOT)
    joined.commands.clear()
    joined.happen(joined.market.update(SPOT))
    assert [row[:3] for row in gaps(joined)] == [("BTC-USDT", "depth", "open"), ("BTC-USDT", "depth", "repaired")]
    assert [one.instrument for one in joined.take(BookInvalid)] == ["BTC-USDT"]
    sent = [one.frame for one in joined.commands if isinstance(one, Send)]
    assert sent == [
        b'{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
        b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
    ]
    kinds = [type(one) for one in joined.records if one.instrument == "BTC-USDT"]
    assert kinds[-4:] == [SequenceGap, BookInvalid, BookUpdate, SequenceGap]
    joined.happen(joined.market.update(SPOT))
    assert isinstance(joined.records[-1], BookUpdate)


def test_one_book_at_a_time_is_resubscribed() -> None:
    joined = line("okx.public")
    joined.mute_books = True
    joined.commands.clear()
    joined.market.update(SPOT)
    joined.market.update(SWAP)
    joined.happen(joined.market.update(SPOT), joined.market.update(SWAP))
    assert [row[:3] for row in gaps(joined)] == [("BTC-USDT", "depth", "open"), ("BTC-USDT-PERP", "depth", "open")]
    assert len(joined.commands) == 2, "the second book waits for the first"
    joined.offline = True
    joined.mute_books = False
    joined.wait(16 * SECOND)
    assert len([row for row in gaps(joined) if row[2] == "repaired"]) == 2


def test_resubscriptions_of_a_book_that_keeps_breaking_back_off() -> None:
    joined = line("okx.public")
    times: list[Micros] = []
    for _ in range(150):
        joined.commands.clear()
        joined.market.update(SPOT)
        joined.happen(joined.market.update(SPOT))
        joined.wait(SECOND // 5)
        if any(isinstance(one, Send) and RESUBSCRIBED in one.frame for one in joined.commands):
            times.append(joined.market.at)
    pauses = [b - a for a, b in pairwise(times)]
    assert 4 <= len(times) < 8
    assert all(b > 1.5 * a for a, b in pairwise(pauses))


def test_without_a_pushed_snapshot_the_book_is_seeded_from_rest() -> None:
    joined = Line(session("okx.public"), Market())
    joined.mute_books = True
    joined.connect()
    joined.happen(joined.market.update(SPOT))
    joined.wait(4 * SECOND)
    asked = [one for one in joined.commands if isinstance(one, Fetch) and one.purpose == "book"]
    assert [one.instrument for one in asked] == ["BTC-USDT", "BTC-USDT-PERP"]
    assert {one.ccxt for one in asked} == {"publicGetMarketBooks"}
    joined.happen(joined.market.update(SPOT), joined.market.update(SPOT))
    got = [one for one in joined.take(BookUpdate, "BTC-USDT") if isinstance(one, BookUpdate)]
    assert [one.snapshot for one in got] == [True, False, False]
    assert not gaps(joined)


def test_a_book_lives_on_heartbeats_and_is_resynced_without_them() -> None:
    joined = line("okx.public")
    joined.happen(joined.market.update(SPOT), joined.market.update(SWAP))
    joined.wait(200 * SECOND)
    assert not gaps(joined)
    joined.far.event(joined.market.update(SPOT), joined.market.at)
    joined.far.receive(b'{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}', joined.market.at)
    joined.wait(76 * SECOND)
    assert [row[:3] for row in gaps(joined)] == [("BTC-USDT", "depth", "open"), ("BTC-USDT", "depth", "repaired")]
    assert {one.cause for one in joined.records if isinstance(one, SequenceGap)} == {"silent"}


def test_a_disconnect_invalidates_every_live_book_and_the_next_connection_repairs_it() -> None:
    joined = line("okx.public")
    joined.obey(joined.session.disconnected(joined.market.at, "reset by peer"))
    assert not joined.session.ready
    assert isinstance(joined.take(Disconnected)[0], Disconnected)
    assert len(joined.take(BookInvalid)) == 2
    joined.connect()
    assert [row[2] for row in gaps(joined)] == ["open", "open", "repaired", "repaired"]


def test_trades_pass_in_order_and_doubles_are_dropped() -> None:
    joined = line("okx.business")
    made = joined.market.trade(SPOT, 5)
    joined.happen(*made, made[2], made[4])
    assert ids(joined.records) == [5000, 5001, 5002, 5003, 5004]
    assert joined.take(Trade) == [msgspec.structs.replace(one, ts_recv=joined.market.at) for one in made]


def test_swap_sizes_come_back_from_contracts_exactly() -> None:
    joined = line("okx.business")
    made = joined.market.trade(SWAP, 60)
    joined.happen(*made)
    got = joined.take(Trade, "BTC-USDT-PERP")
    assert got == [msgspec.structs.replace(one, ts_recv=joined.market.at) for one in made]


def test_a_hole_is_repaired_before_later_trades_go_on() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 3))
    joined.market.trade(SPOT, 250)
    joined.happen(*joined.market.trade(SPOT, 2))
    assert ids(joined.records) == list(range(5000, 5255))
    assert gaps(joined) == [("BTC-USDT", "trades", "open", 5003, 5252), ("BTC-USDT", "trades", "repaired", 5003, 5252)]
    origins = [one.origin for one in joined.records if isinstance(one, Trade)]
    assert origins == ["stream"] * 3 + ["rest"] * 250 + ["stream"] * 2


def test_a_long_hole_is_walked_down_by_id() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SWAP, 1))
    joined.market.trade(SWAP, 950)
    joined.happen(*joined.market.trade(SWAP, 1))
    assert ids(joined.records) == list(range(5000, 5952))
    asked = [one for one in joined.commands if isinstance(one, Fetch)]
    assert {one.ccxt for one in asked} == {"publicGetMarketHistoryTrades"}
    assert [one.query["after"] for one in asked] == [str(5951 - 100 * page) for page in range(10)]


def test_trades_during_a_repair_wait_and_a_second_hole_is_found_among_them() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 1))
    joined.offline = True
    joined.market.trade(SPOT, 1)
    joined.happen(*joined.market.trade(SPOT, 2))
    joined.market.trade(SPOT, 3)
    joined.happen(*joined.market.trade(SPOT, 2))
    assert ids(joined.records) == [5000]
    joined.offline = False
    joined.wait(2 * SECOND)
    assert ids(joined.records) == list(range(5000, 5009))
    assert [row[2:] for row in gaps(joined)] == [
        ("open", 5001, 5001), ("repaired", 5001, 5001), ("open", 5004, 5006), ("repaired", 5004, 5006),
    ]  # fmt: skip
    repaired = [one for one in joined.records if isinstance(one, SequenceGap) and one.state == "repaired"]
    assert repaired[0].attempts == 1


def test_a_hole_the_venue_will_not_fill_is_given_up_and_the_tape_goes_on() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 1))
    joined.offline = True
    joined.market.trade(SPOT, 1)
    joined.happen(*joined.market.trade(SPOT, 2))
    joined.wait(180 * SECOND)
    assert ids(joined.records) == [5000, 5002, 5003]
    last = joined.take(SequenceGap)[-1]
    assert isinstance(last, SequenceGap)
    assert last.state == "unrecoverable"
    assert last.reason is not None
    assert "1 of 1 trades are missing" in last.reason


def test_a_refusal_that_will_not_change_gives_the_hole_up_at_once() -> None:
    one = session("okx.business")
    market = Market()
    joined = Line(one, market)
    joined.connect()
    joined.happen(*market.trade(SPOT, 1))
    market.trade(SPOT, 1)
    far_frames = joined.far.event(market.trade(SPOT, 1)[0], market.at)
    fetch = one.receive(far_frames[0], market.at)[-1]
    assert isinstance(fetch, Fetch)
    out = one.answer(fetch, 400, b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}', market.at)
    assert [getattr(record, "state", None) for record in out] == ["unrecoverable", None]
    assert not one.answer(fetch, 200, b"{}", market.at), "an answer nobody waits for means nothing"


def test_after_a_restart_the_first_trade_shows_what_was_missed() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 4))
    kept = msgspec.json.decode(msgspec.json.encode(joined.session.state()))
    joined.market.trade(SPOT, 6)
    after = Line(session("okx.business"), joined.market)
    after.session.restore(kept)
    after.connect()
    after.happen(*joined.market.trade(SPOT, 1))
    assert ids(after.records) == list(range(5004, 5011))
    assert isinstance(gap := after.take(SequenceGap)[0], SequenceGap)
    assert gap.cause == "reconnect"


def test_a_restarted_process_asks_again_at_once_for_what_it_had_asked() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 1))
    joined.market.trade(SPOT, 3)
    late = joined.far.event(joined.market.trade(SPOT, 1)[0], joined.market.at)
    asked = [out for out in joined.session.receive(late[0], joined.market.at) if isinstance(out, Fetch)]
    assert len(asked) == 1, "and the process dies before the answer"
    after = Line(session("okx.business"), joined.market)
    after.session.restore(msgspec.json.decode(msgspec.json.encode(joined.session.state())))
    after.obey(after.session.disconnected(joined.market.at, "worker restarted"))
    after.connect()
    after.wait(SECOND)
    assert ids(after.records) == [5001, 5002, 5003, 5004]
    repaired = after.take(SequenceGap)[-1]
    assert isinstance(repaired, SequenceGap)
    assert (repaired.state, repaired.attempts) == ("repaired", 0)


def test_state_in_the_middle_of_a_repair_goes_through_json_and_continues_the_same() -> None:
    joined = line("okx.business")
    joined.happen(*joined.market.trade(SPOT, 1))
    joined.market.trade(SPOT, 900)
    frames = [frame for one in joined.market.trade(SPOT, 3) for frame in joined.far.event(one, joined.market.at)]
    outputs = [list(joined.session.receive(frame, joined.market.at)) for frame in frames]
    fetches = [out for out in outputs[0] if isinstance(out, Fetch)]
    twin = session("okx.business")
    restored: list[Output] = []
    while fetches:
        fetch = fetches.pop()
        twin.restore(msgspec.json.decode(msgspec.json.encode(joined.session.state())))
        assert twin.state() == joined.session.state()
        reply = joined.venue.rest(fetch.base, fetch.path, fetch.query, joined.market.at)
        out = joined.session.answer(fetch, reply.status, reply.body, joined.market.at)
        restored = list(twin.answer(fetch, reply.status, reply.body, joined.market.at))
        assert restored == list(out)
        fetches = [each for each in out if isinstance(each, Fetch)]
    assert ids(one for one in restored if isinstance(one, Trade)) == list(range(5001, 5904))


def test_state_of_waiting_books_goes_through_json() -> None:
    for one in (session("okx.public"), session("okx.public", "books", at=1_652_459_225_000_000)):
        joined = Line(one, Market())
        joined.mute_books = True
        joined.connect()
        joined.happen(joined.market.update(SPOT), joined.market.update(SPOT))
        joined.mute_books = False
        joined.happen(joined.market.book("BTC-USDT-PERP"), joined.market.update(SWAP))
        twin = session("okx.public", *(("books",) if one.args[0][0] == "books" else ()))
        twin.restore(msgspec.json.decode(msgspec.json.encode(one.state())))
        assert twin.state() == one.state()


def test_aggregated_trades_chain_by_count() -> None:
    joined = line("okx.public", "trades")
    one, *rest = joined.market.trade(SPOT, 4)
    whole = msgspec.structs.replace(rest[-1], first_fill=5001, last_fill=5003)
    joined.happen(one, whole)
    assert ids(joined.records) == [5000, 5003]
    assert isinstance(last := joined.records[-1], Trade)
    assert (last.first_fill, last.last_fill) == (5001, 5003)
    assert not gaps(joined)


def test_silence_is_met_with_a_ping_and_lasting_silence_with_a_reconnect() -> None:
    one = session("okx.business")
    one.connected(NOW)
    assert not [out for out in one.tick(NOW + 19 * SECOND) if isinstance(out, Send) and out.frame == b"ping"]
    pinged = one.tick(NOW + 20 * SECOND)
    assert Send(b"ping") in pinged
    assert list(one.receive(b"pong", NOW + 21 * SECOND)) == []
    assert not [out for out in one.tick(NOW + 32 * SECOND) if isinstance(out, Reconnect)]
    assert Send(b"ping") in one.tick(NOW + 41 * SECOND)
    assert [out for out in one.tick(NOW + 52 * SECOND) if isinstance(out, Reconnect)]


def test_a_service_upgrade_is_reported_and_an_heir_asked_for() -> None:
    one = session("okx.business")
    out = one.receive(b'{"event":"notice","code":"64008","msg":"soon","connId":"a4d3ae55"}', NOW)
    assert [type(each) for each in out] == [VenueNotice, Succeed]


def test_a_channel_on_the_wrong_url_is_refused_in_words_and_asked_for_again() -> None:
    market = Market()
    one = session("okx.business")
    far = EmulatedOkx(market).connect("ws", "/ws/v5/public", {}, NOW)
    first = one.connected(NOW)[0]
    assert isinstance(first, Send)
    out = [each for frame in far.receive(first.frame, NOW) for each in one.receive(frame, NOW)]
    assert {each.code for each in out if isinstance(each, VenueNotice)} == {"60018"}
    assert not one.ready
    assert [each for each in one.tick(NOW + 10 * SECOND) if isinstance(each, Send)]

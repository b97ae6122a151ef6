"""What the engine makes of trading rules that come while it runs: another grid, other terms, or none at all."""

from __future__ import annotations

import msgspec
import pytest

from realtime.decoding import answered
from realtime.engine import Engine, EngineConfig
from tests.kit.journals import rules as rules_of
from tests.kit.produced import engine, header, run
from tests.kit.tapes import CUT, tape
from warehouse.clock import SECOND
from warehouse.journal import Entry, Kind
from warehouse.records import InstrumentStatus, VenueNotice
from warehouse.venues.base import Fetch


def test_changed_rules_begin_the_instrument_anew_and_reconnect() -> None:
    rules, entries = tape()
    one = engine(rules)
    one.run(1, entries[:800])
    said = one.instruments["BTC-USDT-PERP"].outlets["trade"].seq
    changed = [
        msgspec.structs.replace(rule, tick="0.01") if rule.instrument == "BTC-USDT-PERP" else rule for rule in rules
    ]
    produced = one.run(801, [Entry(entries[800].ts_recv, "", int(Kind.RULES), msgspec.msgpack.encode(changed))])
    assert [type(command).__name__ for _, command in produced.commands] == ["Reconnect"] * len(one.sessions)
    assert one.instruments["BTC-USDT-PERP"].grid.tick == 0.01
    assert one.instruments["BTC-USDT-PERP"].outlets["trade"].seq == said
    same = one.run(802, [Entry(entries[800].ts_recv, "", int(Kind.RULES), msgspec.msgpack.encode(changed))])
    assert same.commands == []


@pytest.mark.parametrize(
    "wrong", [{}, {"tick": 7}, {"tick": "0"}, {"tick": "1/0"}, {"lot": "a lot"}, {"contract_value": "0"}], ids=str
)
def test_rules_that_cannot_hold_are_a_notice_and_the_old_ones_stay(wrong: dict[str, object]) -> None:
    rules, entries = tape()
    one = engine(rules)
    one.run(1, entries[:800])
    before = one.instruments["BTC-USDT-PERP"]
    told = msgspec.msgpack.encode([msgspec.to_builtins(rule) | wrong for rule in rules]) if wrong else b"\xc1"
    produced = one.run(801, [Entry(entries[800].ts_recv, "", int(Kind.RULES), told)])
    (notice,) = produced.notices
    assert isinstance(notice, VenueNotice)
    assert (notice.code, notice.words.partition(":")[0]) == ("rules", "trading rules refused")
    assert (produced.commands, produced.messages, tuple(one.rules)) == ([], [], rules)
    assert one.instruments["BTC-USDT-PERP"] is before


def test_rules_on_the_same_grid_are_published_and_disturb_nothing() -> None:
    """A replay that begins behind them gives the same bytes."""
    rules, entries = tape()
    one = engine(rules)
    one.run(1, entries[:800])
    kept, sessions = dict(one.instruments), dict(one.sessions)
    changed = [msgspec.structs.replace(rules[0], min_notional="7.5", valid_from=CUT), *rules[1:]]
    produced = one.run(801, [Entry(entries[800].ts_recv, "", int(Kind.RULES), msgspec.msgpack.encode(changed))])
    assert produced.commands == []
    assert one.instruments == kept
    assert one.sessions == sessions
    assert (one.rules, one.instruments[rules[0].instrument].rules) == (changed, changed[0])
    again = Engine.restore(header(one.rules, 802), one.checkpoint())
    live, replayed = (run(each, entries[800:1200], 802, lambda: 50) for each in (one, again))
    assert [message.produced for message in live] == [message.produced for message in replayed]
    assert one.checkpoint() == again.checkpoint()
    said = next(message.produced for message in live if message.channel == "reference:binance")
    listed = msgspec.json.decode(said)["instruments"]
    assert [row["min_notional"] for row in listed] == [rule.min_notional for rule in changed]
    assert listed[0]["valid_from"] == CUT


def test_sessions_read_by_new_listing_dates_as_a_replay_does() -> None:
    rules = [msgspec.structs.replace(rule, venue="bybit") for rule in rules_of("bybit", ["BTC-USDT"])]
    ended = [msgspec.structs.replace(rule, delisting_at=CUT - SECOND) for rule in rules]
    one = Engine("bybit", "emulated", rules, EngineConfig())
    up = [Entry(CUT, name, int(Kind.CONNECTED), b"") for name in one.sessions]
    produced = one.run(1, [*up, Entry(CUT, "", int(Kind.TICK), b"")])
    source, fetch = next(
        (name, asked) for name, asked in produced.commands if isinstance(asked, Fetch) and asked.purpose == "status"
        and asked.instrument
    )  # fmt: skip
    told = one.run(99, [Entry(CUT, "", int(Kind.RULES), msgspec.msgpack.encode(ended))])
    assert told.commands == []
    again = Engine.restore(msgspec.structs.replace(header(one.rules), venue="bybit"), one.checkpoint())
    gone = b'{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[]},"time":%d}' % (CUT // 1000)
    entry = Entry(CUT + SECOND, source, int(Kind.ANSWER), answered(fetch, 200, gone))
    states = [each.run(100, [entry]).notices for each in (one, again)]
    assert states[0] == states[1]
    assert [notice.state for notice in states[0] if isinstance(notice, InstrumentStatus)] == ["delisted"]

"""A minute's executions beside the venue's closed bar: what is missing is a hole, asked for and put back, or said."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.unit.venues.bybit_market import PERP
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.records import Candle, SequenceGap, Trade
from warehouse.venues.base import Fetch, Output
from warehouse.venues.bybit.recount import ATTEMPTS, DOUBT, GRACE, Recount
from warehouse.venues.bybit.ring import Ring

START: Micros = 1_763_733_600 * SECOND
AFTER = START + MINUTE + GRACE


def execution(number: int, second: float, lots: int = 10, kind: str = "market") -> Trade:
    """One execution, so many seconds after START."""
    return Trade(
        venue="bybit", instrument=PERP.instrument, ts_event=START + int(second * SECOND), ts_recv=START, price=90_000.0,
        trade_id=f"x{number}", trade_seq=None, size=lots / 1000, taker_side="buy", ticks=900_000, lots=lots,
        kind=kind,  # type: ignore[arg-type]  # one of its literals
    )  # fmt: skip


def bar(lots: int) -> Candle:
    """The venue's closed bar of the first minute."""
    return Candle(
        venue="bybit", instrument=PERP.instrument, ts_event=START + MINUTE, ts_recv=START + MINUTE, timeframe="1m",
        open_time=START, open=9e4, high=9e4, low=9e4, close=9e4, volume=lots / 1000, closed=True,
    )  # fmt: skip


def page(trades: Sequence[Trade]) -> bytes:
    """The venue's newest executions."""
    rows = [
        {
            "execId": one.trade_id, "symbol": PERP.symbol, "price": "90000.00", "size": f"{one.size:.3f}",
            "side": "Buy", "time": str(one.ts_event // 1000), "isBlockTrade": one.kind == "block",
        }
        for one in reversed(trades)
    ]  # fmt: skip
    return msgspec.json.encode(
        {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}, "time": AFTER // 1000}
    )


def counted(trades: Sequence[Trade]) -> Recount:
    """All of these came live, and nothing is known to be missing since before the minute."""
    ring = Ring()
    recount = Recount(PERP, ring)
    recount.whole(START - SECOND)
    for one in trades:
        ring.add(one.trade_id)
        recount.count(one)
    return recount


def asked(out: Sequence[Output]) -> Fetch:
    """The hole that was opened, and what is asked for."""
    opened, fetch = out
    assert isinstance(opened, SequenceGap)
    assert (opened.state, opened.cause, opened.from_ts, opened.to_ts) == (
        "open",
        "missing_volume",
        START,
        START + MINUTE,
    )
    assert isinstance(fetch, Fetch)
    return fetch


def told(out: Sequence[Output]) -> tuple[list[str], SequenceGap]:
    """Ids of what is put back, and the last row of the hole."""
    rows = [one for one in out if isinstance(one, SequenceGap)]
    assert len(rows) == 1
    return [one.trade_id for one in out if isinstance(one, Trade)], rows[0]


ALL = [execution(number, second) for number, second in enumerate((-3.0, 1.0, 20.0, 40.0, 59.0, 61.0))]
LIVE = [one for one in ALL if one.trade_id != "x2"]


def test_a_bar_that_holds_what_came_says_nothing() -> None:
    recount = counted(ALL)
    recount.bar(bar(40))
    assert recount.tick(AFTER - 1) == []
    assert recount.due == AFTER
    assert recount.tick(AFTER) == []
    recount.bar(bar(41))
    assert recount.due == 0


def test_a_bar_may_leave_out_blocks_or_count_them() -> None:
    for lots in (40, 47):
        recount = counted([*ALL, execution(9, 30.0, 7, "block")])
        recount.bar(bar(lots))
        assert recount.tick(AFTER) == []


def test_what_a_bar_holds_more_is_fetched_and_put_back() -> None:
    recount = counted(LIVE)
    recount.bar(bar(40))
    fetch = asked(recount.tick(AFTER))
    ids, row = told(recount.answer(fetch, 200, page(ALL), AFTER + SECOND))
    assert ids == ["x2"]
    assert (row.state, row.opened_at, row.reason) == ("repaired", AFTER, "1 executions filled in from recent trades")
    assert recount.answer(fetch, 200, page(ALL), AFTER + SECOND) == []
    assert recount.due == 0


def test_a_page_that_holds_nothing_new_proves_that_nothing_was_lost() -> None:
    recount = counted(LIVE)
    recount.bar(bar(40))
    ids, row = told(recount.answer(asked(recount.tick(AFTER)), 200, page(LIVE), AFTER + SECOND))
    assert (ids, row.state) == ([], "legitimate")


def test_a_page_that_does_not_reach_over_the_minute_leaves_a_hole() -> None:
    recount = counted(LIVE)
    recount.bar(bar(40))
    ids, row = told(recount.answer(asked(recount.tick(AFTER)), 200, page(ALL[3:]), AFTER + SECOND))
    assert ids == []
    assert (row.state, row.from_ts, row.to_ts) == ("unrecoverable", START, ALL[3].ts_event)
    assert "do not reach back" in str(row.reason)


def test_a_page_that_cannot_be_had_is_asked_for_some_times_and_given_up_in_words() -> None:
    recount = counted(LIVE)
    recount.bar(bar(40))
    out: Sequence[Output] = [asked(recount.tick(AFTER))]
    for _ in range(ATTEMPTS - 1):
        assert recount.answer(_fetch(out), 503, b"", recount.due - SECOND) == []
        kept = recount.state()
        recount.restore(kept)
        assert recount.state() == kept
        out = recount.tick(recount.due)
    _, row = told(recount.answer(_fetch(out), 503, b"", recount.due))
    assert row.state == "unrecoverable"
    assert str(row.reason).endswith("last: HTTP status 503")


def _fetch(out: Sequence[Output]) -> Fetch:
    (fetch,) = out
    assert isinstance(fetch, Fetch)
    return fetch


def test_bars_that_always_hold_more_are_believed_no_longer() -> None:
    recount = counted([execution(minute, 60.0 * minute + 1) for minute in range(DOUBT + 3)])
    asked = []
    for minute in range(DOUBT + 3):
        lots = 10 if minute == DOUBT + 1 else 11
        recount.bar(msgspec.structs.replace(bar(lots), open_time=START + minute * MINUTE))
        out = recount.tick(recount.due)
        asked.append(len(out))
        if out:
            recount.answer(_fetch(out[1:]), 403, b"", recount.due - SECOND)
            while recount.now.lack is not None:
                recount.answer(_fetch(recount.tick(recount.due)), 403, b"", recount.due - SECOND)
    assert asked == [2] * DOUBT + [0, 0, 2]


def test_a_minute_that_was_not_seen_whole_is_not_judged() -> None:
    recount = counted(LIVE)
    recount.whole(START + SECOND)
    recount.bar(bar(40))
    assert recount.due == 0

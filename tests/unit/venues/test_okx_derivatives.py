"""Walks over derivatives, states, news and the deep book against OKX's own side."""

from __future__ import annotations

import ccxt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.venues.okx_market import NOW, SPOT, SWAP, Market
from tests.unit.venues.test_okx_history import walk
from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.errors import DecodeError, Rejected
from warehouse.instruments import timeframe_us
from warehouse.records import BookUpdate, Candle, InstrumentStatus, InsuranceFund, OpenInterest, Record, VenueNotice
from warehouse.venues.base import Fetch, MarkKind, Walk
from warehouse.venues.okx import history, requests

KINDS: tuple[MarkKind, ...] = ("mark", "index")


def priced(kind: MarkKind, timeframe: str, count: int, until: Micros = NOW) -> list[Candle]:
    """`count` bars of the swap's price, the newest still forming at `until`."""
    step = timeframe_us(timeframe)
    newest = until // step * step
    shift = 0.5 if kind == "index" else 0.0
    return [
        Candle(
            venue="okx",
            instrument="BTC-USDT-PERP",
            ts_event=at,
            ts_recv=0,
            timeframe=timeframe,
            open_time=at,
            open=90_000.25 + shift,
            high=90_000.75 + shift,
            low=89_999.5 + shift,
            close=90_000.125 + at // step % 3 / 8 + shift,
            volume=0.0,
            closed=at + step <= until,
            origin="rest",
        )
        for at in range(newest - (count - 1) * step, newest + 1, step)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_price_candles_come_back_bar_by_bar_over_both_endpoints(kind: MarkKind) -> None:
    market = Market()
    made = market.listed.mark_candles[kind] = priced(kind, "5m", 1300)
    answer, asked = walk(history.mark_candles(SWAP, kind, "5m", made[0].open_time, NOW + HOUR, NOW), market)
    assert answer.records == [msgspec.structs.replace(one, ts_recv=NOW) for one in made]
    assert (answer.complete_from, answer.complete_to) == (made[0].open_time, made[-1].open_time)
    assert answer.note is None
    assert {fetch.query["instId"] for fetch in asked} == {"BTC-USDT-SWAP" if kind == "mark" else "BTC-USDT"}
    assert len({fetch.path for fetch in asked}) == 2


def test_price_candles_end_where_the_venue_begins() -> None:
    market = Market()
    made = market.listed.mark_candles["mark"] = priced("mark", "1h", 30)
    answer, _ = walk(history.mark_candles(SWAP, "mark", "1h", NOW - 90 * DAY, NOW - DAY, NOW), market)
    assert len(answer.records) == len([one for one in made if one.open_time < NOW - DAY])
    assert answer.note is not None
    assert "history begins there" in answer.note


def test_a_price_candle_that_contradicts_itself_is_no_candle() -> None:
    market = Market()
    market.listed.mark_candles["index"] = priced("index", "1h", 3)
    steps = history.mark_candles(SWAP, "index", "1h", NOW - 3 * HOUR, NOW, NOW)
    with pytest.raises(DecodeError, match="its own high and low"):
        walk(steps, market, lambda fetch, body: body.replace(b"90001.25", b"80000"))


def test_spot_has_an_index_and_no_mark_price() -> None:
    market = Market()
    made = market.listed.mark_candles["index"] = priced("index", "1h", 5)
    answer, _ = walk(history.mark_candles(SPOT, "index", "1h", made[0].open_time, NOW, NOW), market)
    assert [one.instrument for one in answer.records] == ["BTC-USDT"] * 4
    nothing, asked = walk(history.mark_candles(SPOT, "mark", "1h", NOW - DAY, NOW, NOW), market)
    assert (nothing.records, nothing.note, asked) == ([], "spot has no mark price", [])


def readings(period: str, count: int) -> list[OpenInterest]:
    step = timeframe_us(period)
    newest = NOW // step * step
    return [
        OpenInterest(
            venue="okx",
            instrument="BTC-USDT-PERP",
            ts_event=at,
            ts_recv=0,
            open_interest=22_000.0 + at // step % 100,
            open_interest_quote=2_000_000_000.5 + at // step % 100,
            period_us=step,
            origin="rest",
        )
        for at in range(newest - (count - 1) * step, newest + 1, step)
    ]


def test_open_interest_is_walked_back_as_far_as_okx_serves_it() -> None:
    market = Market()
    made = market.listed.open_interest = readings("5m", 1500)
    answer, asked = walk(history.open_interest(SWAP, "5m", made[0].ts_event, NOW, NOW), market)
    served = [one for one in made[60:] if one.ts_event < NOW]
    assert answer.records == [msgspec.structs.replace(one, ts_recv=NOW) for one in served]
    assert answer.complete_from == made[60].ts_event
    assert answer.note == "OKX serves the newest 1440 readings by 5m"
    assert len(asked) == 15
    assert {fetch.query["period"] for fetch in asked} == {"5m"}


def test_open_interest_inside_the_reach_is_complete_to_its_newest_reading() -> None:
    market = Market()
    made = market.listed.open_interest = readings("6h", 40)
    answer, asked = walk(history.open_interest(SWAP, "6h", made[10].ts_event, made[20].ts_event, NOW), market)
    assert [one.ts_event for one in answer.records] == [one.ts_event for one in made[10:20]]
    assert (answer.complete_from, answer.complete_to) == (made[10].ts_event, made[20].ts_event)
    assert (answer.note, asked[0].query["period"]) == (None, "6Hutc")


def test_what_okx_does_not_have_is_said_without_asking() -> None:
    for rules, period, words in ((SPOT, "5m", "spot has no open interest"), (SWAP, "3m", "no open interest by 3m")):
        answer, asked = walk(history.open_interest(rules, period, NOW - DAY, NOW, NOW), Market())
        assert (answer.records, asked) == ([], [])
        assert words in str(answer.note)


def test_insurance_pools_are_those_of_the_families_day_by_day() -> None:
    market = Market()
    market.listed.insurance = [
        InsuranceFund(
            venue="okx", instrument="", ts_event=NOW // DAY * DAY - back * DAY, ts_recv=0, pool="BTC-USDT",
            asset="USDT", balance=1_000_000.25 + back, balance_usd=None if back else 999_000.5, origin="rest",
        )
        for back in (2, 1, 0)
    ]  # fmt: skip
    answer, asked = walk(history.insurance(NOW), market)
    assert answer.records == [msgspec.structs.replace(one, ts_recv=NOW) for one in market.listed.insurance]
    assert [fetch.query.get("instFamily") for fetch in asked] == [None, "BTC-USDT"]
    empty, _ = walk(history.insurance(NOW), Market())
    assert (empty.records, empty.note) == ([], "OKX shows no insurance fund")


def stated(instrument: str, state: str, code: str, at: Micros | None = None) -> InstrumentStatus:
    return InstrumentStatus(
        venue="okx", instrument=instrument, ts_event=NOW, ts_recv=NOW, state=state, code=code,  # type: ignore[arg-type]
        listed_at=SWAP.listed_at if instrument.endswith("PERP") else None, delisting_at=at, origin="rest",
    )  # fmt: skip


def test_states_are_told_of_what_is_listed() -> None:
    market = Market()
    suspended = stated("BTC-USDT-PERP", "halted", "suspend")
    market.listed.states = [suspended]
    answer, _ = walk(history.statuses(["BTC-USDT-PERP", "BTC-USDT", "DOGE-USDT"], NOW), market)
    assert answer.records == [suspended, stated("BTC-USDT", "trading", "live")]
    assert answer.note == "OKX lists 1 of these not"


def test_the_calendar_has_dates_of_delistings_and_headlines() -> None:
    market = Market()
    ending = stated("BTC-USDT-PERP", "trading", "live", NOW + DAY)
    market.listed.states = [ending, msgspec.structs.replace(stated("BTC-USDT", "pre_launch", "preopen"), listed_at=NOW)]
    answer, asked = walk(history.calendar(NOW), market)
    states = [one for one in answer.records if isinstance(one, InstrumentStatus)]
    assert [(one.instrument, one.state, one.delisting_at) for one in states] == [
        ("BTC-USDT", "pre_launch", None), ("BTC-USDT-PERP", "trading", NOW + DAY),
    ]  # fmt: skip
    news = [one for one in answer.records if isinstance(one, VenueNotice)]
    assert [(one.code, one.words, one.ts_event) for one in news] == [
        ("delisting", "OKX to delist BTC-USDT-SWAP", NOW - 6 * DAY),
        ("listing", "OKX to list BTC-USDT", NOW - DAY),
    ]
    assert [fetch.path.rpartition("/")[2] for fetch in asked] == ["instruments"] * 2 + ["announcements"] * 2


def test_the_deep_book_has_a_thousand_levels_in_wire_units() -> None:
    answer, asked = walk(history.book(SWAP, NOW), Market())
    (book,) = answer.records
    assert isinstance(book, BookUpdate)
    assert (book.bids, book.asks) == ([(91_249.9, 100.0), (91_249.0, 2.0)], [(91_250.1, 1.5)])
    assert (book.snapshot, book.update_id, book.previous_id, book.ts_event) == (True, 0, None, NOW)
    assert asked[0].query["sz"] == "1000"


def test_every_request_of_derivatives_names_a_method_that_ccxt_has() -> None:
    client = ccxt.okx()
    made = [
        requests.mark_price("X", "Y"), requests.index_price("X", "Y"), requests.funding_now("X", "Y"),
        requests.open_interest_now("X", "Y"), requests.open_interest("X", "Y", "5m", 1, 2),
        requests.insurance_fund("X"), requests.status(), requests.announcements("X", 1), requests.deep_book("X", "Y"),
        *(requests.flat_candles("X", "Y", kind, "1m", 7, deep=deep) for kind in KINDS for deep in (True, False)),
    ]  # fmt: skip
    for fetch in made:
        assert callable(getattr(client, fetch.ccxt)), fetch.ccxt


def test_bars_of_a_minute_are_complete_only_when_closed() -> None:
    market = Market()
    made = market.listed.mark_candles["mark"] = priced("mark", "1m", 10, NOW + 30_000_000)
    market.at = NOW + 30_000_000
    answer, _ = walk(history.mark_candles(SWAP, "mark", "1m", made[0].open_time, NOW + HOUR, market.at), market)
    assert len(answer.records) == 10
    assert answer.complete_to == NOW // MINUTE * MINUTE


JUNK: list[object] = [None, "", "x", "-1", "NaN", "1e400", 7, [], {}, "99999999999999999999", True]


def bent(value: object, path: list[int], junk: object) -> object:
    """`value` with what lies at the end of `path` replaced; each step chooses among what is there."""
    if not path or not isinstance(value, dict | list) or not value:
        return junk
    if isinstance(value, list):
        at = path[0] % len(value)
        return [bent(one, path[1:], junk) if place == at else one for place, one in enumerate(value)]
    key = list(value)[path[0] % len(value)]
    return {name: bent(one, path[1:], junk) if name == key else one for name, one in value.items()}


@given(
    st.sampled_from(["mark", "interest", "insurance", "statuses", "calendar", "book"]),
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    st.sampled_from(JUNK),
    st.integers(0, 3),
)
def test_a_spoilt_answer_is_refused_in_the_projects_own_words(
    name: str, path: list[int], junk: object, nth: int
) -> None:
    market = Market()
    market.listed.mark_candles["mark"] = priced("mark", "1h", 5)
    market.listed.open_interest = readings("5m", 5)
    market.listed.states = [stated("BTC-USDT-PERP", "trading", "live", NOW + DAY)]
    walks: dict[str, Walk] = {
        "mark": history.mark_candles(SWAP, "mark", "1h", NOW - 4 * HOUR, NOW, NOW),
        "interest": history.open_interest(SWAP, "5m", NOW - HOUR, NOW, NOW),
        "insurance": history.insurance(NOW),
        "statuses": history.statuses(["BTC-USDT-PERP", "BTC-USDT"], NOW),
        "calendar": history.calendar(NOW),
        "book": history.book(SWAP, NOW),
    }
    asked = 0

    def spoil(fetch: Fetch, body: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return msgspec.json.encode(bent(msgspec.json.decode(body), path, junk)) if asked == nth + 1 else body

    try:
        answer, _ = walk(walks[name], market, spoil)
    except (DecodeError, Rejected):
        return
    times = [one.ts_event for one in answer.records if isinstance(one, Record)]
    assert times == sorted(times)

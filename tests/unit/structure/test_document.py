"""The context document: built from candles and trades, encoded, read back."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.structure.making import RULES, walk
from warehouse.clock import DAY, MINUTE, Micros
from warehouse.context import MAX_BYTES, decode, digest, encode
from warehouse.instruments import TIMEFRAMES, Grid, timeframe_us
from warehouse.metrics.bars import BarStore
from warehouse.metrics.ring import TradeRing
from warehouse.records import Candle
from warehouse.structure.document import TradeHistory, build, closed_bars

NOW: Micros = 20_000 * DAY + 14 * 60 * MINUTE + 17 * MINUTE + 31_000_000


def candles(count: int = 1000) -> dict[str, list[Candle]]:
    out = {}
    for i, timeframe in enumerate(TIMEFRAMES):
        out[timeframe] = list(walk(timeframe, count, NOW - NOW % timeframe_us(timeframe), seed=i + 1))
    return out


def trades(span: Micros) -> TradeHistory:
    end = NOW - NOW % 1_000_000
    rows = [(at, 1_000_000 + at // 500_000 % 977, 1 + at % 7, at % 3 == 0, 1) for at in range(end - span, end, 499_979)]
    return TradeHistory(trades=rows, complete_from=end - span, complete_to=end, last_trade_id="77")


def test_a_full_history_leaves_nothing_out_but_what_needs_trades() -> None:
    document = build(RULES, candles(), None, NOW)
    assert document.reasons == {"ring": "NO_HISTORY"}
    assert list(document.timeframes) == list(TIMEFRAMES)
    assert document.levels
    assert len(document.levels) <= 20
    assert document.htf_bias in ("BULLISH", "BEARISH", "NEUTRAL")
    assert document.batch_end["1m"] == NOW - NOW % MINUTE
    assert document.profiles["day"].source == "candles_3m"
    assert document.profiles["session"].source == "candles_1m"
    frame = document.timeframes["1d"]
    assert frame.atr is not None
    assert frame.natr == pytest.approx(frame.atr / frame.close)


def test_a_profile_of_coarser_candles_ends_with_the_last_whole_one() -> None:
    late = NOW - NOW % DAY + 20 * 60 * MINUTE + 2 * MINUTE + 5
    given = {tf: list(walk(tf, 1000, late - late % timeframe_us(tf), seed=i)) for i, tf in enumerate(TIMEFRAMES)}
    session = build(RULES, given, None, late).profiles["session"]
    assert (session.source, session.start, session.end) == ("candles_3m", NOW - NOW % DAY, late - 2 * MINUTE - 5)
    volume = sum(one.volume for one in given["3m"] if session.start <= one.open_time < session.end)
    assert session.total == pytest.approx(volume)


def test_it_fits_and_comes_back_as_it_was() -> None:
    document = build(RULES, candles(), trades(20 * 60 * MINUTE), NOW)
    payload = encode(document)
    assert len(payload) < MAX_BYTES
    back = decode(payload)
    assert msgspec.msgpack.encode(back) == payload
    assert back.digest == digest(back) == document.digest
    assert back == document


def test_the_same_inputs_give_the_same_bytes_in_any_order() -> None:
    given = candles(200)
    turned = {tf: list(reversed(rows)) for tf, rows in reversed(given.items())}
    assert encode(build(RULES, given, None, NOW)) == encode(build(RULES, turned, None, NOW))


def test_the_digest_tells_content_not_the_time_of_making() -> None:
    document = build(RULES, candles(100), None, NOW)
    assert digest(msgspec.structs.replace(document, created=1)) == document.digest
    assert digest(msgspec.structs.replace(document, htf_bias="BULLISH!")) != document.digest


def test_little_history_gives_null_with_reasons_and_nothing_invented() -> None:
    document = build(RULES, {"1m": list(walk("1m", 10, NOW - NOW % MINUTE))}, None, NOW)
    assert list(document.timeframes) == ["1m"]
    frame = document.timeframes["1m"]
    assert (frame.atr, frame.adx, frame.trend, frame.regime, frame.volume_sma) == (None,) * 5
    for path in ("timeframes.1d", "timeframes.1m.atr", "timeframes.1m.volatility.yz", "levels", "htf_bias", "zones"):
        assert document.reasons[path] == "NO_HISTORY"
    assert decode(encode(document)).levels == []
    empty = build(RULES, {}, None, NOW)
    assert empty.timeframes == {}
    assert empty.batch_end == {}


def test_open_candles_doubles_and_what_lies_before_a_hole_are_left_out() -> None:
    rows = list(walk("1m", 30, NOW - NOW % MINUTE))
    forming = list(walk("1m", 1, NOW - NOW % MINUTE + MINUTE))
    bars = closed_bars([*rows, rows[3], *forming], "1m", RULES.grid, NOW)
    assert bars.open_time == [row.open_time for row in rows]
    assert closed_bars(reversed(rows), "1m", RULES.grid, NOW).close == bars.close
    assert len(closed_bars([*rows[:10], *rows[11:]], "1m", RULES.grid, NOW)) == 19


def test_its_bars_let_every_forming_bar_begin_at_once() -> None:
    document = decode(encode(build(RULES, candles(), trades(30 * MINUTE), NOW)))
    history = document.trade_ring(RULES.grid)
    assert history is not None
    assert document.cut is not None
    live = TradeRing(RULES.grid)
    live.start(document.cut * 1_000_000 - 5_000_000)
    live.add(document.cut * 1_000_000 + 10, 1_000_500, 3, True)
    live.splice(history, document.cut)
    store = BarStore(RULES.grid)
    store.seed(document.bars)
    assert [tf for tf, one in store.forming(live).items() if one.bar is None] == []
    assert live.window(live.second + 1, 900).reason is None


def test_a_ring_of_another_grid_is_not_spliced() -> None:
    document = build(RULES, {}, trades(MINUTE), NOW)
    assert document.trade_ring(Grid("0.1", "0.001")) is None


def test_trades_that_cover_the_day_make_the_profile_exact() -> None:
    document = build(RULES, candles(), trades(DAY + 2 * MINUTE), NOW)
    assert document.profiles["day"].source == "trades"
    assert document.profiles["session"].source == "trades"
    assert document.profiles["previous_session"].source.startswith("candles_")
    assert document.last_trade_id == "77"


@pytest.mark.parametrize(
    ("age", "count", "young"), [(30, 100, False), (29, 100, True), (30, 99, True)], ids=["old", "early", "quiet"]
)
def test_a_young_session_has_volume_but_no_value_area(age: int, count: int, young: bool) -> None:
    today = NOW - NOW % DAY
    now = today + age * MINUTE
    daily = {"1d": list(walk("1d", 100, today))}
    rows = [(today + age * MINUTE // 3 * i, 1_000_000 + i, 5, True, count - 2 if i == 1 else 1) for i in range(3)]
    past = TradeHistory(trades=rows, complete_from=today, complete_to=now)
    document = decode(encode(build(RULES, daily, past, now)))
    session = document.profiles["session"]
    assert (session.source, session.trades, session.total) == ("trades", count, 0.015)
    area = (session.poc, session.vah, session.val, session.va_pct)
    assert [one is None for one in area] == [young] * 4
    told = {path: why for path, why in document.reasons.items() if path.startswith("profiles.session")}
    paths = [f"profiles.session.{name}" for name in ("poc", "vah", "val", "va_pct")]
    assert told == (dict.fromkeys(paths, "WARMUP") if young else {})


def test_a_session_of_candles_is_of_at_least_a_trade_for_each_with_volume() -> None:
    today = NOW - NOW % DAY
    now = today + 45 * MINUTE
    silent = list(walk("1m", 45, now))
    daily = list(walk("1d", 100, today))
    telling = [msgspec.structs.replace(one, trade_count=3) for one in silent]
    for minutes, trades in ((silent, 45), (telling, 135)):
        session = build(RULES, {"1d": daily, "1m": minutes}, None, now).profiles["session"]
        assert (session.source, session.trades, session.poc is None) == ("candles_1m", trades, trades < 100)

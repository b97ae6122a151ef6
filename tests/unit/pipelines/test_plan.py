"""Plans: what is missing, all of it, once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines import plan
from pipelines.plan import PIECE, Part, Series, Span, cut, missing, union
from warehouse.clock import DAY, HOUR, MINUTE, Micros
from warehouse.instruments import TIMEFRAMES, Listing, timeframe_us

NOW: Micros = 1_763_733_625_000_000
BTC = Listing("okx", "BTC", "USDT", "spot")
PERP = Listing("okx", "BTC", "USDT", "perp")

_spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)
_wanted = st.tuples(st.integers(0, 60), st.integers(0, 60))


def instants(spans: list[Span]) -> list[int]:
    return [at for start, end in spans for at in range(start, end)]


@given(_spans)
def test_a_union_holds_the_same_instants_without_touching_spans(spans: list[Span]) -> None:
    joined = union(spans)
    assert instants(joined) == sorted(set(instants(spans)))
    assert all(one[1] < other[0] for one, other in pairwise(joined))


@given(_wanted, _spans)
def test_missing_and_covered_together_are_what_was_wanted(wanted: Span, covered: list[Span]) -> None:
    left = instants(missing(wanted, covered))
    have = set(instants(covered))
    assert left == [at for at in range(*wanted) if at not in have]


@given(_wanted, st.integers(1, 25))
def test_cutting_loses_nothing_and_cuts_where_another_plan_cuts(span: Span, length: int) -> None:
    pieces = cut(span, length)
    assert instants(pieces) == list(range(*span))
    assert all(end % length == 0 for _, end in pieces[:-1])


def test_a_fresh_lake_lacks_a_thousand_closed_candles_of_every_timeframe() -> None:
    parts = plan.candles([BTC, PERP], TIMEFRAMES, 1000, NOW, {})
    assert len(parts) == 22
    for part in parts:
        length = timeframe_us(part.timeframe)
        assert (part.end - part.start) == 1000 * length
        assert part.end % length == 0
        assert part.end <= NOW < part.end + length


def test_a_year_of_minutes_is_asked_for_in_pieces() -> None:
    window = (NOW - 365 * DAY, NOW)
    parts = plan.candles([BTC], ["1m"], 1000, NOW, {}, window)
    assert union((part.start, part.end) for part in parts) == [(window[0] - window[0] % MINUTE, NOW - NOW % MINUTE)]
    assert max(part.end - part.start for part in parts) == PIECE * MINUTE
    assert len(parts) in (88, 89)


def test_a_part_that_landed_is_not_planned_again() -> None:
    parts = plan.candles([BTC], TIMEFRAMES, 1000, NOW, {})
    covered = {part.series: [(part.start, part.end)] for part in parts}
    assert plan.candles([BTC], TIMEFRAMES, 1000, NOW, covered) == []
    later = plan.candles([BTC], TIMEFRAMES, 1000, NOW + 3 * MINUTE, covered)
    assert [(part.timeframe, (part.end - part.start) // MINUTE) for part in later] == [("3m", 3), ("1m", 3)]


def test_an_asked_window_of_candles_holds_whole_closed_bars_only() -> None:
    (part,) = plan.candles([BTC], ["1h"], 1000, NOW, {}, (NOW - 5 * HOUR, NOW))
    assert (part.start, part.end) == (NOW // HOUR * HOUR - 5 * HOUR, NOW // HOUR * HOUR)


def test_trades_are_planned_newest_first_in_chunks_of_the_clock() -> None:
    parts = plan.trades([BTC], (NOW - HOUR, NOW), {}, 30 * MINUTE)
    assert [part.end for part in parts] == sorted((part.end for part in parts), reverse=True)
    assert parts[0].end == NOW
    assert sum(part.end - part.start for part in parts) == HOUR


def test_the_last_moments_of_trades_are_asked_for_with_what_is_before_them() -> None:
    whole = NOW - NOW % (30 * MINUTE)
    asked = [
        [(part.start, part.end) for part in plan.trades([BTC], (whole - HOUR, whole + later), {})]
        for later in (4 * MINUTE, 5 * MINUTE)
    ]
    half = whole - 30 * MINUTE
    assert asked[0] == [(half, whole + 4 * MINUTE), (whole - HOUR, half)]
    assert asked[1] == [(whole, whole + 5 * MINUTE), (half, whole), (whole - HOUR, half)]


def test_funding_is_planned_for_perpetuals_alone() -> None:
    (part,) = plan.funding([BTC, PERP], 90, NOW, {})
    assert part.series == Series("funding", "okx", "BTC-USDT-PERP")
    assert part.end - part.start > 90 * DAY - MINUTE


def test_a_part_names_its_series() -> None:
    part = Part("candles", "okx", "BTC-USDT", "1m", 0, MINUTE)
    assert part.series == Series("candles", "okx", "BTC-USDT", "1m")

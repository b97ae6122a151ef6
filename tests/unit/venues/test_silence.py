"""Silence: each stream by its own limit, patience that grows, the same after a restart."""

from __future__ import annotations

import msgspec
import pytest

from warehouse.clock import SECOND, Micros
from warehouse.venues.silence import BUSY_TRADES, LIMITS, LOOK, Silence, SilenceState, limit

START: Micros = 1_795_000_000 * SECOND
FIVE: dict[str, Micros | None] = {"depth": 5 * SECOND, "trades": 60 * SECOND, "liquidations": None}


def watched() -> Silence[str]:
    silence = Silence[str](FIVE)
    silence.expect(FIVE, START)
    return silence


def looks(silence: Silence[str], first: int, last: int) -> list[tuple[int, str, bool]]:
    """What is quiet in seconds `first..last` behind the start: second, stream, hopeless."""
    found = []
    for second in range(first, last + 1):
        found += [(second, one.stream, one.hopeless) for one in silence.quiet(START + second * SECOND)]
    return found


def test_a_stream_that_never_speaks_is_asked_twice_and_then_given_up_with_growing_patience() -> None:
    silence = Silence[str]({"depth": 5 * SECOND})
    silence.expect(["depth"], START)
    told = looks(silence, 0, 60)
    assert told == [
        (6, "depth", False), (12, "depth", False), (18, "depth", True),
        (29, "depth", False), (40, "depth", False), (51, "depth", True),
    ]  # fmt: skip


def test_patience_grows_no_further_than_sixty_four_times() -> None:
    silence = Silence[str]({"depth": 5 * SECOND})
    silence.expect(["depth"], START)
    told = [second for second, _, _ in looks(silence, 0, 4000)]
    assert told[-1] - told[-2] == 64 * 5 + 1


def test_a_frame_of_one_stream_says_nothing_of_another() -> None:
    silence = watched()
    for second in range(1, 70):
        silence.heard["depth"].at = START + second * SECOND
        told = looks(silence, second, second)
        assert told == ([(61, "trades", False)] if second == 61 else [])


def test_a_frame_restores_patience_and_tries() -> None:
    silence = watched()
    assert looks(silence, 0, 12) == [(6, "depth", False), (12, "depth", False)]
    silence.heard["depth"].at = START + 13 * SECOND
    assert looks(silence, 13, 25) == [(19, "depth", False), (25, "depth", False)]


def test_what_speaks_only_when_something_happens_is_never_quiet() -> None:
    silence = Silence[str]({"liquidations": None})
    silence.expect(["liquidations"], START)
    assert looks(silence, 0, 100_000) == []


def test_nothing_is_expected_before_a_subscription_and_after_the_connection_went() -> None:
    silence = Silence[str](FIVE)
    assert looks(silence, 0, 100) == []
    silence.expect(["depth"], START + 100 * SECOND)
    silence.forget()
    assert looks(silence, 100, 300) == []


def test_a_new_connection_does_not_restore_patience() -> None:
    silence = Silence[str]({"depth": 5 * SECOND})
    silence.expect(["depth"], START)
    assert looks(silence, 0, 18)[-1] == (18, "depth", True)
    silence.forget()
    silence.expect(["depth"], START + 20 * SECOND)
    assert looks(silence, 20, 31) == [(31, "depth", False)]


def test_it_says_how_long_since_the_last_frame() -> None:
    silence = watched()
    silence.heard["depth"].at = START + 2 * SECOND
    (one,) = silence.quiet(START + 9 * SECOND)
    assert (one.quiet_us, one.words) == (7 * SECOND, "nothing for 7 s")


def test_a_stream_nobody_named_is_refused() -> None:
    with pytest.raises(KeyError):
        watched().expect(["other"], START)


def test_looks_are_half_a_second_apart() -> None:
    silence = watched()
    assert silence.quiet(START + 5 * SECOND) == []
    assert silence.quiet(START + 5 * SECOND + LOOK - 1) == []
    assert len(silence.quiet(START + 5 * SECOND + LOOK)) == 1


@pytest.mark.parametrize("second", [0, 7, 13, 61, 75])
def test_a_restored_one_goes_on_where_it_was(second: int) -> None:
    silence, copy = watched(), Silence[str](FIVE)
    silence.heard["depth"].at = START + 4 * SECOND
    looks(silence, 0, second)
    copy.restore(msgspec.json.decode(msgspec.json.encode(silence.state()), type=SilenceState))
    assert looks(copy, second, 200) == looks(silence, second, 200)


def test_the_memory_of_other_streams_is_not_taken() -> None:
    copy = Silence[str]({"depth": 5 * SECOND})
    copy.restore(watched().state())
    assert looks(copy, 0, 100) == []


def test_busy_perpetuals_trade_more_often() -> None:
    assert limit("trades", "BTC-USDT-PERP") == limit("trades", "ETH-USDT-PERP") == BUSY_TRADES
    assert limit("trades", "BTC-USDT") == limit("trades", "SOL-USDT-PERP") == LIMITS["trades"]
    assert limit("depth", "BTC-USDT-PERP") == LIMITS["depth"]

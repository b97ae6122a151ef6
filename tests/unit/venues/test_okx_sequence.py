"""OKX's rules of succession, step by step."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.venues.okx.sequence import BookSequence, TradeSequence, checksum


def book(last: int) -> BookSequence:
    sequence = BookSequence()
    sequence.pushed_snapshot(last)
    return sequence


def test_updates_chain_by_the_previous_id_and_not_by_one() -> None:
    sequence = book(100)
    assert sequence.update(100, 117) == "apply"
    assert sequence.update(117, 118) == "apply"
    assert sequence.last == 118


def test_the_heartbeat_with_equal_ids_is_kept() -> None:
    sequence = book(100)
    assert sequence.update(100, 100) == "apply"
    assert sequence.last == 100


def test_a_maintenance_reset_to_a_smaller_id_is_accepted_when_its_previous_id_matches() -> None:
    sequence = book(100)
    assert sequence.update(100, 15) == "apply"
    assert sequence.update(15, 16) == "apply"


@pytest.mark.parametrize("previous", [99, 101, -1])
def test_anything_else_is_a_gap(previous: int) -> None:
    assert book(100).update(previous, 105) == "gap"


def test_without_a_snapshot_everything_is_a_gap() -> None:
    assert BookSequence().update(1, 2) == "gap"
    sequence = book(100)
    sequence.lost()
    assert sequence.update(100, 101) == "gap"


def test_a_rest_snapshot_is_straddled_by_the_first_push() -> None:
    sequence = BookSequence()
    sequence.rest_snapshot(100)
    assert sequence.update(80, 90) == "stale"
    assert sequence.update(90, 100) == "stale"
    assert sequence.update(95, 104) == "apply"
    assert sequence.update(95, 110) == "gap"


def test_a_rest_snapshot_older_than_the_first_push_is_a_gap() -> None:
    sequence = BookSequence()
    sequence.rest_snapshot(100)
    assert sequence.update(101, 110) == "gap"


def test_missing_trades_are_bounded_inclusively() -> None:
    sequence = TradeSequence()
    assert sequence.missing(7, 7) is None
    sequence.last = 10
    assert sequence.missing(11, 11) is None
    assert sequence.missing(14, 14) == (11, 13)
    assert sequence.missing(9, 9) is None


def test_an_aggregate_counts_all_its_fills() -> None:
    sequence = TradeSequence()
    sequence.last = 10
    assert sequence.missing(11, 13) is None
    assert sequence.missing(13, 15) == (11, 12)
    assert sequence.missing(9, 12) == (11, 12), "what overlaps is asked for fill by fill"


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=40))
def test_the_missing_ids_are_exactly_those_left_out(stretches: list[tuple[int, bool]]) -> None:
    sequence, seq = TradeSequence(), 0
    lost: list[int] = []
    reported: list[int] = []
    for count, dropped in [(1, False), *stretches, (1, False)]:
        first, seq = seq + 1, seq + count
        if dropped:
            lost += range(first, seq + 1)
            continue
        missing = sequence.missing(first, seq)
        reported += [] if missing is None else range(missing[0], missing[1] + 1)
        sequence.last = seq
    assert reported == lost


def test_the_checksum_interleaves_the_best_levels_and_goes_on_with_the_longer_side() -> None:
    assert checksum({"3366.1": "7", "3366": "6"}, {"3366.8": "9", "3368": "8"}) == -1881014294
    assert checksum({"2": "7"}, {"3": "8", "4": "9"}) == signed_crc("2:7:3:8:4:9")
    assert checksum({"2": "7", "1": "5"}, {"3": "8"}) == signed_crc("2:7:3:8:1:5")


def test_the_checksum_reads_the_best_25_by_number_and_keeps_the_text() -> None:
    bids = {f"{price}.0": "1.50" for price in range(1, 200)}
    assert checksum(bids, {}) == signed_crc(":".join(f"{price}.0:1.50" for price in range(199, 174, -1)))


def signed_crc(text: str) -> int:
    crc = zlib.crc32(text.encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc

"""Polls: spread over their period, slower after failures, the same after a restart."""

from __future__ import annotations

from itertools import pairwise

import pytest

from warehouse.clock import SECOND
from warehouse.venues.base import Fetch
from warehouse.venues.polls import EVERY, PATIENCE, Polls

START = 1_795_000_000 * SECOND


def fetch(tag: str) -> Fetch:
    return Fetch(purpose="open_interest", base="rest", path="/oi", query={}, ccxt="oi", tag=tag)


def test_polls_are_spread_over_their_period() -> None:
    polls = Polls([fetch(tag) for tag in "abc"])
    polls.start(START)
    asked = []
    for now in range(START, START + EVERY["open_interest"], SECOND):
        for one in polls.due(now):
            asked.append(((now - START) // SECOND, one.tag))
            polls.answered(one, True, now)
    assert asked == [(0, "a"), (5, "b"), (10, "c")]


def test_a_failing_poll_waits_twice_as_long_each_time_and_recovers() -> None:
    polls, period = Polls([fetch("a")]), EVERY["open_interest"]
    polls.start(START)
    times = []
    for now in range(START, START + 80 * period, SECOND):
        for one in polls.due(now):
            times.append(now)
            polls.answered(one, len(times) > 6, now)
    gaps = [(later - earlier) // period for earlier, later in pairwise(times)]
    assert gaps[:7] == [2, 4, 8, 16, 16, 16, 1]


def test_an_answer_that_never_comes_counts_as_a_failure() -> None:
    polls = Polls([fetch("a")])
    polls.start(START)
    assert polls.due(START)
    assert not polls.due(START + PATIENCE - 1)
    assert not polls.due(START + PATIENCE)
    assert polls.due(START + PATIENCE + 2 * EVERY["open_interest"])


def test_a_restored_schedule_goes_on_where_it_was() -> None:
    polls, copy = (Polls([fetch(tag) for tag in "ab"]) for _ in range(2))
    polls.start(START)
    polls.due(START)
    copy.restore(polls.state())
    times = range(START, START + 60 * SECOND, SECOND)
    assert [copy.due(now) for now in times] == [polls.due(now) for now in times]


def test_a_poll_may_be_rarer_than_its_purpose_and_still_begins_within_a_minute() -> None:
    polls = Polls([fetch(tag) for tag in "ab"], {"b": 600 * SECOND})
    polls.start(START)
    asked = []
    for now in range(START, START + 1300 * SECOND, SECOND):
        for one in polls.due(now):
            polls.answered(one, True, now)
            if one.tag == "b":
                asked.append((now - START) // SECOND)
    assert asked == [30, 630, 1230]


def test_two_polls_with_one_tag_are_refused() -> None:
    with pytest.raises(ValueError, match="same tag"):
        Polls([fetch("a"), fetch("a")])

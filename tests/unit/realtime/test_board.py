"""What makes an installation not ready, and what only degrades it."""

from __future__ import annotations

from realtime.board import STALE_US, judge
from warehouse.clock import SECOND, Micros

NOW: Micros = 1_795_000_000 * SECOND


def connection(why: str = "", ready: bool = True, needed: bool = True) -> dict[str, object]:
    """A line of a worker's report; down with the reason `why`."""
    return {"up": not why, "ready": ready and not why, "needed": needed, "why": why}


def report(**connections: dict[str, object]) -> dict[str, dict[str, object]]:
    """What a worker says of itself."""
    return {"worker-bybit": {"process": "worker-bybit", "now": NOW, "connections": connections}}


def test_all_is_well_when_everybody_reported_lately_and_every_connection_stands() -> None:
    verdict = judge(report(perp=connection(), status=connection(needed=False)), ["worker-bybit"], NOW)
    assert (verdict.ready, verdict.reasons, verdict.degraded) == (True, [], [])


def test_a_connection_that_says_nothing_rest_does_not_say_only_degrades() -> None:
    down = connection("connection refused; nothing listens there", needed=False)
    verdict = judge(report(perp=connection(), status=down), ["worker-bybit"], NOW)
    assert verdict.ready
    assert verdict.degraded == ["status: connection refused; nothing listens there"]


def test_every_other_connection_is_needed() -> None:
    verdict = judge(report(perp=connection("reset"), spot=connection(ready=False)), ["worker-bybit"], NOW)
    assert not verdict.ready
    assert verdict.reasons == ["perp: reset", "spot: subscriptions not acknowledged"]


def test_who_does_not_report_or_did_so_long_ago_is_named() -> None:
    verdict = judge(report(perp=connection()), ["worker-bybit", "recorder"], NOW + STALE_US + SECOND)
    assert verdict.reasons == ["worker-bybit: last report 5 s ago", "recorder: no report"]

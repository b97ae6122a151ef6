"""Trades of the last hours up to now: history before the tape, and past its beginning, where the overlap proves it."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines import plan
from pipelines.desk import Desk
from pipelines.flows.fill import at_all_venues, fill
from pipelines.flows.runner import CONFIGURED
from pipelines.plan import Series, Span
from pipelines.progress import Report
from pipelines.scope import Scope
from warehouse.clock import MINUTE, Micros
from warehouse.instruments import Listing

CHUNK: Micros = 30 * MINUTE
"""One part's length: little to fetch again after a failure, few conversations."""

NEWEST_ONLY: tuple[str, ...] = ("bybit",)
"""Venues that serve their newest page whatever is asked: a range is one part there."""


def covered(desk: Desk) -> dict[Series, list[Span]]:
    """What needs no fetching: landed history, overlaps already kept, and the tape but for its beginning."""
    done = desk.lander.covered("trades", desk.venue)
    for kept, spans in desk.lander.covered("overlaps", desk.venue).items():
        done.setdefault(Series("trades", kept.venue, kept.instrument), []).extend(spans)
    for instrument, recorded in desk.lander.recorded(desk.venue, desk.clock.now()).items():
        done.setdefault(Series("trades", desk.venue, instrument), []).extend(recorded.settled())
    return done


def wanted(desk: Desk, scope: Scope, listings: Sequence[Listing]) -> list[plan.Part]:
    """The trades that this desk's lake lacks."""
    done = covered(desk)
    start, end = scope.window(desk.clock.now(), desk.settings.trades_lookback_us)
    return plan.trades(listings, (start, end), done, end if desk.venue in NEWEST_ONLY else CHUNK)


@task(name="trades", task_run_name="trades-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_trades(settings: Settings, venue: str, scope: Scope) -> Report:
    """All missing trades of one venue."""
    return await fill("trades", wanted, settings, venue, scope)


@flow(name="backfill-trades", task_runner=CONFIGURED, persist_result=False)
def backfill_trades(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Bring the trades of every venue up to now."""
    return at_all_venues(load_trades, settings or load(), scope, "backfill-trades")

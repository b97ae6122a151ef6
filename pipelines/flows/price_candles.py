"""Closed candles of the mark and index price of perpetuals, as far back as those of trades."""

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
from pipelines.progress import Report
from pipelines.scope import Scope
from warehouse.instruments import Listing


def wanted(desk: Desk, scope: Scope, listings: Sequence[Listing]) -> list[plan.Part]:
    """The price bars that this desk's lake lacks."""
    now = desk.clock.now()
    frames, depth = scope.frames(desk.settings), desk.settings.candles_depth
    covered = desk.lander.covered("price_candles", desk.venue)
    return plan.price_candles(listings, frames, depth, now, covered, scope.asked(now))


@task(name="price_candles", task_run_name="price_candles-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_price_candles(settings: Settings, venue: str, scope: Scope) -> Report:
    """All missing price candles of one venue."""
    return await fill("price_candles", wanted, settings, venue, scope)


@flow(name="backfill-price-candles", task_runner=CONFIGURED, persist_result=False)
def backfill_price_candles(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Bring the mark and index candles of every venue up to date."""
    return at_all_venues(load_price_candles, settings or load(), scope, "backfill-price-candles")

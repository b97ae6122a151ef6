"""Snapshots of every order book, up to a thousand levels a side, one in each five minutes."""

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
    """The books of which these five minutes have no snapshot yet."""
    now = desk.clock.now()
    slot = now - now % plan.PICTURE_EVERY
    taken = desk.lake.read("books", venue=desk.venue, start=slot, match={"origin": "rest"})["instrument"].to_list()
    names = [listing.instrument for listing in listings if listing.instrument not in taken]
    return plan.present("books", desk.venue, names, plan.PICTURE_EVERY, now)


@task(name="books", task_run_name="books-{venue}", cache_policy=NO_CACHE, persist_result=False)
async def load_books(settings: Settings, venue: str, scope: Scope) -> Report:
    """A snapshot of each book of one venue."""
    return await fill("books", wanted, settings, venue, scope)


@flow(name="snapshot-books", task_runner=CONFIGURED, persist_result=False)
def snapshot_books(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Take a snapshot of every book."""
    return at_all_venues(load_books, settings or load(), scope, "snapshot-books")

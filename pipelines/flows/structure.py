"""Market structure: closed candles and past trades in, one context document per instrument out, to lake and bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from configs.load import load
from configs.settings import Settings
from pipelines import past
from pipelines.desk import open_bus, open_lake
from pipelines.flows import artifacts
from pipelines.flows.candles import load_candles
from pipelines.flows.fill import at_all_venues
from pipelines.flows.price_candles import load_price_candles
from pipelines.flows.runner import CONFIGURED
from pipelines.progress import Report, Step, tell
from pipelines.scope import Scope
from warehouse import keys
from warehouse.clock import SECOND, SystemClock
from warehouse.context import ContextDocument, encode
from warehouse.instruments import Rules
from warehouse.structure.document import document_of
from warehouse.structure.measured import measured
from warehouse.tables import ContextDocument as ContextRow

if TYPE_CHECKING:
    import redis

    from warehouse.store import Lake


@task(name="structure", task_run_name="structure-{venue}", cache_policy=NO_CACHE, persist_result=False)
def judge_structure(settings: Settings, venue: str, scope: Scope, repaired: bool = False) -> Report:
    """The context documents of one venue, from the lake alone. An instrument without rules or candles has none.

    After history was `repaired`, an event tells of each document that says something else now.
    """
    clock = SystemClock()
    now = clock.now()
    wanted = [listing.instrument for listing in scope.listings(settings, venue)]
    lake, bus = open_lake(settings), open_bus(settings)
    rules = {row.instrument: row for row in lake.rows("instruments", match={"venue": venue}) if isinstance(row, Rules)}
    grids = {name: rules[name].grid for name in wanted if name in rules}
    bars = measured(past.bars(lake, venue, settings.candles_depth, grids, now))
    spans = past.complete(lake, venue)
    known = _digests(lake, venue)
    notes: dict[str, int] = {}
    made: list[ContextRow] = []
    for done, instrument in enumerate(wanted, 1):
        if instrument not in rules or instrument not in bars:
            notes[f"{instrument}: no rules or no candles in the lake; run 'p9 backfill reference candles'"] = 1
            continue
        history = past.trades(lake, rules[instrument], spans.get(instrument, (0, 0)), now)
        document = document_of(rules[instrument], bars[instrument], history, now)
        payload = encode(document)
        if known.get(instrument) != document.digest:
            made.append(_row(document, payload))
        if bus is not None:
            _announce(bus, document, payload)
        tell(Step("structure", venue, done, len(wanted), len(made)))
    if made:
        lake.append("contexts", made)
    if repaired:
        artifacts.tell_restated([(known[row.instrument], row) for row in made if row.instrument in known])
    if bus is not None:
        bus.close()
    return Report(
        dataset="structure",
        venue=venue,
        parts=len(wanted),
        done=len(wanted) - len(notes),
        rows=len(made),
        landed=len(made),
        seconds=(clock.now() - now) / SECOND,
        notes=notes,
        error=None if len(notes) < len(wanted) else "nothing to judge: the lake holds no candles of this venue",
    )


@flow(name="structure", task_runner=CONFIGURED, persist_result=False)
def structure(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """Recompute every context document, and set the keys that a restarted bus has lost."""
    return at_all_venues(judge_structure, settings or load(), scope, "structure")


@flow(name="refresh-context", task_runner=CONFIGURED, persist_result=False)
def refresh_context(settings: Settings | None = None, scope: Scope = Scope()) -> list[Report]:  # noqa: B008  frozen
    """New candles first, then the documents that are made of them; last what no document is made of."""
    settings = settings or load()
    reports = at_all_venues(load_candles, settings, scope, "refresh-context-candles")
    reports += at_all_venues(judge_structure, settings, scope, "refresh-context")
    return reports + at_all_venues(load_price_candles, settings, scope, "refresh-context-price-candles")


def _row(document: ContextDocument, payload: bytes) -> ContextRow:
    return ContextRow(
        venue=document.venue,
        instrument=document.instrument,
        digest=document.digest,
        created=document.created,
        document=payload,
    )


def _digests(lake: Lake, venue: str) -> dict[str, str]:
    """The digest of each instrument's newest stored document."""
    rows = lake.scan("contexts").filter(pl.col("venue") == venue).select("instrument", "digest", "created")
    return {row["instrument"]: row["digest"] for row in rows.sort("created").collect().iter_rows(named=True)}


def _announce(bus: redis.Redis, document: ContextDocument, payload: bytes) -> None:
    """Set the key, then tell: whoever hears of a digest finds its document."""
    venue, instrument = document.venue, document.instrument
    pipe = bus.pipeline(transaction=True)
    pipe.set(keys.context(venue, instrument), payload)
    pipe.publish(keys.CONTEXT_NEWS, f"{venue}:{instrument}:{document.digest}")
    pipe.execute()

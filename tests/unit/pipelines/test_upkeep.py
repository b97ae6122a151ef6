"""Upkeep: the lake says the same in fewer rows and files, and only what has expired is gone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.load import load
from configs.settings import Settings
from pipelines.desk import open_lake
from pipelines.flows.upkeep import expire, keep, recording, shorten
from pipelines.load import Lander
from pipelines.plan import union
from pipelines.tidying import shorter
from tests.unit.pipelines.made import MINUTE, T0, candle, fetched, recorded, trade
from warehouse.clock import DAY, SystemClock
from warehouse.tables import ContextDocument, Coverage, Outcome

REST = Coverage(dataset="candles", venue="okx", instrument="BTC-USDT", timeframe="1m", start=0, end=0, origin="rest",
                rows=1, ts_recv=0)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return load(None, home=str(tmp_path), realm="emulated")


_spans = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 99)), max_size=12)


@given(_spans)
@settings(max_examples=60)
def test_a_shorter_ledger_covers_the_same_time_and_is_as_short_as_can_be(found: list[tuple[int, int, int]]) -> None:
    rows = [msgspec.structs.replace(REST, start=at, end=at + long, ts_recv=when) for at, long, when in found]
    newest = {row.start: row for row in sorted(rows, key=lambda row: (row.ts_recv, row.end))}
    spans = [(row.start, row.end) for row in shorter(rows)]
    assert spans == union((row.start, row.end) for row in newest.values())
    assert shorter(shorter(rows)) == shorter(rows)


def test_a_recorded_interval_keeps_its_newest_row_and_nothing_is_mixed() -> None:
    grown = [msgspec.structs.replace(recorded(T0, T0 + n * MINUTE, 7), ts_recv=T0 + n) for n in range(5)]
    other = msgspec.structs.replace(REST, timeframe="3m", end=5)
    assert shorter([*grown, other, msgspec.structs.replace(REST, end=5)]) == [
        msgspec.structs.replace(REST, end=5),
        other,
        grown[-1],
    ]


def test_shortening_a_lakes_coverage_leaves_the_flows_no_more_to_do_than_before(home: Settings) -> None:
    lake = open_lake(home)
    lander = Lander(lake, "run")
    for n in range(6):
        lander.land([fetched("candles", T0 + n * MINUTE, T0 + (n + 1) * MINUTE, [candle(T0 + n * MINUTE)])], T0 + DAY)
    lake.append("coverage", [recorded(T0, T0 + n * MINUTE, 7) for n in range(1, 4)])
    before = lander.covered("candles", "okx")
    assert shorten(lake, "okx") == 5 + 2
    assert {key: union(spans) for key, spans in before.items()} == lander.covered("candles", "okx")
    assert shorten(lake, "okx") == 0
    assert shorten(lake, "binance") == 0


def test_only_what_expired_goes_and_the_newest_document_of_an_instrument_stays(home: Settings) -> None:
    lake, now = open_lake(home), SystemClock().now()
    ages = {"a": 40, "b": 20, "c": 1}
    for digest, days in ages.items():
        document = ContextDocument(venue="okx", instrument="X", digest=digest, created=now - days * DAY, document=b"")
        lake.append(
            "contexts",
            [document, msgspec.structs.replace(document, instrument=f"only-{digest}", digest=digest + digest)],
        )
    old = Outcome(
        dataset="trades", venue="okx", instrument="X", start=1, end=2, started_at=3, finished_at=now - 99 * DAY
    )
    lake.append("outcomes", [old, msgspec.structs.replace(old, finished_at=now)])
    assert expire(lake, home, now) == {"contexts": 2, "outcomes": 1, "mismatches": 0}
    assert sorted(lake.read("contexts")["digest"]) == ["aa", "bb", "c", "cc"]
    assert lake.read("outcomes").height == 1
    assert expire(lake, home, now) == {"contexts": 0, "outcomes": 0, "mismatches": 0}


def test_a_run_compacts_every_table_but_leaves_a_recorders_tables_to_it(home: Settings) -> None:
    lake, now = open_lake(home), SystemClock().now()
    for n in range(5):
        lake.append("trades", [trade(n + 1, T0 + n)])
        lake.upsert("candles", [candle(T0 + n * MINUTE)], now=T0)
    assert not recording(lake, home)
    report = keep.fn(home)
    assert (report.parts, report.error) == (2, None)
    after = open_lake(home)
    assert len(after.handle("trades").file_uris()) == len(after.handle("candles").file_uris()) == 1
    assert (after.read("trades").height, after.read("candles").height) == (5, 5)
    after.append("coverage", [recorded(now - MINUTE, now, 1)])
    assert recording(after, home)
    assert keep.fn(home).parts == 1

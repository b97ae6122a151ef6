"""A lake whose root is a URL: no file can be locked there, and DuckDB reads through Delta's own client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Literal

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import warehouse
from tests.kit.journals import BEGIN, trade
from warehouse import lease, realm
from warehouse.clock import HOUR, SECOND, ManualClock
from warehouse.errors import ConfigError
from warehouse.lease import LEASE, leased
from warehouse.objects import Opened
from warehouse.records import FundingRate, Record
from warehouse.store import Lake


@pytest.fixture
def root(tmp_path: Path) -> str:
    return f"file://{tmp_path}/lake"


def test_a_lake_behind_a_url_answers_sql_and_frames_alike(root: str) -> None:
    rows: list[Record] = [trade(number) for number in range(1, 8)]
    Lake(root).append("trades", rows)
    with warehouse.connect(root) as connection:
        found = connection.execute("SELECT count(*), min(price), max(ts_event) FROM trades").fetchall()
        assert connection.execute("SELECT count(*) FROM gaps_open").fetchall() == [(0,)]
    frame = warehouse.scan("trades", root).collect()
    assert found == [(7, frame["price"].min(), frame["ts_event"].max())]


def test_the_realm_of_a_lake_behind_a_url_is_kept(root: str) -> None:
    Lake(root, realm="emulated")
    with pytest.raises(ConfigError, match="emulated"):
        Lake(root, realm="live")


def test_a_store_that_overwrites_what_must_not_be_there_is_refused(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[DeltaTable] = []

    def once(held: DeltaTable, data: pa.Table, *, mode: Literal["append"]) -> None:
        """As if the second writer's object took the place of the first one's."""
        written.append(held)
        if len(written) == 1:
            write_deltalake(held, data, mode=mode)

    monkeypatch.setattr(realm, "write_deltalake", once)
    with pytest.raises(ConfigError, match="no conditional put"):
        Lake(root)


def rate(hour: int) -> FundingRate:
    at = BEGIN + hour * HOUR
    return FundingRate(venue="okx", instrument="BTC-USDT-PERP", ts_event=at, ts_recv=1, funding_rate=1e-4, settled=True)


@pytest.mark.parametrize(("name", "make"), [("funding", rate), ("overlaps", trade)])
def test_writers_of_one_range_without_a_lock_store_each_row_once(
    root: str, name: str, make: Callable[[int], Record]
) -> None:
    lake = Lake(root)
    lake.prepare([name, "corrections"])

    def land() -> None:
        for first in range(1, 40, 10):
            Lake(root).upsert(name, [make(number) for number in range(first, first + 20)], now=BEGIN)

    threads = [Thread(target=land) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.rows(name) == [make(number) for number in range(1, 51)]
    assert lake.read("corrections").height == 0


def test_a_lease_is_held_by_one_until_it_is_given_back_or_runs_out(tmp_path: Path) -> None:
    uri, clock, order = f"file://{tmp_path}/lock", ManualClock(BEGIN), []

    def second() -> None:
        with leased(uri, None, clock):
            order.append("second")

    with leased(uri, None, clock):
        waiting = Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]

    held = leased(uri, None, clock)
    held.__enter__()  # and its holder dies
    clock.advance(LEASE + SECOND)
    second()
    held.__exit__(None, None, None)  # too late to give anything back
    assert order == ["first", "second", "second"]


def test_a_lease_that_is_held_for_long_does_not_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    uri, clock, released = f"file://{tmp_path}/lock", ManualClock(BEGIN), Event()

    def second() -> None:
        with leased(uri, None, clock):
            released.set()

    with leased(uri, None, clock):
        waiting = Thread(target=second)
        waiting.start()
        for _ in range(4):
            clock.advance(LEASE * 3 // 4)
            wanted = clock.now() + LEASE
            while DeltaTable(uri).transaction_version("until") != wanted:
                assert not released.is_set()
    waiting.join(10)
    assert released.is_set()


def test_who_makes_a_table_at_the_same_moment_as_another_takes_that_one(root: str) -> None:
    starting, found = Barrier(4), list[int]()

    def make() -> None:
        starting.wait()
        found.append(Lake(root).handle("funding").version())

    threads = [Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 4


def test_threads_read_one_file_each_at_its_own_place(tmp_path: Path) -> None:
    numbers = b"".join(number.to_bytes(4, "big") for number in range(20_000))
    (tmp_path / "file").write_bytes(numbers)
    wrong: list[int] = []
    with (tmp_path / "file").open("rb", buffering=0) as raw:
        file = Opened(raw)

        def read(first: int) -> None:
            for number in range(first, 20_000, 7):
                file.seek(4 * number)
                if file.read(4) != number.to_bytes(4, "big") or file.tell() != 4 * number + 4:
                    wrong.append(number)

        threads = [Thread(target=read, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []

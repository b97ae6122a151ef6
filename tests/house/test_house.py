"""Is the house in order: imports, layers, registries, and words that must not stand anywhere."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.venues import VENUES, venue

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for room in ("warehouse", "configs", "pipelines", "realtime", "p9")
    for path in (ROOT / room).rglob("*.py")
    if ">>> " in (text := path.read_text()) and "+SKIP" not in text
)
BATCH = ("polars", "pyarrow", "duckdb", "deltalake", "prefect", "ccxt", "pandas", "numpy")


@pytest.mark.parametrize(
    "module", ["realtime.service", "realtime.engine", "realtime.sinks.redis", "p9.main", "p9.commands.worker"]
)
def test_the_live_worker_imports_none_of_the_batch_stack(module: str) -> None:
    code = f"import {module}, sys; print([name for name in {BATCH!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_of_docstrings_hold(module: str) -> None:
    found = doctest.testmod(import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_timeframe_divides_a_day() -> None:
    assert all(86_400_000_000 % timeframe_us(name) == 0 for name in TIMEFRAMES)


@pytest.mark.parametrize("name", VENUES)
def test_every_venue_has_the_same_face(name: str) -> None:
    module = venue(name)
    assert name == module.NAME
    assert all(key.startswith(("rest", "ws")) for key in module.ENDPOINTS)
    assert module.symbol("BTC", "USDT", "perp")


def test_no_source_file_outgrows_its_idea() -> None:
    files = [
        path for name in ("warehouse", "configs", "pipelines", "realtime", "p9") for path in (ROOT / name).rglob("*.py")
    ]
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: lines for name, lines in long.items() if lines > 450} == {}


def test_the_lock_file_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def test_the_map_names_every_room() -> None:
    text = (ROOT / "MAP.md").read_text()
    rooms = [
        f"{path.relative_to(ROOT)}/"
        for name in ("warehouse", "configs", "pipelines", "realtime", "p9", "notebooks", "tests")
        for path in [ROOT / name, *sorted((ROOT / name).iterdir())]
        if path.is_dir() and not path.name.startswith(("_", "."))
    ]
    assert [room for room in rooms if f"`{room}`" not in text] == []

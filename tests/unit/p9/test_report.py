"""`p9 report`: the numbers of a small lake, on the terminal and on the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from p9.charts import bars, colour, heat
from p9.commands.report import report
from p9.page import page
from tests.kit.journals import BEGIN, trade
from warehouse.clock import DAY, HOUR, MINUTE
from warehouse.frames import frame
from warehouse.quality import Quality, Sheet, quality
from warehouse.records import Candle, SequenceGap
from warehouse.store import Lake
from warehouse.tables import TRADES, Coverage

TODAY = BEGIN - BEGIN % DAY


def bar(minute: int, venue: str, close: float) -> Candle:
    return Candle(
        venue=venue, instrument="BTC-USDT", ts_event=0, ts_recv=TODAY, timeframe="1m",
        open_time=TODAY + minute * MINUTE, open=close, high=close, low=close, close=close, volume=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """200 trades, of which number 50 is doubled, 60 absurd in price, 70 in size, 80 late by the venue's clock and 90
    delivered last.
    """
    lake = Lake(tmp_path_factory.mktemp("home") / "lake")
    rows = [trade(n) for n in range(200)]
    rows[60] = msgspec.structs.replace(rows[60], price=60_000.0, ticks=600_000)
    rows[70] = msgspec.structs.replace(rows[70], size=1e6, lots=10**9)
    rows[80] = msgspec.structs.replace(rows[80], ts_event=rows[80].ts_event - 15_000)
    order = [1000 if n == 90 else n for n in range(200)]
    lake.append("trades", frame(TRADES, rows, {"log_seq": order}))
    lake.append("trades", frame(TRADES, [rows[50]], {"log_seq": [50]}))
    lake.append(
        "candles", [bar(n, venue, 100.0 + (n == 7 and venue == "okx")) for n in range(10) for venue in ("okx", "bybit")]
    )
    half = Coverage(
        dataset="trades", venue="okx", instrument="BTC-USDT", start=TODAY + 12 * HOUR, end=TODAY + DAY + 6 * HOUR,
        origin="rest", ts_recv=1,
    )  # fmt: skip
    far = msgspec.structs.replace(half, start=TODAY + 3 * DAY, end=TODAY + 4 * DAY, origin="stream")
    lake.append("coverage", [half, far])
    gap = SequenceGap(
        venue="okx", instrument="<b>&", ts_event=1, ts_recv=1, stream="trades", from_id=1, to_id=9, from_ts=1, to_ts=2,
        cause="ids", state="unrecoverable", opened_at=1,
    )  # fmt: skip
    lake.append("gaps", [gap])
    return lake


@pytest.fixture(scope="module")
def found(lake: Lake) -> Quality:
    return quality(lake)


def column(found: Quality, sheet: str, *names: str) -> list[tuple[object, ...]]:
    columns = found.sheets[sheet].columns
    return [tuple(row[columns.index(name)] for name in names) for row in found.sheets[sheet].rows]


def test_the_facts_are_the_lakes_numbers(found: Quality) -> None:
    facts = {fact.name: (fact.value, fact.good) for fact in found.facts}
    assert facts.pop("bytes")[0] > 1000
    assert facts == {
        "rows": (201 + 20 + 2 + 1, None), "files": (6, None), "duplicate keys": (1, False),
        "audits with bad rows": (1, False), "trades out of order": (2, False), "price outliers": (1, None),
        "size outliers": (1, None), "mismatches": (0, True), "gaps open": (0, True), "gaps unrecoverable": (1, False),
        "seams not proven": (0, True),
    }  # fmt: skip


def test_coverage_is_a_share_of_each_day_and_a_day_without_any_is_zero(found: Quality) -> None:
    assert [share for (share,) in column(found, "coverage", "share")] == [0.5, 0.25, 0.0, 1.0]


def test_order_and_outliers_name_the_worst(found: Quality) -> None:
    assert column(found, "order", "kind", "trades", "worst") == [("delivery", 1, 109), ("event", 1, 5_000)]
    assert column(found, "outliers", "kind", "price", "size") == [
        ("price", 60_000.0, trade(60).size),
        ("size", trade(70).price, 1e6),
    ]


def test_disagreement_is_half_of_the_difference_of_two(found: Quality) -> None:
    (bybit, okx) = column(found, "disagreement", "venue", "bars", "worst_bps")
    assert bybit == ("bybit", 10, pytest.approx(1e4 * 0.5 / 100.5))
    assert okx == ("okx", 10, pytest.approx(1e4 * 0.5 / 100.5))


def test_files_are_counted_by_table_and_day(found: Quality) -> None:
    assert column(found, "files", "table", "files", "rows")[:2] == [("trades", 2, 201), ("candles", 2, 20)]


class Tags(HTMLParser):
    """What is open and what is said; raises for a tag that closes another."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_the_page_is_whole_and_needs_nothing_else(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P9_HOME", str(Path(lake.root).parent))
    out = tmp_path / "quality.html"
    told = CliRunner().invoke(report, ["--out", str(out)])
    assert told.exit_code == 0, told.output
    assert re.search(r"duplicate keys +1 +look", told.output)
    assert re.search(r"trades +okx +201", told.output)
    text = out.read_text()
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert [link for link in tags.links if not link.startswith("#")] == []
    assert "<b>&" in tags.said, "a name from the lake is text, never markup"
    for number in ("201", "60,000.0", "109", "5,000"):
        assert number in tags.said
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) == 4
    titles = [title.text for svg in drawn for title in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]
    assert any(title and title.startswith("trades okx, 20") and title.endswith("50.00%") for title in titles)


def test_an_empty_lake_has_a_page_too(tmp_path: Path) -> None:
    Lake(tmp_path / "lake")
    told = CliRunner().invoke(report, ["--lake", str(tmp_path / "lake"), "--out", str(tmp_path / "q.html")])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "q.html").read_text().count("No rows.") == 9


def test_a_long_sheet_is_cut_and_says_so() -> None:
    rows: list[tuple[object, ...]] = [(f"audit {n}", n, None) for n in range(305)]
    sheet = Sheet("audits", "many", ("audit", "bad_rows", "first"), rows, left_out=10)
    text = page(Quality("lake", [], {"audits": sheet}), "now")
    assert "15 more rows are not shown." in text
    assert ("audit 299<" in text, "audit 300<" in text) == (True, False)


def test_charts_of_nothing_are_charts() -> None:
    for drawn in (heat([], [], {}), bars([]), bars([("none", 0.0, "0")])):
        ET.fromstring(drawn)
    assert (colour(-1), colour(2)) == (colour(0), colour(1))

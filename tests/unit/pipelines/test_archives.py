"""The archives flow against emulated venues: what it lands is what REST tells, once, however often it is run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace

from pipelines.desk import open_lake
from pipelines.flows.archives import NOT_YET, load_archives, reconcile_venue
from pipelines.flows.candles import load_candles
from pipelines.flows.funding import load_funding
from pipelines.flows.open_interest import load_open_interest
from pipelines.flows.price_candles import load_price_candles
from pipelines.flows.reference import load_reference
from pipelines.flows.repair import mend_venue
from pipelines.flows.trades import load_trades
from pipelines.scope import Scope
from realtime.emulator.emulator import Options
from realtime.emulator.market import Cold
from tests.kit.archives import packed
from tests.kit.installation import Bench, bench
from warehouse.clock import DAY, HOUR, SystemClock
from warehouse.frames import frame
from warehouse.records import SequenceGap, Trade
from warehouse.store import Lake
from warehouse.tables import GAPS, TRADES, Coverage, table
from warehouse.venues import VENUES
from warehouse.venues.archives import month_of

TRADE = ["instrument", "ts_event", "trade_seq", "price", "size", "taker_side", "ticks", "lots", "kind", "rpi"]
SLOW = [pytest.param(venue, marks=pytest.mark.slow) for venue in ("binance", "okx")]
NOW = SystemClock().now()
TODAY = NOW - NOW % DAY


@pytest.fixture
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A market that remembers the day before yesterday and, in OKX's time, a day that is out."""
    options = Options(seed=5, venues=(request.param,), rate=0.1, lookback_us=(NOW - TODAY) // HOUR * HOUR + 3 * DAY)
    async with bench(tmp_path, options, instruments=["BTC-USDT", "BTC-USDT-PERP"], timeframes=["1h"]) as made:
        yield made


def day(venue: str) -> tuple[int, int]:
    """A day that the venue's archive holds, as the venue cuts days."""
    start = TODAY - 2 * DAY - (8 * HOUR if venue == "okx" else 0)
    return start, start + DAY


def traded(here: Bench, name: str, start: int, end: int) -> list[Trade]:
    """What the emulated market traded."""
    view = here.emulator.source.view(here.emulator.source.venues[0])
    while True:
        try:
            return view.trades_by_time(name, start, end, 1 << 30, False)
        except Cold as cold:
            cold.market.prepare()


def trades(lake: Lake, *, named: bool = True) -> pl.DataFrame:
    columns = [*TRADE, "trade_id", "first_fill", "last_fill"] if named else TRADE
    return lake.read("trades").sort("instrument", "ts_event", "trade_seq", maintain_order=True).select(columns)


@pytest.mark.parametrize("here", ["bybit", *SLOW], indirect=True)
async def test_a_days_file_lands_what_the_market_traded_and_a_second_run_nothing(here: Bench) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)
    asked = Scope(since=start, until=end)
    report = await load_archives.fn(here.settings, venue, asked)
    assert (report.error, report.done) == (None, report.parts)
    lake = open_lake(here.settings)
    found = trades(lake)
    for name in ("BTC-USDT", "BTC-USDT-PERP"):
        told = [(one.ts_event, one.price, one.ticks, one.lots, one.taker_side, one.size)
                for one in traded(here, name, start, end)]  # fmt: skip
        rows = found.filter(pl.col("instrument") == name)
        values = rows.select(pl.col("ts_event").cast(pl.Int64), "price", "ticks", "lots", "taker_side", "size").rows()
        assert len(told) > 500
        assert values == told
    versions = {name: lake.version(name) for name in ("trades", "coverage", "outcomes")}
    again = await load_archives.fn(here.settings, venue, asked)
    assert (again.landed, [n for n in again.notes if n != NOT_YET]) == (0, [])
    fresh = open_lake(here.settings)
    assert {name: fresh.version(name) for name in versions} == versions


@pytest.mark.slow
@pytest.mark.parametrize("here", ["binance", "okx"], indirect=True)
async def test_the_archives_rows_are_those_of_rest(here: Bench, tmp_path: Path) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)
    near = ("BTC-USDT",) if venue == "binance" else ()  # its REST tells of futures' last 48 hours only
    hours = Scope(symbols=near, since=end - 6 * HOUR, until=end - 2 * HOUR)
    other = here.settings.model_copy(update={"home": tmp_path / "other"})
    whole = Scope(symbols=near, since=start, until=end)
    for load, settings, scope in (
        (load_reference, other, hours), (load_trades, other, hours), (load_archives, here.settings, whole),
    ):  # fmt: skip
        assert (await load.fn(settings, venue, scope)).error is None
    by_rest, by_file = trades(open_lake(other)), trades(open_lake(here.settings))
    window = pl.col("ts_event").cast(pl.Int64).is_between(hours.since, hours.until, closed="left")
    assert by_rest.height > 100
    assert by_file.filter(window).equals(by_rest)
    before = open_lake(other).read("trades")
    assert (await load_archives.fn(other, venue, whole)).error is None
    lake = open_lake(other)
    assert lake.read("trades").filter(window).equals(before)  # what REST had told stays as it was first known
    assert trades(lake).equals(by_file)
    assert lake.read("corrections").height == 0


def lost(venue: str, instrument: str, start: int, end: int) -> SequenceGap:
    """What a live side writes of trades that nobody serves any more."""
    return SequenceGap(
        venue=venue, instrument=instrument, ts_event=end, ts_recv=end, stream="trades", from_id=None, to_id=None,
        from_ts=start, to_ts=end - 1, cause="disconnected", state="unrecoverable", opened_at=start, attempts=1,
    )  # fmt: skip


def newest(lake: Lake) -> SequenceGap:
    return max((row for row in lake.rows("gaps") if isinstance(row, SequenceGap)), key=lambda row: row.ts_recv)


@pytest.mark.parametrize("here", ["bybit"], indirect=True)
async def test_a_hole_that_rest_serves_no_more_is_filled_from_the_archive(here: Bench) -> None:
    (start, _), name = day("bybit"), "BTC-USDT"
    lake = open_lake(here.settings)
    hole = lost("bybit", name, start + 6 * HOUR, start + 9 * HOUR)
    lake.append("gaps", frame(GAPS, [hole], {"log_seq": [1]}))
    found = await mend_venue.fn(here.settings, "bybit", Scope())
    told = traded(here, name, hole.from_ts, hole.to_ts + 1)
    rows = open_lake(here.settings).read("trades")
    assert rows["origin"].unique().to_list() == ["archive"]
    values = rows.select(pl.col("ts_event").cast(pl.Int64), "ticks", "lots", "taker_side").rows()
    assert values == [(one.ts_event, one.ticks, one.lots, one.taker_side) for one in told]
    assert found.report.landed == len(told) > 50
    assert (newest(lake).state, newest(lake).attempts) == ("repaired", 2)
    attempts = lake.read("outcomes", match={"dataset": "trades"})
    assert attempts.height == 2
    assert "older ones are in its archive" in attempts["note"][0]
    assert (await mend_venue.fn(here.settings, "bybit", Scope())).report.parts == 0


@pytest.mark.slow
@pytest.mark.parametrize("here", ["bybit"], indirect=True)
async def test_a_hole_whose_file_is_still_to_come_stays_open(here: Bench) -> None:
    lake = open_lake(here.settings)
    lake.append("gaps", frame(GAPS, [lost("bybit", "BTC-USDT", TODAY + 1, TODAY + 2)], {"log_seq": [1]}))
    await mend_venue.fn(here.settings, "bybit", Scope())
    assert newest(lake).state == "open"
    assert "is not out yet" in str(newest(lake).reason)


def recorded(lake: Lake, rows: list[Trade], start: int, end: int) -> None:
    """What the recorder leaves of these trades, and that it was there from `start` to `end`."""
    lake.append("trades", frame(TRADES, rows, {"log_seq": list(range(len(rows)))}))
    one = rows[0]
    word = Coverage(
        dataset="trades", venue=one.venue, instrument=one.instrument, start=start, end=end, origin="stream",
        source="journal", live_from=start, first_seq=one.trade_seq, ts_recv=end,
    )  # fmt: skip
    lake.append("coverage", [word])


@pytest.mark.slow
@pytest.mark.parametrize("here", VENUES, indirect=True)
async def test_recorded_trades_are_held_against_the_file_of_their_day(here: Bench) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)[0] + 4 * HOUR, day(venue)[0] + 20 * HOUR
    lake = open_lake(here.settings)
    await load_reference.fn(here.settings, venue, Scope())
    told = {name: traded(here, name, start, end) for name in here.settings.instruments}
    for name, rows in told.items():
        wrong = replace(rows[5], lots=rows[5].lots + 1, size=rows[5].size * 2)
        alone = replace(
            rows[9], trade_id="alone", trade_seq=None, ts_event=rows[9].ts_event + 1000, lots=rows[9].lots + 7
        )
        tape = [*rows[:5], wrong, *rows[6:10], alone, *rows[10:50], *rows[60:]]  # ten were never received
        recorded(lake, tape, start, end)
        lake.append("gaps", frame(GAPS, [lost(venue, name, rows[50].ts_event, rows[60].ts_event)], {"log_seq": [1]}))
    before = lake.read("trades")
    report = await reconcile_venue.fn(here.settings, venue, Scope())
    assert report.error is None
    fresh = open_lake(here.settings)
    after = fresh.read("trades")
    assert after.filter(pl.col("log_seq").is_not_null()).equals(before)  # no recorded row was touched
    landed, differences = after.filter(pl.col("log_seq").is_null()), fresh.read("mismatches")
    assert report.landed == landed.height
    for name, rows in told.items():
        nameless = venue == "bybit" and name == "BTC-USDT"  # there a row with another size is another row
        inside = pl.col("ts_event").cast(pl.Int64).is_between(start, end, closed="left")  # beside it, history landed
        came = landed.filter(pl.col("instrument") == name, inside).select("ticks", "lots").rows()
        missed = [*([rows[5]] if nameless else []), *rows[50:60]]
        assert sorted(came) == sorted((one.ticks, one.lots) for one in missed)
        found = differences.filter(pl.col("instrument") == name).select("field", "left_value", "right_value").rows()
        apart = [f"size of {rows[5].trade_id}"] if not nameless else [f"trade {rows[5].trade_id}"]
        assert [row[0] for row in found] == [*apart, "trade alone"]
        assert found[0][1:] == ((rows[5].size * 2, rows[5].size) if not nameless else (rows[5].price, None))
        assert found[1][1:] == (rows[9].price, None)
    gaps = [row for row in fresh.rows("gaps") if isinstance(row, SequenceGap)]
    assert sorted(gap.state for gap in gaps) == ["repaired"] * 2 + ["unrecoverable"] * 2
    again = await reconcile_venue.fn(here.settings, venue, Scope())
    assert (again.landed, again.rows) == (0, 0)  # each file is read once


UNLIKE = ("ts_recv", "origin", "log_seq", "late", "mark_price", "ts_event")
"""What differs from source to source; a bar's `ts_event` is not the same over REST either."""

SERIES = {
    "binance": ("candles", "price_candles", "funding", "open_interest"),
    "okx": ("candles", "funding"),
}
LOADS = {
    "candles": load_candles, "price_candles": load_price_candles, "funding": load_funding,
    "open_interest": load_open_interest,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("here", list(SERIES), indirect=True)
async def test_series_come_out_of_files_as_rest_tells_them(here: Bench, tmp_path: Path) -> None:
    (venue,) = here.emulator.source.venues
    start, end = day(venue)
    other = here.settings.model_copy(update={"home": tmp_path / "other"})
    await load_reference.fn(other, venue, Scope())
    for kind in SERIES[venue]:
        asked = Scope(since=start, until=end, timeframes=("1h",) if kind == "price_candles" else ("1m",))
        if kind == "funding":  # a file holds a month, in the time of the venue, and comes in the next one
            last = month_of(_date(TODAY - 31 * DAY))
            asked = Scope(since=last[0], until=last[1] - DAY)
        assert (await LOADS[kind].fn(other, venue, asked)).error is None
        report = await load_archives.fn(here.settings, venue, asked.model_copy(update={"archives": (kind,)}))
        assert report.error is None
        low, high = asked.since, asked.until
        by_file, by_rest = (open_lake(one).read(kind, start=low, end=high) for one in (here.settings, other))
        key = [name for name in table(kind).key if name in by_rest.columns]
        values = [*key, *(name for name in by_rest.columns if name not in (*key, *UNLIKE))]
        one, two = (rows.sort(key).select(values) for rows in (by_file, by_rest))
        if kind == "funding":  # the first of a file knows no settlement before it, where the file does not say
            one, two = one.drop("interval_us"), two.drop("interval_us")
        assert two.height > (80 if kind == "funding" else 40)
        assert one.equals(two)
        before = open_lake(other).version(kind)
        assert (await load_archives.fn(other, venue, asked.model_copy(update={"archives": (kind,)}))).error is None
        assert open_lake(other).read("corrections").height == 0
        if venue == "binance" and kind != "funding":
            assert open_lake(other).version(kind) == before  # equal values change nothing


def _date(at: int) -> date:
    return datetime.fromtimestamp(at / 1e6, tz=UTC).date()


@pytest.mark.slow
@pytest.mark.parametrize("here", ["bybit"], indirect=True)
async def test_files_of_this_machine_land_by_the_command_and_a_bad_one_is_named(here: Bench, tmp_path: Path) -> None:
    (start, end), folder = day("bybit"), tmp_path / "files"
    rows = traded(here, "BTC-USDT", start, end)
    when = _date(start).isoformat()
    text = "id,timestamp,price,volume,side,rpi\n" + "".join(
        f"{n},{row.ts_event // 1000},{row.price!r},{row.size:.6f},{row.taker_side},0\n" for n, row in enumerate(rows, 1)
    )
    packed(folder, f"BTCUSDT_{when}.csv.gz", text)
    await here.run("backfill", "archives", "--file", str(folder))
    lake = open_lake(here.settings)
    assert lake.read("trades").height == len(rows)
    packed(folder, f"BTCUSDT_{_date(start + DAY).isoformat()}.csv.gz", "a,b\n1,2\n")
    process = await here.p9("backfill", "archives", "--file", str(folder))
    assert await process.wait() == 1
    packed(folder, "notes.csv", "")
    assert await (await here.p9("backfill", "archives", "--file", str(folder))).wait() == 2
    words = (here.settings.home / "backfill.log").read_text()
    assert "its header 'a,b' is unknown for trades" in words
    assert "its name is none" in words
    assert open_lake(here.settings).read("trades").height == len(rows)

"""How fast history is: a year fetched, trades made into candles, questions answered, structure judged."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

import msgspec
import polars as pl

from configs.load import load
from configs.settings import Settings
from realtime.bus import claim, start_embedded
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros, SystemClock, monotonic
from warehouse.instruments import TIMEFRAMES, timeframe_us

YEAR: Micros = 365 * DAY
TRADES = 10_000_000
ROUNDS = 5


class Figure(msgspec.Struct, frozen=True):
    """One figure and its goal, both in `unit`; what was measured, in words."""

    name: str
    value: float
    goal: float
    unit: str
    how: str


def run(say: Callable[[str], None], year: bool = True) -> list[Figure]:
    """Measure all of it in a folder that is gone afterwards; the year takes some minutes, the rest one."""
    found: list[Figure] = []
    with TemporaryDirectory(prefix="p9-bench-") as folder:
        home = Path(folder)
        say("ten million trades")
        found.append(_ten_million(home))
        say("candles of thirty instruments in eleven timeframes")
        settings = load(None, home=str(home), realm="emulated")
        _thirty(settings)
        found += [_last_thousand(settings), _structures(settings)]
        for venue in settings.enabled() if year else ():
            say(f"a year of {venue}")
            found.append(_year(home / venue, venue))
    return found


def _ten_million(home: Path) -> Figure:
    """One day of one instrument, from the lake's files to the bars of every timeframe."""
    from pipelines import rollup
    from warehouse.frames import integers
    from warehouse.store import Lake

    start = SystemClock().now() // DAY * DAY - 2 * DAY
    number = pl.int_range(TRADES, eager=True).alias("n").to_frame()
    n = pl.col("n")
    lake = Lake(home / "trades", realm="emulated")
    lake.append(
        "trades",
        number.select(
            pl.lit("binance").alias("venue"),
            pl.lit("BTC-USDT").alias("instrument"),
            (start + n * DAY // TRADES).alias("ts_event"),
            (start + n * DAY // TRADES).alias("ts_recv"),
            n.cast(pl.String).alias("trade_id"),
            n.alias("trade_seq"),
            (90_000 + n * 7919 % 1000 / 10).alias("price"),
            (n * 104_729 % 997 / 1000 + 0.001).alias("size"),
            pl.when(n % 3 == 0).then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("taker_side"),
            (900_000 + n * 7919 % 1000).alias("ticks"),
            (n * 104_729 % 997 + 1).alias("lots"),
            pl.lit("market").alias("kind"),
            pl.lit(False).alias("rpi"),
            pl.lit("archive").alias("origin"),
        ),
    )

    def all_bars() -> int:
        rows = lake.scan("trades").filter(pl.col("instrument") == "BTC-USDT", pl.col("kind") == "market")
        bars = rollup.minutes(integers(rows.select(rollup.NEEDED).collect())).with_columns(
            instrument=pl.lit("BTC-USDT")
        )
        return bars.height + sum(rollup.longer(bars, name).height for name in TIMEFRAMES if name != "1m")

    return Figure("10 M trades to candles, 1m to 1d", _seconds(all_bars), 2.0, "s", "from the lake's files")


def _thirty(settings: Settings) -> None:
    """A thousand candles of each series, with prices that wander as prices do."""
    from realtime.emulator.listings import rules
    from warehouse.store import Lake

    lake, now = Lake(settings.lake_root, realm="emulated"), SystemClock().now()
    for venue in settings.enabled():
        rows = []
        for at, listing in enumerate(settings.listings(venue)):
            rule = rules(listing)
            lake.upsert("instruments", [rule], now=now)
            for name in TIMEFRAMES:
                step = timeframe_us(name)
                close = [
                    50_000 + round(4000 * math.sin(k / 37 + at) + 900 * math.sin(k * 1.7 + at)) for k in range(1001)
                ]
                grid = rule.grid
                rows += [
                    {
                        "venue": venue, "instrument": listing.instrument, "ts_recv": now, "timeframe": name,
                        "ts_event": now - now % step - (1000 - k) * step,
                        "open_time": now - now % step - (1000 - k) * step,
                        "open": grid.price(close[k]), "close": grid.price(close[k + 1]),
                        "high": grid.price(max(close[k : k + 2]) + 40 + k * 7 % 90),
                        "low": grid.price(min(close[k : k + 2]) - 40 - k * 11 % 90),
                        "volume": grid.size(1000 + k * 7919 % 5000), "quote_volume": 1e6, "trade_count": 100,
                        "taker_buy_volume": grid.size(500), "closed": True, "origin": "rest",
                    }
                    for k in range(1000)
                ]  # fmt: skip
        lake.append("candles", pl.DataFrame(rows))
    lake.upkeep("candles")


def _last_thousand(settings: Settings) -> Figure:
    """What `p9 sql` does with its query, connected already."""
    from p9.commands.sql import write
    from warehouse.reading import connect

    query = (
        "SELECT * FROM candles WHERE venue = 'okx' AND instrument = 'BTC-USDT' AND timeframe = '1m' "
        "ORDER BY open_time DESC LIMIT 1000"
    )
    with connect(settings.lake_root) as connection, TemporaryFile("w+") as sink, redirect_stdout(sink):
        times = [_seconds(lambda: write(connection.sql(query), "csv", None, connection), 1) for _ in range(21)]
        sink.seek(0)
        rows = sum(1 for _ in sink)
    if rows != 21 * 1001:
        raise ValueError(f"{rows} lines for 21 answers of 1000 rows and a headline")
    return Figure("the last 1000 candles", median(times) * 1000, 15.0, "ms", "p9 sql's path to csv; median of 21")


def _structures(settings: Settings) -> Figure:
    from pipelines.flows.structure import judge_structure
    from pipelines.scope import Scope

    def judge() -> int:
        return sum(judge_structure.fn(settings, venue, Scope()).done for venue in settings.enabled())

    return Figure("330 structures", _seconds(judge, 3), 2.0, "s", "30 instruments x 11 timeframes, lake to lake")


def _year(home: Path, venue: str) -> Figure:
    """Fetch and land a year of minutes of one perpetual; the budget is in a bus, as in any installation."""
    from pipelines.flows.candles import load_candles
    from pipelines.flows.reference import load_reference
    from pipelines.scope import Scope

    home.mkdir()
    end = SystemClock().now() // HOUR * HOUR
    scope = Scope(venues=(venue,), timeframes=("1m",), since=end - YEAR, until=end)
    with _emulated(venue) as emulated:
        venues = {name: {"enabled": name == venue, "endpoints": emulated.endpoints} for name in (venue,)}
        settings = load(None, home=str(home), realm="emulated", venues=venues, instruments=["BTC-USDT-PERP"])
        server = start_embedded(settings.bus_socket)
        claim(settings.bus_url, "emulated")
        try:
            asyncio.run(load_reference.fn(settings, venue, scope))
            before, start = emulated.answered(), monotonic()
            report = asyncio.run(load_candles.fn(settings, venue, scope))
            seconds, after = monotonic() - start, emulated.answered()
        finally:
            if server is not None:
                server.terminate()
                server.wait(5)
    if report.landed != YEAR // MINUTE or report.error:
        raise RuntimeError(f"a year of {venue} has {YEAR // MINUTE} minutes, {report.landed} landed: {report.error}")
    asked = after.get(200, 0) - before.get(200, 0)
    refused = sum(count for status, count in after.items() if status in (403, 418, 429))
    allowed = asked * _seconds_each(settings, venue, end)
    how = f"{seconds:.0f} s, {asked} requests, {refused} refused; the venue's limit alone takes {allowed:.0f} s"
    return Figure(f"a year of {venue}", seconds / allowed, 1.2, "x the limit", how)


def _seconds_each(settings: Settings, venue: str, end: Micros) -> float:
    """How many seconds of a venue's budget one of the year's pages takes."""
    from pipelines.desk import open_lake
    from pipelines.plan import Part
    from pipelines.walks import walk
    from warehouse.budgets.limits import CHARGES
    from warehouse.instruments import Rules

    rules = {row.instrument: row for row in open_lake(settings).rows("instruments") if isinstance(row, Rules)}
    part = Part("candles", venue, "BTC-USDT-PERP", "1m", end - YEAR, end - YEAR // 2)
    limit, cost = CHARGES[venue](next(walk(part, rules, end)))
    return cost * limit.per_us / limit.amount / SECOND


class _Emulated:
    """A venue in a process of its own."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.endpoints: dict[str, str] = pipe.recv()

    def answered(self) -> dict[int, int]:
        """What it replied so far, by HTTP status."""
        self._pipe.send("answered")
        told: dict[int, int] = self._pipe.recv()
        return told


@contextmanager
def _emulated(venue: str) -> Iterator[_Emulated]:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_emulate, args=(venue, there))
    process.start()
    try:
        yield _Emulated(here)
    finally:
        process.terminate()
        process.join()


def _emulate(venue: str, pipe: Connection) -> None:
    """In the other process: emulate until ended, and answer questions."""
    from realtime.emulator.emulator import Emulator, Options

    async def serve() -> None:
        async with Emulator(Options(venues=(venue,), lookback_us=MINUTE, rate=0.1)) as emulator:
            pipe.send(emulator.endpoints[venue])
            while await asyncio.to_thread(pipe.recv):
                pipe.send(dict(emulator.servers[venue].answered))

    asyncio.run(serve())


def _seconds(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The shortest of some rounds."""
    times = []
    for _ in range(rounds):
        start = monotonic()
        what()
        times.append(monotonic() - start)
    return min(times)

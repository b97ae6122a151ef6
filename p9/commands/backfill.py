"""`p9 backfill`: bring history up to date, with a bar per dataset and venue, and a table of what came of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from p9 import options
from warehouse.venues.archives import ARCHIVE_KINDS, ArchiveKind

if TYPE_CHECKING:
    from pipelines.progress import Report, Step
    from pipelines.scope import Scope

DATASETS = (
    "reference", "candles", "trades", "funding", "price_candles", "open_interest", "books", "insurance", "calendar",
)  # fmt: skip
CHOICES = [*DATASETS, "all", "archives", "structure"]
_SPANS = {"m": 60, "h": 3600, "d": 86_400}


def moment(text: str, now: int) -> int:
    """A point in time in microseconds: `2026-11-20`, `2026-11-20T06:30`, or an age such as `90m`, `6h`, `30d`.

    Raises click.BadParameter for anything else.
    """
    if age := re.fullmatch(r"(\d+)([mhd])", text):
        return now - int(age[1]) * _SPANS[age[2]] * 1_000_000
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write 2026-11-20, 2026-11-20T06:30 or an age: 90m, 6h, 30d")  # noqa: B904
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Choice(CHOICES), metavar="DATASET...")
@click.option("--venue", "venues", multiple=True, help="Only this venue; may be repeated.")
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="Only this instrument (BTC-USDT-PERP) or base coin (BTC); may be repeated.",
)
@click.option(
    "--timeframe",
    "--timeframes",
    "timeframes",
    multiple=True,
    callback=options.listed,
    help="Only this timeframe of candles; may be repeated, or name several with commas.",
)
@click.option("--since", help="Start: a UTC date or time, or an age (30d). Default: what the settings keep.")
@click.option("--until", help="End, exclusive. Default: now.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(ARCHIVE_KINDS),
    help="With archives: only this kind; may be repeated. Default: trades, funding, open_interest.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(),
    help="With archives: this file, or all files of this folder, instead of the venues' own; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Reports as JSON lines instead of a table.")
@options.config
def backfill(
    datasets: tuple[str, ...],
    venues: tuple[str, ...],
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    since: str | None,
    until: str | None,
    kinds: tuple[ArchiveKind, ...],
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fetch what the lake is missing. Safe to repeat: what has landed is not asked for again.

    \b
    DATASET is one or more of
      reference                       the trading rules
      candles, price_candles          of trades; of mark and index price
      trades, funding, open_interest
      books, insurance, calendar      as they are now, whatever the range
      all                             all of these
      structure                       at the end what p9 structure does
      archives                        bulk files of the venues (default: of the
                                      last seven days), or those of --file

    \b
    p9 backfill all structure
    p9 backfill candles --since 30d --until 2d --timeframe 1h,1m --symbol BTC
    p9 backfill archives --since 30d --kind trades

    Exit code 0: every part was answered; 1: some part failed; 2: a wrong choice; 3: no venue could be reached.
    """
    from configs.load import load
    from pipelines.running import run
    from warehouse.errors import ConfigError

    if (kinds or files) and "archives" not in datasets:
        raise click.UsageError("--kind and --file are about archives: p9 backfill archives ...")
    scope = asked(venues, symbols, since, until, timeframes).model_copy(update={"archives": kinds, "files": files})
    chosen = list(DATASETS) if "all" in datasets else [name for name in DATASETS if name in datasets]
    chosen += [name for name in ("archives", "structure") if name in datasets]
    with bars(as_json) as heard:
        try:
            reports = run(chosen, load(), scope, heard)
        except ConfigError as error:
            raise click.UsageError(str(error)) from None
    show(reports, as_json)
    sys.exit(outcome(reports))


def asked(
    venues: tuple[str, ...],
    symbols: tuple[str, ...],
    since: str | None,
    until: str | None,
    timeframes: tuple[str, ...] = (),
) -> Scope:
    """What the options of a command ask for. Raises click.BadParameter for a time that is none or still to come."""
    from pipelines.scope import Scope
    from warehouse.clock import SystemClock

    now = SystemClock().now()
    scope = Scope(
        venues=venues,
        symbols=symbols,
        timeframes=timeframes,
        since=moment(since, now) if since else None,
        until=moment(until, now) if until else None,
    )
    if scope.since is not None and scope.since >= now:
        raise click.BadParameter(f"{since!r} is still to come", param_hint="--since")
    return scope


def outcome(reports: list[Report]) -> int:
    """The exit code that tells what the reports say."""
    if reports and not any(report.reachable for report in reports):
        return 3
    return 1 if any(report.error for report in reports) else 0


def show(reports: list[Report], as_json: bool) -> None:
    """The reports as a table on a terminal, or as JSON lines."""
    import msgspec
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if as_json:
        for report in reports:
            click.echo(msgspec.json.encode(report))
        return
    console = Console(soft_wrap=not sys.stdout.isatty())
    table = Table("dataset", "venue", "parts", "rows", "landed", "seconds", box=None, pad_edge=False)
    for report in reports:
        table.add_row(
            report.dataset, report.venue, f"{report.done}/{report.parts}", f"{report.rows:,}", f"{report.landed:,}",
            f"{report.seconds:.1f}", style="red" if report.error else None,
        )  # fmt: skip
    console.print(table)
    for report in reports:
        for note, count in report.notes.items():
            console.print(f"{report.dataset} {report.venue}: {note}" + (f" ({count} parts)" if count > 1 else ""))
        if report.error:
            why = escape(report.error.removeprefix(f"{report.venue}: "))
            console.print(f"[red]{report.dataset} {report.venue}: {why}")


def bars(quiet: bool) -> AbstractContextManager[Callable[[Step], None] | None]:
    """Progress bars on a terminal; nothing where nobody would see them move."""
    if quiet or not sys.stderr.isatty():
        return nullcontext(None)
    return _Bars()


class _Bars:
    """One bar per dataset and venue, made when the first step arrives. Called from the flows' threads."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]:>10,} rows"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[tuple[str, str], object] = {}

    def __enter__(self) -> Callable[[Step], None]:
        self._progress.start()
        return self._hear

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def _hear(self, step: Step) -> None:
        key = (step.dataset, step.venue)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(f"{step.dataset} {step.venue}", total=step.total, rows=0)
        self._progress.update(
            self._tasks[key],  # type: ignore[arg-type]  # rich's TaskID
            completed=step.done, total=max(step.total, 1), rows=step.rows,
        )  # fmt: skip

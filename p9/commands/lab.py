"""`p9 lab`: let everything go wrong once, in virtual time, and compare what is published with what happened."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from warehouse.venues import VENUES


@click.group()
def lab() -> None:
    """The fault lab: emulated venues, our sessions and our engine in virtual time, no socket, one fault at a time."""


@lab.command()
@click.option(
    "--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True, help="Of the market; may be repeated."
)
@click.option("--venue", "venues", multiple=True, type=click.Choice(VENUES), help="Only this venue; may be repeated.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of fault (p9 lab list); may be repeated.")
@click.option(
    "--minutes", type=click.FloatRange(0.05, 60), help="Of market time after each fault; default: as the kind needs."
)
@click.option(
    "--tape",
    type=click.Path(exists=True, path_type=Path),
    help="A journal: faults happen to its frames, its market and its venue instead.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table here: JSON by name, else Markdown."
)
def run(
    seeds: tuple[int, ...],
    venues: tuple[str, ...],
    kinds: tuple[str, ...],
    minutes: float | None,
    tape: Path | None,
    out: Path | None,
) -> None:
    """Each fault on each venue where it can happen. Ends with 1 when a promise is broken.

    The same seed gives the same table.
    """
    import logging

    import structlog

    from realtime.emulator.tape import Tape
    from realtime.lab import sheet, stage

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    among = venues or VENUES
    reels = None if tape is None else Tape.read([tape], among, ())
    chosen = [one for one in stage.planned(seeds, among, reels) if not kinds or one.scene.kind in kinds]
    if not chosen:
        raise click.UsageError("no such fault at these venues; `p9 lab list` names all")
    rows = []
    for one in chosen:
        row = stage.perform(one.scene, one.venue, one.instrument, one.seed, minutes, reels)
        rows.append(row)
        fault, venue, instrument, seed, detected, repaired, lost, doubled, wrong, alive, words = sheet.cells(row)
        mark = "FAIL" if row.broken else "limit" if row.limit else "ok"
        click.echo(
            f"{mark:5} {fault:29} {venue:7} {instrument:13} {seed:>3}  detected {detected:>7}  repaired {repaired:>7}"
            f"  lost {lost:>7}  doubled {doubled}  wrong {wrong:>5} ms  alive {alive:3}  {words}"
        )
    click.echo(sheet.summary(rows))
    if out is not None:
        out.write_bytes(sheet.json(rows) if out.suffix == ".json" else sheet.markdown(rows).encode())
    sys.exit(any(row.broken for row in rows))


@lab.command(name="list")
def list_() -> None:
    """Every kind of fault, and what it does."""
    from realtime.emulator.faults.kinds import KINDS
    from realtime.lab.scenes import SCENES

    for kind in dict.fromkeys(scene.kind for scene in SCENES):
        click.echo(f"{kind:24} {KINDS[kind].doc}")

"""`p9`: one small module per command, imported only when it is called."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module

import click

from warehouse.errors import FusionError
from warehouse.guard import guard

COMMANDS: dict[str, str] = {
    "demo": "the whole main job on this machine, with no network",
    "up": "the main job on the real venues",
    "backfill": "bring history into the lake",
    "repair": "find holes in the lake, close them or say why not",
    "audit": "compare every source with the others, and check the lake's promises",
    "upkeep": "compact the lake's files and drop what has expired",
    "structure": "recompute market structure and context documents",
    "flows": "serve or deploy the scheduled flows",
    "worker": "follow one venue live",
    "recorder": "write the journal into the lake, exactly once",
    "board": "publish the status, answer /healthz and /readyz",
    "emulate": "the venues' REST and WebSocket protocols on loopback",
    "replay": "run a journal through the live engine again",
    "decode": "frames in, records out",
    "journal": "convert, inspect and print journals",
    "sql": "ask the lake",
    "watch": "follow channels",
    "status": "is everything healthy, may I trust it now",
    "doctor": "is this machine set up",
    "verify": "prove the promises on stored data",
    "report": "how good the lake is: a table here, a page with charts",
    "export": "an instrument for nautilus_trader or hftbacktest",
    "bench": "measure, side by side",
    "lab": "let everything go wrong once, and compare",
}


class Lazy(click.Group):
    """A group whose commands are modules of `p9.commands`, imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"p9.commands.{name}"), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean '{close[0]}'?" if close else "'p9 --help' lists them."
            ctx.fail(f"no command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="p9-microstream")
def cli() -> None:
    """P9-MicroStream: history and the live market as one continuous, provable record.

    \b
    p9 demo                         everything, with no network
    p9 COMMAND --help               more about a command
    P9_CONFIG=my.yaml p9 COMMAND    your settings
    P9_HOME=folder p9 COMMAND       where lake, journal and bus are (default: p9-home)
    """


def main() -> None:
    """Entry point. What is wrong with settings, machine or data is one clear message and a non-zero exit."""
    guard()
    try:
        cli()
    except FusionError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise  # not about a file that somebody named: ours to explain
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)

"""`p9 up`: the main job on the real venues."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), help="End by itself after this long (120 is the quick test).")
@options.config
def up(seconds: float | None) -> None:
    """Bus, one worker per venue, recorder, board and scheduled flows, supervised until SIGINT or SIGTERM.

    A venue that cannot be reached is named with the reason, and the others go on.

    With --seconds, a summary at the end, and exit code 0 only if every promise held; 130: stopped before. Without, exit
    code 0 when asked to stop. 1: no venue can be reached.
    """
    import asyncio
    import sys

    from configs.load import load
    from p9.live import run
    from p9.logs import setup

    setup()
    sys.exit(asyncio.run(run(load(), seconds)))

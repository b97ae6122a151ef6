"""`p9 recorder`: write the journal into the lake, exactly once."""

from __future__ import annotations

import click

from p9 import options


@click.command()
@options.config
def recorder() -> None:
    """Write the journals of all venues into the lake, exactly once, and prove the seams.

    Ends on SIGINT or SIGTERM with a last commit. Exit code 1 when another recorder has the lake, the bus cannot be
    used at the start, or lake, journal and bus are of different realms.
    """
    import signal

    from configs.load import load
    from p9.logs import setup
    from realtime.bus import claim
    from realtime.recorder import Recorder, RecorderOptions
    from warehouse.clock import HOUR, SystemClock
    from warehouse.store import Lake

    setup()
    settings = load()
    claim(settings.bus_url, settings.realm)
    lake = Lake(settings.lake_root, settings.lake.storage_options, settings.realm)
    options = RecorderOptions(
        journals={venue: settings.journal_root / venue for venue in settings.enabled()},
        bus_url=settings.bus_url,
        commit_us=round(settings.recorder.commit_s * 1e6),
        commit_rows=settings.recorder.commit_rows,
        retention_us=settings.journal.retention_hours * HOUR,
        retention_bytes=round(settings.journal.retention_gib * (1 << 30)),
    )
    recording = Recorder(lake, options, SystemClock())
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: recording.stop.set())
    recording.run()

"""Locks on a table: of a file on one machine; where no file can be locked, a lease in the log of a small Delta table.

A transaction number in that log says until when the lease is held. Of two who take it at once Delta lets one commit,
since both write that number. Who holds it longer renews it; who dies with it holds it until it runs out. A machine that
sleeps inside for longer loses it unawares: what two holders do then, Delta's own check and `store` keep from harm.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import uniform
from threading import Event, Thread

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from warehouse.clock import SECOND, Clock, Micros, SystemClock
from warehouse.layout import ensure

LEASE: Micros = 60 * SECOND
"""How long a lease lasts that is neither renewed nor given back: longer than clocks differ."""

RENEW_S = 15.0
"""Seconds between renewals."""

_HELD = "until"
_NOTHING = pl.DataFrame(schema={"nothing": pl.Int64()}).to_arrow()
_pause = Event()


@contextmanager
def flocked(path: str) -> Iterator[None]:
    """Hold the file's lock while inside; it ends with the process."""
    with Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def leased(uri: str, storage_options: Mapping[str, str] | None, clock: Clock | None = None) -> Iterator[None]:
    """Hold the lease at `uri` while inside; waits until it is free. Machines' clocks are taken to agree in seconds."""
    clock = clock or SystemClock()
    options = dict(storage_options or {})
    while (until := _take(_open(uri, options), clock.now())) is None:
        _pause.wait(uniform(0.05, 0.15))
    over = Event()
    renewing = Thread(target=_renew, args=(uri, options, clock, until, over), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()


def _renew(uri: str, options: dict[str, str], clock: Clock, until: Micros, over: Event) -> None:
    """Keep a lease that holds until `until` from running out until it is `over`, then give it back.

    Ends early when the lease ran out all the same, and somebody else may have it.
    """
    ended = False
    while not ended:
        ended = over.wait(RENEW_S)
        now = clock.now()
        if now >= until:
            return
        try:
            _commit(_open(uri, options), 0 if ended else now + LEASE)
        except CommitFailedError:
            return
        except (DeltaError, OSError):
            continue  # the store cannot be reached; there is time to try again
        until = now + LEASE


def _open(uri: str, options: dict[str, str]) -> DeltaTable:
    try:
        return DeltaTable(uri, storage_options=options)
    except TableNotFoundError:
        kept = {"delta.logRetentionDuration": "interval 1 hours", "delta.checkpointInterval": "100"}
        return ensure(uri, _NOTHING.schema, options, kept)


def _take(held: DeltaTable, now: Micros) -> Micros | None:
    """Until when the lease is ours; None while it is somebody else's."""
    if (held.transaction_version(_HELD) or 0) > now:
        return None
    try:
        _commit(held, now + LEASE)
    except CommitFailedError:
        return None
    return now + LEASE


def _commit(held: DeltaTable, until: Micros) -> None:
    stamp = CommitProperties(app_transactions=[Transaction(_HELD, until)], max_commit_retries=0)
    write_deltalake(held, _NOTHING, mode="append", commit_properties=stamp)

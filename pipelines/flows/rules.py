"""Trading rules: from the venue into the lake and onto the bus, and from the lake to whoever decodes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipelines.desk import Desk
from pipelines.sources.base import follow
from warehouse import keys
from warehouse.errors import ConfigError
from warehouse.instruments import Rules
from warehouse.venues import history


def newest(desk: Desk) -> dict[str, Rules]:
    """What the lake knows: the newest rules of each instrument of the desk's venue."""
    rows = desk.lake.rows("instruments", match={"venue": desk.venue})
    return {row.instrument: row for row in rows if isinstance(row, Rules)}


async def known_rules(desk: Desk, instruments: Sequence[str]) -> dict[str, Rules]:
    """The rules of `instruments`, asked of the venue only when the lake lacks one of them."""
    known = newest(desk)
    if all(name in known for name in instruments):
        return known
    return await refresh(desk, instruments)


async def refresh(desk: Desk, instruments: Sequence[str]) -> dict[str, Rules]:
    """Ask the venue, land what changed, set the bus key. The first rules known hold from the beginning of time.

    Raises VenueError when the venue cannot be asked, ConfigError when it lists none of the instruments.
    """
    now = desk.clock.now()
    published = await follow(history(desk.venue).instruments(instruments, now), desk.source)
    if not published:
        raise ConfigError(f"{desk.venue} lists none of {', '.join(instruments)}")
    with desk.lake.exclusive("instruments"):  # another process may have heard of the same change
        known = newest(desk)
        changed = []
        for rules in published:
            before = known.get(rules.instrument)
            dated = msgspec.structs.replace(rules, valid_from=before.valid_from if before else 0)
            if dated != before:
                known[rules.instrument] = msgspec.structs.replace(rules, valid_from=now if before else 0)
                changed.append(known[rules.instrument])
        if changed:
            desk.lake.upsert("instruments", changed, now=now)
    if desk.bus is not None:
        ordered = [known[name] for name in sorted(known)]
        desk.bus.set(keys.rules(desk.venue), msgspec.msgpack.encode(ordered))
    return known

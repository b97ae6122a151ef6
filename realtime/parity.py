"""What was published against what its journal gives again: message for message, whole streams, counts.

Three fields are the sender's and are left out: `prev`, `ts_pub` and `source`. All other bytes must be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from realtime.captured import Captured, Key
from realtime.message import Message, record_name
from realtime.recording.segments import opening_of
from realtime.replay import turns
from realtime.tape import segments
from warehouse.clock import Micros

KEPT = 20
"""So many differences are kept whole; all are counted."""


class Difference(msgspec.Struct, frozen=True):
    """A message that is not what its journal gives.

    `published` is None where a stream lacks it, `replayed` where the journal does not give it.
    """

    channel: str
    epoch: int
    seq: int
    published: bytes | None
    replayed: bytes | None

    def fields(self) -> list[tuple[str, str, str]]:
        """Path, published value and replayed value of each field that differs.

        Where all values are equal, the first bytes that differ; nothing when there is only one side.
        """
        if self.published is None or self.replayed is None:
            return []
        one, other = (dict(_leaves(msgspec.json.decode(body))) for body in (self.published, self.replayed))
        names = [*one, *(name for name in other if name not in one)]
        found = [(name, one.get(name, "absent"), other.get(name, "absent")) for name in names]
        if differing := [row for row in found if row[1] != row[2]]:
            return differing
        pairs = enumerate(zip(self.published, self.replayed, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(self.published), len(self.replayed)))
        near = slice(max(0, at - 20), at + 40)
        return [
            (
                f"byte {at}",
                self.published[near].decode(errors="replace"),
                self.replayed[near].decode("utf-8", "replace"),
            )
        ]


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]")
    else:
        yield path, msgspec.json.encode(value).decode()


class Tally(msgspec.Struct):
    """Counts of one kind of channel. `older` messages come from before the replayed part: nothing is said of them."""

    seen: int = 0
    equal: int = 0
    different: int = 0
    missing: int = 0
    older: int = 0


class Produced(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker reports: messages by kind of channel, made from the entries in `[counted_from, next_seq)`."""

    venue: str
    journal_id: str
    run_id: str
    counted_from: int
    next_seq: int
    produced: dict[str, int]


class Span(msgspec.Struct):
    """Messages by kind of channel from a stretch of a journal: as its worker told, and as found again."""

    venue: str
    journal_id: str
    first: int
    end: int
    told: dict[str, int]
    found: dict[str, int] = {}

    @property
    def holds(self) -> bool:
        return {kind: count for kind, count in self.told.items() if count} == self.found


def span(before: Produced | None, after: Produced) -> Span:
    """What a worker produced between two reports; since its start when `before` is None or another process's."""
    if before is None or before.run_id != after.run_id:
        return Span(after.venue, after.journal_id, after.counted_from, after.next_seq, dict(after.produced))
    told = {kind: count - before.produced.get(kind, 0) for kind, count in after.produced.items()}
    return Span(after.venue, after.journal_id, before.next_seq, after.next_seq, told)


class _Side:
    """One capture under comparison."""

    def __init__(self, captured: Captured, whole: bool) -> None:
        self.captured = captured
        self.whole = whole
        self.tallies: dict[str, Tally] = {}
        self.matched: dict[str, dict[Key, None]] = {}

    def tally(self, channel: str) -> Tally:
        return self.tallies.setdefault(record_name(channel), Tally())


class Parity:
    """The comparison: `run` each journal, then `finish`.

    `heard` is what subscribers got. `streams` is what the bus keeps of lossless channels; between a stream's first and
    last entry nothing may be absent. `foreign` kinds of channels are not the workers' and have no journal.
    """

    def __init__(
        self,
        heard: Captured,
        streams: Captured | None = None,
        spans: Iterable[Span] = (),
        foreign: Iterable[str] = (),
    ) -> None:
        self.spans = list(spans)
        self.differences: list[Difference] = []
        self.entries = 0
        self.replayed = 0
        self._foreign = tuple(foreign)
        self._sides = [_Side(heard, False)]
        if streams is not None:
            self._sides.append(_Side(streams, True))
        self._first: dict[str, Key] = {}
        self._begin: dict[str, Micros] = {}

    @property
    def heard(self) -> dict[str, Tally]:
        """By kind of channel."""
        return self._sides[0].tallies

    @property
    def streams(self) -> dict[str, Tally]:
        """By kind of channel; empty when no streams were given."""
        return self._sides[1].tallies if len(self._sides) > 1 else {}

    def run(self, journal: Path, from_seq: int = 0) -> None:
        """Replay one journal from the segment that holds `from_seq`. Raises JournalError."""
        for turn in turns(journal, 1, from_seq):
            self._begin.setdefault(turn.header.venue, turn.at)
            self.entries += 1
            for message in turn.produced.messages:
                self.replayed += 1
                self._first.setdefault(message.channel, (message.epoch, message.seq))
                for side in self._sides:
                    self._compare(side, message)
                for one in self.spans:
                    if one.journal_id == turn.header.journal_id and one.first <= turn.first_seq < one.end:
                        kind = record_name(message.channel)
                        one.found[kind] = one.found.get(kind, 0) + 1

    def _compare(self, side: _Side, message: Message) -> None:
        channel, key = message.channel, (message.epoch, message.seq)
        known = side.captured.channels.get(channel)
        if known is None:
            return
        if key not in known:
            first, last = side.captured.ends[channel]
            if side.whole and message.delivery == "lossless" and first < key < last:
                side.tally(channel).missing += 1
                self._differs(channel, key, None, message.produced)
            return
        side.matched.setdefault(channel, {})[key] = None
        for body in side.captured.bodies(channel, key):
            if body == message.produced:
                side.tally(channel).equal += 1
            else:
                side.tally(channel).different += 1
                self._differs(channel, key, body, message.produced)

    def _differs(self, channel: str, key: Key, published: bytes | None, replayed: bytes | None) -> None:
        if len(self.differences) < KEPT:
            self.differences.append(Difference(channel, *key, published, replayed))

    def finish(self) -> bool:
        """Count what no journal gave. True when everything is equal and something was compared."""
        for side in self._sides:
            for channel, known in sorted(side.captured.channels.items()):
                if record_name(channel) in self._foreign:
                    continue
                tally, done = side.tally(channel), side.matched.get(channel, {})
                for key, places in sorted(known.items()):
                    tally.seen += len(places)
                    if key in done:
                        continue
                    if self._is_older(channel, key, places[0].ts_recv):
                        tally.older += len(places)
                    else:
                        tally.missing += len(places)
                        self._differs(channel, key, side.captured.bodies(channel, key)[0], None)
        return (
            not self.differences
            and all(one.holds for one in self.spans)
            and any(tally.equal for tally in self.heard.values())
        )

    def _is_older(self, channel: str, key: Key, ts_recv: Micros) -> bool:
        first = self._first.get(channel)
        if first is not None:
            return key < first
        venue = channel.split(":")[1] if ":" in channel else ""
        return venue in self._begin and ts_recv < self._begin[venue]


def seq_at(folder: Path, at: Micros) -> int:
    """The `log_seq` with which the segment begins that was being written at `at`, or the oldest one."""
    files = segments(folder)
    begun = [after for _, after in pairwise(files) if opening_of(after).header.created <= at]
    return int(begun[-1].stem) if begun else 0

"""Is a hole of a stream still open?"""

from __future__ import annotations

from realtime.rails.base import FINE, Verdict
from warehouse.clock import Micros
from warehouse.records import SequenceGap


class GapRail:
    """Degraded while at least one gap of the stream is open. Whatever closed a gap (repair, giving up) ends it here:

    what a lost piece does to a window is the metric's matter. `open` maps `opened_at` and `from_id` to words.
    """

    __slots__ = ("open", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.open: dict[str, str] = {}

    def observe(self, gap: SequenceGap, now: Micros, /) -> None:
        """A row of the gap ledger for this stream."""
        key = f"{gap.opened_at}/{gap.from_id}"
        if gap.state == "open":
            ids = "" if gap.from_id is None else f", ids {gap.from_id} to {gap.to_id}"
            self.open[key] = f"{self.stream} gap open: {gap.cause}{ids}"
        else:
            self.open.pop(key, None)

    def verdict(self, now: Micros, /) -> Verdict:
        for words in self.open.values():
            return Verdict("degraded", words)
        return FINE

"""The newest ids of a stream whose ids say nothing of their order: what is among them came before."""

from __future__ import annotations

RING = 4096
"""Ids remembered per instrument: four times the largest REST page."""


class Ring:
    """The last `size` ids, oldest overwritten first."""

    __slots__ = ("_at", "_ids", "_known", "size")

    def __init__(self, size: int = RING) -> None:
        self.size = size
        self._ids: list[str] = []
        self._known: dict[str, None] = {}
        self._at = 0

    def __contains__(self, trade_id: str) -> bool:
        return trade_id in self._known

    def add(self, trade_id: str) -> bool:
        """Remember an id; False when it is known already."""
        known = self._known
        if trade_id in known:
            return False
        known[trade_id] = None
        if len(self._ids) < self.size:
            self._ids.append(trade_id)
            return True
        at = self._at
        del known[self._ids[at]]
        self._ids[at] = trade_id
        self._at = at + 1 if at + 1 < self.size else 0
        return True

    def precede(self, ids: list[str]) -> None:
        """Know these ids too, as older than what is here."""
        both = list(dict.fromkeys([*(one for one in ids if one not in self._known), *self.state()]))
        self.restore(both[-self.size :])

    def state(self) -> list[str]:
        """The ids, oldest first."""
        return self._ids[self._at :] + self._ids[: self._at]

    def restore(self, ids: list[str]) -> None:
        self._ids, self._at = list(ids), 0
        self._known = dict.fromkeys(ids)

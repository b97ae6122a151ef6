"""Faults of REST: refused, broken, late, empty, incomplete."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from realtime.emulator.faults import wording
from realtime.emulator.faults.parts import Asked, Injector, Treatment
from realtime.emulator.faults.wording import Rows
from warehouse.clock import Micros
from warehouse.venues.base import Reply


class Treated(Injector, ABC):
    """Base of faults that meet the next `count` requests to what the fault is about."""

    def begin(self, now: Micros) -> None:
        self._left = self.fault.count or 1

    def request(self, asked: Asked, now: Micros) -> Treatment | None:
        if self._left == 0 or not self.concerns(asked):
            return None
        self._left -= 1
        self.done = self._left == 0
        self.entry.hidden.append({"path": asked.path, "query": asked.query})
        return self.treat(asked, now)

    def concerns(self, asked: Asked) -> bool:
        """Is the request about what the fault is about?"""
        fault = self.fault
        if fault.base not in (None, asked.base) or (fault.path or "") not in asked.path:
            return False
        if fault.instrument is None:
            return True
        rules = self.tools.rules[fault.instrument]
        other = "spot" if rules.market == "perp" else "perp"
        category = {"spot": "linear", "perp": "spot"}[rules.market]
        named = rules.symbol in (asked.query.get("symbol"), asked.query.get("instId"))
        return named and not asked.base.endswith(f"_{other}") and asked.query.get("category") != category

    @abstractmethod
    def treat(self, asked: Asked, now: Micros) -> Treatment:
        """What is done to a request that is met."""


class TooManyRequests(Treated):
    """429, where the venue does so with a Retry-After of `amount` seconds."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        return Treatment(reply=wording.too_many(self.fault.venue, int(self.fault.amount or 2), now))


class Banned(Treated):
    """This address is banned: 418 at Binance, 403 at Bybit."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        return Treatment(reply=wording.banned(self.fault.venue, int(self.fault.amount or 10), now))


class ServerError(Treated):
    """The venue's own words for being broken, or a proxy's page."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        among = wording.server_errors(self.fault.venue, now)
        fitting = [reply for reply in among if self.fault.code in (None, reply.status)]
        reply = self.random.choice(fitting) if fitting else wording.html(self.fault.code or 500, "Error")
        return Treatment(reply=reply)


class GeoBlocked(Treated):
    """This address is in the wrong country: 451 at Binance, 403 at Bybit."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        return Treatment(reply=wording.blocked(self.fault.venue))


class TimedOut(Treated):
    """The answer comes `amount` seconds late, which is too late for most."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        return Treatment(wait=self.fault.amount or 15)


class Page(Treated, ABC):
    """Base of faults that take rows out of a page."""

    def treat(self, asked: Asked, now: Micros) -> Treatment:
        return Treatment(alter=self._alter)

    def _alter(self, reply: Reply) -> Reply:
        before = wording.rows(msgspec.json.decode(reply.body)) if reply.status == 200 else None
        hidden = list(before or ())
        if not hidden:
            return reply
        low, high = self.cut(hidden)
        self.entry.touched += hidden[low:high]
        return wording.paged(lambda rows: [*rows[:low], *rows[high:]])(reply)

    @abstractmethod
    def cut(self, rows: Rows) -> tuple[int, int]:
        """Which rows go."""


class EmptyPage(Page):
    """A page without rows where there are some."""

    def cut(self, rows: Rows) -> tuple[int, int]:
        return 0, len(rows)


class HoledPage(Page):
    """A page that lacks some rows of its middle."""

    def cut(self, rows: Rows) -> tuple[int, int]:
        low = self.random.randint(len(rows) // 4, len(rows) // 2)
        return low, min(len(rows), low + max(1, len(rows) // 10))

"""Pages of trades: out of the look-back zone, on into the live flow, in today's ticks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from realtime.emulator.bars import minute_of
from realtime.emulator.flow import Flow
from realtime.emulator.zone import Print, Zone, between
from warehouse.clock import Micros


class Pages:
    """The trades of one instrument that are served: those of the zone and all live ones."""

    def __init__(self, zone: Zone, flow: Flow) -> None:
        self._zone = zone
        self._flow = flow
        self._finer = 1

    def refine(self, factor: int) -> None:
        """Ticks have become `factor` times finer."""
        self._finer *= factor

    def _past(self, minute: int) -> list[Print]:
        """The trades of a minute of the zone."""
        prints, finer = self._zone.prints(minute), self._finer
        return prints if finer == 1 else [print_._replace(ticks=print_.ticks * finer) for print_ in prints]

    def live(self, low: int = 0, high: int | None = None) -> Iterable[Print]:
        """Live trades from the `low`th to before the `high`th; None: all from there on."""
        flow = self._flow
        columns = zip(flow.times[low:high], flow.ticks[low:high], flow.signed_lots[low:high], strict=True)
        for seq, (ts, ticks, signed_lots) in enumerate(columns, flow.first_seq + low):
            yield Print(ts, seq, ticks, signed_lots)

    def by_time(self, start: Micros, end: Micros, limit: int, newest: bool) -> list[Print]:
        """Trades of `[start, end)`, the first `limit` or the last."""
        found: list[Print] = []
        first, last = max(minute_of(start), self._zone.first), minute_of(end - 1)
        minutes = range(first, min(last, self._zone.end - 1) + 1)
        times = self._flow.times
        low = bisect_left(times, start)
        high = max(low, bisect_left(times, end))
        enough = limit - (high - low) if newest else limit
        for minute in reversed(minutes) if newest else minutes:
            if len(found) >= enough:
                break
            held = between(self._past(minute), start, end)
            found = held + found if newest else found + held
        if newest:
            found += self.live(max(low, high - limit), high)
            return found[max(0, len(found) - limit) :]
        found += self.live(low, min(high, low + max(0, limit - len(found))))
        return found[:limit]

    def by_id(self, from_seq: int, limit: int) -> list[Print]:
        """Trades from an id on; ids before the zone begin with its first."""
        zone, found = self._zone, list[Print]()
        seq = max(from_seq, zone.first_id)
        if seq <= zone.last_id:
            for minute in range(zone.minute_of(seq), zone.end):
                found += [print_ for print_ in self._past(minute) if print_.seq >= seq]
                if len(found) >= limit:
                    break
        low = max(0, seq - self._flow.first_seq)
        found += self.live(low, max(low, low + limit - len(found)))
        return found[:limit]

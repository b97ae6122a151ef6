"""What a session asks over REST again and again, and how it reads the answers.

Futures: mark price with the accruing rate, open interest (there is no stream), the insurance fund, funding intervals,
and the states of contracts, whose stream tells changes only. Spot: states of symbols and of the venue. In weight that
is 10 a minute and perpetual, and little more, of 2400; and 21 a minute of spot's 6000.
"""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.clock import HOUR, MINUTE, Micros
from warehouse.instruments import Rules
from warehouse.records import Record
from warehouse.venues.base import UNREADABLE, Fetch
from warehouse.venues.binance import decode, decode_feeds, requests, wire, wire_feeds
from warehouse.venues.binance.streams import Root
from warehouse.venues.polls import Polls, PollState

DEFAULT_INTERVAL = 8 * HOUR
"""Of a perpetual that `fundingInfo` does not list."""

RARELY: dict[str, Micros] = {"fundingInfo": 5 * MINUTE, "exchangeInfo/perp": 30 * MINUTE}
"""Answers about every symbol of the venue, which change little."""

_premium = decode.reader(wire_feeds.PremiumIndex)
_interest = decode.reader(wire_feeds.OpenInterestNow)
_groups = decode.reader(list[wire_feeds.InsuranceGroup])
_infos = decode.reader(list[wire_feeds.FundingInfo])
_listed = decode.reader(wire.ExchangeInfo)
_system = decode.reader(wire_feeds.SystemStatus)


class Polled:
    """The polls of one root; that of futures books asks nothing.

    `intervals` are funding intervals by symbol, empty until the venue has told them.
    """

    def __init__(self, root: Root, rules: Sequence[Rules]) -> None:
        self._names = {rule.symbol: rule.instrument for rule in rules if (rule.market == "spot") == (root == "spot")}
        self.intervals: dict[str, Micros] = {}
        fetches: list[Fetch] = []
        if root == "spot" and self._names:
            fetches = [requests.spot_states(list(self._names)), requests.system_status()]
        elif root == "market" and self._names:
            fetches = [requests.funding_info(), requests.perp_states(), requests.insurance()]
            if all(rule.market == "perp" for rule in rules):
                fetches.append(requests.system_status())
            for symbol, instrument in self._names.items():
                fetches += [requests.premium_index(symbol, instrument), requests.open_interest(symbol, instrument)]
        self._polls = Polls(fetches, RARELY)

    def start(self, now: Micros) -> None:
        """The connection is up."""
        self._polls.start(now)

    def due(self, now: Micros) -> list[Fetch]:
        """What to ask now."""
        return self._polls.due(now)

    def answer(self, fetch: Fetch, status: int, body: bytes, now: Micros) -> Sequence[Record] | str:
        """What the answer says, or why there is none, in words. Nothing for a question that is not of these."""
        why = f"{fetch.path}: HTTP {status}: {decode.head(body)}" if status else f"{fetch.path}: {decode.head(body)}"
        records: Sequence[Record] = ()
        if status == 200:
            try:
                records, why = self._read(fetch, body, now), ""
            except UNREADABLE as error:
                why = f"{fetch.path}: {error}"
        if not self._polls.answered(fetch, not why, now):
            return ()
        return why or records

    def _read(self, fetch: Fetch, body: bytes, now: Micros) -> Sequence[Record]:
        kind = fetch.tag.partition("/")[0]
        if kind == "premiumIndex":
            interval = self.intervals.get(fetch.query["symbol"])
            return decode_feeds.premium_index(_premium(body), fetch.instrument, interval, now)
        if kind == "openInterest":
            return (decode_feeds.open_interest_now(_interest(body), fetch.instrument, now),)
        if kind == "insuranceBalance":
            return decode_feeds.insurance(_groups(body), now)
        if kind == "exchangeInfo":
            page = _listed(body)
            at = page.serverTime * 1000 or now
            return [
                decode_feeds.status_of(info, self._names[info.symbol], at, now)
                for info in page.symbols
                if info.symbol in self._names and info.contractType in (None, "PERPETUAL")
            ]
        if kind == "system":
            return (decode_feeds.venue_status(_system(body), now),)
        told = {info.symbol: info.fundingIntervalHours * HOUR for info in _infos(body)}
        for symbol in self._names:
            self.intervals[symbol] = told.get(symbol, DEFAULT_INTERVAL)
        return ()

    def state(self) -> PollState:
        """The schedule; `intervals` are kept by who keeps this."""
        return self._polls.state()

    def restore(self, state: PollState, intervals: dict[str, Micros]) -> None:
        """The inverse of `state`."""
        self._polls.restore(state)
        self.intervals.update(intervals)

"""The seeded source: three venues under one seed, live since `t0`.

The only state is a small file with seed, rate, look-back and `t0`: everything that ever happened follows from them, so
a restarted emulator relives its past instead of reading it. An hour of 30 instruments takes some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as File
from typing import TypeGuard

import msgspec
import structlog

from realtime.emulator.changes import Change
from realtime.emulator.listings import COINS
from realtime.emulator.path import TILE, Path
from realtime.emulator.source import About, Played
from realtime.emulator.truth import Truth
from realtime.emulator.view import SeededView
from warehouse.clock import HOUR, MINUTE, Clock, Micros
from warehouse.errors import ConfigError
from warehouse.records import Liquidation, Record, Trade

log = structlog.get_logger()

STATE = "market.json"


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a seeded market follows from. `rate` is book events a second and instrument.

    `begun` is the whole second at which it was first emulated; 0: at `t0`.
    """

    seed: int
    rate: float
    lookback_us: Micros
    t0: Micros
    begun: Micros = 0


def remembered(folder: File | None, wanted: Terms) -> Terms:
    """The market that `folder` holds, or `wanted`, which it then holds. Raises ConfigError when both disagree."""
    if folder is None:
        return wanted
    file = folder / STATE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(wanted))
        temporary.rename(file)
        return wanted
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Terms)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{file}: not the state of an emulated market: {error}. Remove it, or use another folder."
        ) from None
    if msgspec.structs.replace(kept, t0=wanted.t0, begun=wanted.begun) != wanted:
        raise ConfigError(
            f"{file}: holds the market of seed {kept.seed} at rate {kept.rate:g} with a look-back of"
            f" {kept.lookback_us // MINUTE} min. Ask for the same, or use another folder."
        )
    return kept


class Offset:
    """Another clock plus a constant: what a venue whose clock is skewed takes the time to be."""

    def __init__(self, clock: Clock, offset_us: Micros) -> None:
        self._clock = clock
        self.offset_us = offset_us

    def now(self) -> Micros:
        """Microseconds UTC, wrongly."""
        return self._clock.now() + self.offset_us


class Seeded:
    """A `Source` from a seed. `changes` happen to its markets, `skews` are the venues whose clocks are off for good.

    `blocks`: there are block trades, which the truth leaves out, and large orders too.
    """

    def __init__(
        self,
        clock: Clock,
        offset: Micros,
        venues: Sequence[str],
        market: Terms,
        truth: Truth | None = None,
        changes: Sequence[Change] = (),
        skews: Mapping[str, Micros] | None = None,
        blocks: bool = False,
    ) -> None:
        self.venues = tuple(venues)
        self.clock_offset_us = offset
        self.market = market
        self._clock = clock
        self._clocks = {venue: Offset(clock, (skews or {}).get(venue, 0)) for venue in venues}
        self._changes = changes
        self._truth = truth
        self._blocks = blocks
        self._views: dict[str, SeededView] = {}
        self._tickers: dict[str, list[str]] = {}
        self._next_insurance = market.t0

    def open(self) -> None:
        """Draw the paths and live from `t0` to now. Raises ConfigError for a market of the future."""
        market, now = self.market, self._clock.now()
        if market.t0 > now:
            raise ConfigError("this market begins in the future: the clock went back, or the state is another clock's")
        paths = {base: Path(market.seed, base) for base in COINS}
        for path in paths.values():
            # Laid out ahead, so that threads which make history only ever read the chain.
            path.price(now + 2 * TILE * MINUTE)
        for venue in self.venues:
            self._views[venue] = SeededView(
                venue, market.seed, paths, self._clocks[venue], market.t0, market.lookback_us, market.rate
            )
        self.change(self._changes)
        if now - market.t0 > HOUR:
            log.info("reliving", minutes=(now - market.t0) // MINUTE)
        for view in self._views.values():
            for one in view.markets.values():
                if self._blocks:
                    one.trade_blocks()
                one.relive(max(view.now(), market.t0))
                if self._truth is not None:
                    self._truth.write(one.lived())

    @property
    def begun(self) -> Micros:
        """When this market was first emulated."""
        return self.market.begun or self.market.t0

    def clock(self, venue: str) -> Clock:
        """What a venue takes the time to be."""
        return self._clocks[venue]

    def change(self, changes: Sequence[Change]) -> None:
        """Change the markets, each at its second or at the next one."""
        for change in changes:
            self._views[change.venue].markets[change.instrument].plan([change])

    def view(self, venue: str) -> SeededView:
        return self._views[venue]

    def about(self, venue: str) -> About:
        market = next(iter(self._views[venue].markets.values()))
        return About(
            venue=venue,
            clock_offset_us=self.clock_offset_us,
            trades_from=market.trades_from,
            seed=self.market.seed,
        )

    def subscribed(self, venue: str, streams: Sequence[tuple[str, str]]) -> None:
        """Tickers that are listened to need history, which is made when this asks for it (`cold`)."""
        self._tickers[venue] = [name.lower() for _, name in streams if "ticker" in name.lower()]

    def cold(self) -> Callable[[], None] | None:
        """Make the history behind a ticker that somebody waits for."""
        for venue, names in self._tickers.items():
            for market in self._views[venue].markets.values() if names else ():
                symbol = market.rules.symbol.lower()
                if not market.ready and any(symbol in name for name in names):
                    return market.prepare
        return None

    def advance(self, now: Micros) -> Iterator[tuple[str, Record | Played]]:
        """What happened up to `now`. Within an instrument in order; instruments one after the other."""
        for venue, view in self._views.items():
            there = now + self._clocks[venue].offset_us
            for market in view.markets.values():
                if market.due > there:
                    continue
                records = market.advance(there)
                if self._truth is not None:
                    self._truth.write(one for one in records if _is_truth(one))
                for record in records:
                    yield venue, record
        if now >= self._next_insurance:
            self._next_insurance = (now // MINUTE + 1) * MINUTE
            for venue, view in self._views.items():
                for fund in view.insurance():
                    yield venue, fund


def _is_truth(record: Record) -> TypeGuard[Trade | Liquidation]:
    return isinstance(record, Liquidation) or (isinstance(record, Trade) and record.kind != "block")

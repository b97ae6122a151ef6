"""What of history a run is asked for. Everything left open means: what the settings say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from configs.settings import Settings
from pipelines.plan import Span
from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.instruments import TIMEFRAMES, Listing
from warehouse.venues.archives import ArchiveKind


class Scope(BaseModel):
    """A choice of venues, instruments, timeframes and time; small and printable, so that flows can carry it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    venues: tuple[str, ...] = Field((), description="Empty: every enabled venue.")
    symbols: tuple[str, ...] = Field((), description="Instruments (BTC-USDT-PERP) or base coins (BTC). Empty: all.")
    timeframes: tuple[str, ...] = Field((), description="Empty: those of the settings.")
    since: Micros | None = Field(None, description="Start of the range; none: the settings' depth.")
    until: Micros | None = Field(None, description="End of the range, exclusive; none: now.")
    archives: tuple[ArchiveKind, ...] = Field((), description="Kinds of bulk files. Empty: what REST soon forgets.")
    files: tuple[str, ...] = Field(
        (), description="Bulk files of this machine, or folders of them. Empty: the venues'."
    )

    def chosen(self, settings: Settings) -> list[str]:
        """The venues to work on. Raises ConfigError for one that is unknown or disabled."""
        enabled = settings.enabled()
        if unknown := [name for name in self.venues if name not in enabled]:
            raise ConfigError(f"no enabled venue {', '.join(unknown)}; enabled: {', '.join(enabled)}")
        return [name for name in enabled if not self.venues or name in self.venues]

    def listings(self, settings: Settings, venue: str) -> list[Listing]:
        """The instruments of one venue. Raises ConfigError for a symbol that the settings do not name."""
        known = settings.listings(venue)
        wanted = [symbol.upper() for symbol in self.symbols]
        names = {listing.instrument for listing in known} | {listing.base for listing in known}
        if unknown := [symbol for symbol in wanted if symbol not in names]:
            raise ConfigError(
                f"unknown symbol {', '.join(unknown)}; write an instrument of the settings "
                f"({', '.join(listing.instrument for listing in known[:3])}, ...) or its base coin"
            )
        return [each for each in known if not wanted or each.instrument in wanted or each.base in wanted]

    def check(self, settings: Settings) -> None:
        """Raises ConfigError for any choice that the settings do not know, before anything is asked of a venue."""
        for venue in self.chosen(settings):
            self.listings(settings, venue)
        self.frames(settings)
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ConfigError("the asked range ends before it starts: --until must be later than --since")

    def frames(self, settings: Settings) -> tuple[str, ...]:
        """The timeframes. Raises ConfigError for an unknown one."""
        if unknown := [name for name in self.timeframes if name not in TIMEFRAMES]:
            raise ConfigError(f"unknown timeframe {', '.join(unknown)}; known: {', '.join(TIMEFRAMES)}")
        return self.timeframes or tuple(settings.timeframes)

    def window(self, now: Micros, default: Micros) -> Span:
        """The asked range, `default` microseconds long where no start is given; never past `now`."""
        end = min(self.until, now) if self.until is not None else now
        return (self.since if self.since is not None else end - default, end)

    def asked(self, now: Micros) -> Span | None:
        """The asked range, or None when none was asked for."""
        return None if self.since is None and self.until is None else self.window(now, 0)

"""Every setting, its default and its bounds. Frozen; unknown keys are refused.

Other code receives plain values from here and never sees a YAML key or an environment variable.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from warehouse.clock import HOUR, Micros
from warehouse.instruments import TIMEFRAMES, Listing
from warehouse.venues import VENUES, venue

Realm = Literal["live", "emulated"]


def _venue(value: str) -> str:
    if value not in VENUES:
        raise ValueError(f"unknown venue; known: {', '.join(VENUES)}")
    return value


def _instrument(value: str) -> str:
    Listing.parse(VENUES[0], value)
    return value


def _timeframe(value: str) -> str:
    if value not in TIMEFRAMES:
        raise ValueError(f"unknown timeframe {value!r}; known: {', '.join(TIMEFRAMES)}")
    return value


def _bus(value: str | None) -> str | None:
    if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError(f"{value!r} is no URL of a bus; write redis://host:6379/0, rediss://... or unix:///path")
    return value


class Model(BaseModel):
    """Base of all settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SECRET = ("secret", "token", "password", "access_key", "account_key", "credential")
"""What the name of an object store's option contains that belongs into the environment."""


class LakeSettings(Model):
    """Where the lake is. Credentials of an object store come from the environment (`AWS_ACCESS_KEY_ID`, ...)."""

    root: str = Field("", description="A folder or an s3:// URL; empty: `lake` under the home folder.")
    storage_options: dict[str, str] | None = Field(
        None, description="Options of the object store, such as aws_endpoint_url; no credentials."
    )

    @field_validator("storage_options")
    @classmethod
    def _open(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if found := [name for name in value or {} if any(word in name.lower() for word in SECRET)]:
            raise ValueError(f"credentials do not belong into files: export {', '.join(map(str.upper, found))} instead")
        return value


class BusSettings(Model):
    """The Redis or Valkey server."""

    url: Annotated[str | None, AfterValidator(_bus)] = Field(
        None, description="redis://, rediss:// or unix:// URL; none: an embedded server."
    )
    maxmemory_mb: int = Field(512, ge=64, description="Memory limit of the embedded server, MiB.")


class VenueSettings(Model):
    """One venue."""

    enabled: bool = True
    endpoints: dict[str, str] = Field(default_factory=dict, description="Replaces the venue's own bases, by key.")


class JournalSettings(Model):
    """The write-ahead journal of the live side."""

    rotate_mb: int = Field(256, ge=1, description="A segment is closed at this size, MiB.")
    rotate_minutes: int = Field(15, ge=1, description="... or at this age.")
    fsync_ms: int = Field(100, ge=10, description="ms between syncs; a power failure loses at most this.")
    retention_hours: int = Field(24, ge=1)
    retention_gib: float = Field(10.0, gt=0)


class RecorderSettings(Model):
    """Journal to lake."""

    commit_s: float = Field(15.0, ge=0.2, le=3600, description="Seconds between commits of a table.")
    commit_rows: int = Field(50_000, ge=100, description="... or this many rows.")


class EngineSettings(Model):
    """What the live worker publishes, and how often."""

    fusion_ms: int = Field(100, ge=100, le=60_000, multiple_of=100)
    orderflow_ms: int = Field(500, ge=100, le=60_000, multiple_of=100)
    bbo_ms: int = Field(100, ge=100, le=60_000, multiple_of=100)
    depth_ms: int = Field(100, ge=100, le=60_000, multiple_of=100)
    candles_ms: int = Field(1000, ge=100, le=60_000, multiple_of=100)
    snapshot_ms: int = Field(1000, ge=100, le=3_600_000, multiple_of=100)
    snapshot_levels: int = Field(50, ge=1, le=1000, description="Levels a side of a book snapshot.")
    derivatives_ms: int = Field(1000, ge=100, le=60_000, multiple_of=100)
    trade_prints: bool = Field(True, description="Publish each trade on its channel; every metric counts it anyway.")
    encoding: Literal["json"] = "json"
    ntp: str | None = Field("pool.ntp.org", description="A time server to compare our clock with; null: none.")
    transport: Literal["picows", "websockets"] = Field("picows", description="The WebSocket library at the socket.")


class FlowSettings(Model):
    """The scheduled flows."""

    runner: Literal["threads", "dask", "ray"] = Field("threads", description="Where the tasks of a flow run.")
    cluster: str | None = Field(
        None, description="Address of the Dask scheduler or Ray head; none: one of its own on this machine."
    )
    contexts_days: int = Field(7, ge=1, description="Published context documents are kept so long; the newest always.")
    outcomes_days: int = Field(90, ge=1, description="Reports of what flows asked for are kept so long.")
    mismatches_days: int = Field(90, ge=1, description="Findings of audits are kept so long.")


class BoardSettings(Model):
    """The status board's HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65_535, description="0: any free port, printed at start.")


class Settings(Model):
    """All settings of one installation."""

    home: Path = Field(Path("p9-home"), description="Where journal, lake, bus socket and logs live by default.")
    realm: Realm = "live"
    lake: LakeSettings = LakeSettings()
    bus: BusSettings = BusSettings()
    journal: JournalSettings = JournalSettings()
    recorder: RecorderSettings = RecorderSettings()
    engine: EngineSettings = EngineSettings()
    board: BoardSettings = BoardSettings()
    flows: FlowSettings = FlowSettings()
    venues: dict[Annotated[str, AfterValidator(_venue)], VenueSettings] = Field(
        default_factory=lambda: {name: VenueSettings() for name in VENUES}
    )
    instruments: list[Annotated[str, AfterValidator(_instrument)]] = Field(min_length=1)
    timeframes: list[Annotated[str, AfterValidator(_timeframe)]] = Field(
        min_length=1, default_factory=lambda: list(TIMEFRAMES)
    )
    candles_depth: int = Field(1000, ge=1, le=100_000, description="Closed candles kept per timeframe.")
    trades_lookback_minutes: int = Field(180, ge=1, le=10_080)
    funding_days: int = Field(90, ge=1, le=3650)
    open_interest_days: int = Field(30, ge=1, le=3650, description="As far back as the venue answers.")

    @field_validator("venues")
    @classmethod
    def _some(cls, value: dict[str, VenueSettings]) -> dict[str, VenueSettings]:
        if not any(one.enabled for one in value.values()):
            raise ValueError("no venue is enabled: nothing to do")
        for name, one in value.items():
            if unknown := [key for key in one.endpoints if key not in venue(name).ENDPOINTS]:
                known = ", ".join(venue(name).ENDPOINTS)
                raise ValueError(f"{name}.endpoints: unknown {', '.join(unknown)}; known: {known}")
        return value

    @field_validator("instruments", "timeframes")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if twice := [name for at, name in enumerate(value) if name in value[:at]]:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _readable(self) -> Settings:
        if any(char.isspace() for char in self.lake_root):
            raise ValueError(
                f"the lake would be at {self.lake_root!r}: a space breaks its readers; set home or lake.root"
            )
        return self

    @property
    def lake_root(self) -> str:
        """The lake's folder or URL."""
        return self.lake.root or str(self.home.absolute() / "lake")

    @property
    def journal_root(self) -> Path:
        """Folder of the journals; a worker's is `journal_root / venue`."""
        return self.home.absolute() / "journal"

    @property
    def bus_url(self) -> str:
        """URL of the bus: the configured one, else the embedded server's socket."""
        return self.bus.url or f"unix://{self.bus_socket}"

    @property
    def bus_socket(self) -> Path:
        """The embedded server's socket: in the home folder, or in the temporary folder where that path is too long
        for one.
        """
        path = self.home.absolute() / "bus.sock"
        if len(str(path)) <= 100:
            return path
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"p9-{digest}" / "bus.sock"

    @property
    def trades_lookback_us(self) -> Micros:
        return self.trades_lookback_minutes * HOUR // 60

    def enabled(self) -> list[str]:
        """The venues in use."""
        return [name for name, venue in self.venues.items() if venue.enabled]

    def endpoint(self, venue: str, key: str) -> str:
        """URL of a venue's base: the configured one, else the venue's own. Raises KeyError for an unknown key."""
        from warehouse.venues import venue as module

        return self.venues[venue].endpoints.get(key) or module(venue).ENDPOINTS[key]

    def listings(self, venue: str | None = None) -> list[Listing]:
        """Every instrument at every enabled venue, or at one."""
        names = [venue] if venue else self.enabled()
        return [Listing.parse(name, instrument) for name in names for instrument in self.instruments]

"""Settings into the plain values that each process takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from configs.settings import Settings
    from realtime.service import WorkerOptions


def worker_options(settings: Settings, venue: str, instruments: list[str]) -> WorkerOptions:
    """What a worker of `venue` needs to know."""
    from realtime.engine import EngineConfig
    from realtime.service import WorkerOptions
    from warehouse.venues import venue as module

    engine = settings.engine
    return WorkerOptions(
        venue=venue,
        realm=settings.realm,
        instruments=instruments,
        endpoints={key: settings.endpoint(venue, key) for key in module(venue).ENDPOINTS},
        bus_url=settings.bus_url,
        journal=settings.journal_root / venue,
        engine=EngineConfig(
            fusion_ms=engine.fusion_ms,
            orderflow_ms=engine.orderflow_ms,
            bbo_ms=engine.bbo_ms,
            depth_ms=engine.depth_ms,
            candles_ms=engine.candles_ms,
            snapshot_ms=engine.snapshot_ms,
            snapshot_levels=engine.snapshot_levels,
            derivatives_ms=engine.derivatives_ms,
            trade_prints=engine.trade_prints,
        ),
        transport=engine.transport,
        ntp=engine.ntp if settings.realm == "live" else None,
        rotate_bytes=settings.journal.rotate_mb << 20,
        rotate_us=settings.journal.rotate_minutes * 60_000_000,
        fsync_us=settings.journal.fsync_ms * 1000,
    )

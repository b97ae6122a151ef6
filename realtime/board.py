"""The board: reads what every process reports, publishes `precision9_fusion_status`, and answers /healthz and
/readyz.

`healthz` says that this process lives. `readyz` is 200 when every venue in use may be trusted right now, else 503
with the reasons.
"""

from __future__ import annotations

import asyncio

import msgspec
import redis.asyncio as redis
import structlog
from aiohttp import web

from realtime.bus import UNUSABLE, Trouble
from warehouse import keys
from warehouse.cancellation import heed
from warehouse.clock import SECOND, Clock, Micros

log = structlog.get_logger()

CHANNEL = "precision9_fusion_status"
STALE_US: Micros = 4 * SECOND


class Verdict(msgspec.Struct, frozen=True):
    """May this be trusted now? `reasons` is empty exactly when `ready`; `degraded` is what is amiss besides."""

    ready: bool
    reasons: list[str]
    degraded: list[str] = []


def judge(reports: dict[str, dict[str, object]], expected: list[str], now: Micros) -> Verdict:
    """The verdict on all processes' reports. `expected` names the processes that must report."""
    reasons: list[str] = []
    degraded: list[str] = []
    for process in expected:
        report = reports.get(process)
        if report is None:
            reasons.append(f"{process}: no report")
            continue
        told = report.get("now")
        if isinstance(told, int) and now - told > STALE_US:
            reasons.append(f"{process}: last report {(now - told) / SECOND:.0f} s ago")
        complaints = report.get("complaints")
        if isinstance(complaints, list):
            reasons.extend(f"{process}: {why}" for why in complaints)
        connections = report.get("connections")
        if isinstance(connections, dict):
            for name, facts in connections.items():
                if not (facts["up"] and facts["ready"]):
                    why = facts["why"] if not facts["up"] else "subscriptions not acknowledged"
                    (reasons if facts["needed"] else degraded).append(f"{name}: {why}")
        instruments = report.get("instruments")
        if isinstance(instruments, dict):
            for name, facts in instruments.items():
                streams = facts.get("streams", {})
                reasons.extend(f"{process} {name}: {stream} {why}" for stream, why in streams.items() if why != "ok")
                reasons.extend(f"{process} {name}: {why}" for why in facts.get("gaps", []))
    return Verdict(not reasons, reasons, degraded)


class Board:
    """One per installation."""

    def __init__(self, bus_url: str, realm: str, expected: list[str], clock: Clock) -> None:
        self._bus = redis.Redis.from_url(bus_url, socket_timeout=5)
        self._realm = realm
        self._expected = expected
        self._clock = clock
        self._trouble = Trouble()
        self._seq = 0
        self._epoch = clock.now()
        self.reports: dict[str, dict[str, object]] = {}
        self.verdict = Verdict(False, ["no report yet"])

    async def run(self, host: str, port: int) -> None:
        """Serve and publish until cancelled. Raises OSError when the port is taken."""
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        app.add_routes([web.get("/status", self._status)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        log.info("board", url=f"http://{host}:{bound}")
        try:
            while True:
                try:
                    await self._round(f"http://{host}:{bound}")
                    self._trouble.over()
                except UNUSABLE as error:
                    self._trouble.met(error)
                    self.verdict = Verdict(False, [f"bus: {error}"])
                heed()
                await asyncio.sleep(1.0 - self._clock.now() % SECOND / SECOND)
        finally:
            await runner.cleanup()
            await self._bus.aclose()

    async def _round(self, url: str) -> None:
        names = sorted([name async for name in self._bus.scan_iter(match=keys.health("*"))])
        found = await self._bus.mget(names) if names else []
        reports = [msgspec.json.decode(body) for body in found if isinstance(body, bytes)]
        self.reports = {str(report["process"]): report for report in reports if report.get("process") != "board"}
        now = self._clock.now()
        self.verdict = judge(self.reports, self._expected, now)
        self._seq += 1
        body = msgspec.json.encode(
            {
                "v": 1,
                "channel": CHANNEL,
                "epoch": self._epoch,
                "seq": self._seq,
                "prev": self._seq - 1,
                "ts_event": now,
                "ts_recv": now,
                "ts_pub": now,
                "source": self._realm,
                "complete": self.verdict.ready,
                "reasons": {},
                "ready": self.verdict.ready,
                "why_not": self.verdict.reasons,
                "degraded": self.verdict.degraded,
                "processes": self.reports,
            }
        )
        async with self._bus.pipeline(transaction=False) as pipe:
            pipe.set(f"last:{CHANNEL}", body)
            pipe.publish(CHANNEL, body)
            pipe.set(keys.health("board"), msgspec.json.encode({"process": "board", "now": now, "url": url}), ex=5)
            for answer in await pipe.execute(raise_on_error=False):
                if isinstance(answer, redis.ResponseError):
                    raise answer

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        facts = msgspec.to_builtins(self.verdict)
        return web.json_response(facts, status=200 if self.verdict.ready else 503)

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.reports), content_type="application/json")

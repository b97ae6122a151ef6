"""A venue asked through ccxt's raw endpoints: ccxt knows how to spell and send; we keep every field it would drop.

Its own throttle is off: our budget knows the venue's weights and shares them with the worker.
"""

from __future__ import annotations

import atexit
import gc
import random
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from pipelines.sources.base import ATTEMPTS, Blocked, Unreachable, patiently
from warehouse.budgets.limits import CHARGES, retry_after, told_to_wait
from warehouse.budgets.own import Budget, of_process
from warehouse.clock import SystemClock
from warehouse.errors import ConfigError, RateLimited, Rejected, VenueError
from warehouse.venues.base import Fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

Endpoint = Callable[[str], str]
"""The URL of a venue's base, by its key (`rest_spot`)."""

TIMEOUT_S = 20

LONG = 4096
"""A body of more characters is no refusal. ccxt need not parse it, the walk does, straight into its own types."""

FIRST_ATTEMPTS = 3
"""Until a venue has answered once, it is more likely out of reach than unwell."""

REALM_HEADER = "x-p9-realm"


def _point_binance(base: Endpoint) -> dict[str, Any]:
    return {
        "public": base("rest_spot") + "/api/v3",
        "fapiPublic": base("rest_perp") + "/fapi/v1",
        "fapiData": base("rest_perp") + "/futures/data",
    }


def _point_bybit(base: Endpoint) -> dict[str, Any]:
    return {"public": base("rest")}


def _point_okx(base: Endpoint) -> dict[str, Any]:
    return {"rest": base("rest")}


POINT: dict[str, Callable[[Endpoint], dict[str, Any]]] = {
    "binance": _point_binance,
    "bybit": _point_bybit,
    "okx": _point_okx,
}
"""Where ccxt keeps a venue's URLs, each a prefix of the paths it builds."""


class _Reply(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: str


_reply: ContextVar[_Reply | None] = ContextVar("ccxt_reply", default=None)
"""The last reply seen by this task; ccxt's own attribute is shared by all requests of an exchange."""


@cache
def library() -> Any:
    """ccxt, imported when it is first needed: half a second, 100 MB.

    What exists by then stays till the end: the garbage collector need not walk over it with each page that is parsed.
    """
    import ccxt.async_support

    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    return ccxt.async_support


class CcxtSource:
    """One venue's REST side. Belongs to the event loop that first uses it."""

    def __init__(
        self,
        venue: str,
        endpoint: Endpoint,
        realm: str,
        budget: Budget | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._venue = venue
        self._realm = realm
        self._budget = budget or of_process(venue)
        self._chance = chance or random.Random()
        self._reached = False
        self._exchange = getattr(library(), venue)({"enableRateLimit": False, "timeout": TIMEOUT_S * 1000})
        self._exchange.urls["api"].update(POINT[venue](lambda key: endpoint(key).rstrip("/")))
        self._exchange.on_rest_response = _remember
        parse = self._exchange.parse_json
        self._exchange.parse_json = lambda body: None if len(body) > LONG else parse(body)

    @property
    def venue(self) -> str:
        """Whom we ask."""
        return self._venue

    async def ask(self, fetch: Fetch) -> object:
        """The answer to `fetch`, parsed or, a long one, as text; after as many attempts as a failure deserves."""

        async def once() -> object:
            return await self._once(fetch)

        answer = await patiently(once, ATTEMPTS if self._reached else FIRST_ATTEMPTS, self._chance)
        self._reached = True
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def _once(self, fetch: Fetch) -> object:
        limit, cost = CHARGES[self._venue](fetch)
        _reply.set(None)
        try:
            async with self._budget.spend(limit, cost):
                parsed: object = await getattr(self._exchange, fetch.ccxt)(dict(fetch.query))
        except library().BaseError as error:
            failure = explain(self._venue, error, _reply.get())
            if isinstance(failure, RateLimited):
                await self._budget.pause(limit, failure.retry_after_us)
            raise failure from error
        reply = _reply.get()
        self._same_realm(reply)
        return reply.body if reply is not None and len(reply.body) > LONG else parsed

    def _same_realm(self, reply: _Reply | None) -> None:
        found = "live" if reply is None else reply.headers.get(REALM_HEADER, "live")
        if found != self._realm:
            raise ConfigError(
                f"{self._venue} answered as {found!r} but this installation is {self._realm!r}. Check "
                f"venues.{self._venue}.endpoints and realm: emulated and real data never share a lake."
            )


def explain(venue: str, error: Exception, reply: _Reply | None) -> VenueError:
    """ccxt's exception as one of ours, judged by the reply itself where there was one."""
    import aiohttp

    ccxt = library()
    words = str(error)
    status = reply.status if reply else 0
    headers: Mapping[str, str] = reply.headers if reply else {}
    if status == 451 or (status == 403 and "too frequent" not in words.lower()):
        return Blocked(venue, status, reply.body if reply else words)
    now = SystemClock().now()
    if reply and (wait := told_to_wait(status, reply.body[:LONG].encode(), headers, now)) is not None:
        return RateLimited(venue, wait)
    if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
        return RateLimited(venue, retry_after(headers.get("retry-after"), now))
    cut = reply is None and isinstance(error.__cause__, aiohttp.ClientError)  # ccxt calls that a refusal
    if cut or isinstance(error, ccxt.NetworkError) or '"retCode":10016' in words.replace(" ", ""):
        return Unreachable(venue, _why(error, status))
    code, text = _code(reply.body[:LONG] if reply else "")
    return Rejected(venue, code or type(error).__name__, text or words)


def _why(error: Exception, status: int) -> str:
    """Why no usable reply came, in words with something to do."""
    import aiohttp

    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorDNSError | OSError) and "Name or service" in str(cause):
        return f"name not found: check DNS, the network and the endpoint's spelling ({cause})"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return f"cannot connect: nothing listens there, or the network refuses ({cause})"
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_S} s: check the network ({error})"
    return f"HTTP {status}: {error}" if status else f"no usable reply: {cause or error}"


def _code(body: str) -> tuple[str, str]:
    """The venue's own code and words, wherever this venue writes them; empty when the body is no JSON object."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return "", ""
    code = next((str(found[key]) for key in ("retCode", "code") if key in found), "")
    words = next((str(found[key]) for key in ("retMsg", "msg") if key in found), "")
    return code, words


def _remember(
    status: int, reason: str, url: str, method: str, headers: Mapping[str, str], body: str, *sent: object
) -> str:
    """ccxt's hook between reply and judgement: keep the reply for this task, leave the body as it is but for blanks."""
    body = body.strip()
    _reply.set(_Reply(status, {key.lower(): value for key, value in headers.items()}, body))
    return body

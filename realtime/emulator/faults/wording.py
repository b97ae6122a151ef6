"""How each venue says that something is wrong: stream names, error bodies, close codes, notices, as documented."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from warehouse.clock import SECOND, Micros
from warehouse.venues.base import Reply

KIND_OF: dict[str, tuple[tuple[str, str], ...]] = {
    "binance": (
        ("@aggTrade", "trades"),
        ("@trade", "trades"),
        ("@blockTrade", "trades"),
        ("@depth", "depth"),
        ("@bookTicker", "bbo"),
        ("@kline", "candles"),
        ("@markPrice", "mark"),
        ("@forceOrder", "liquidations"),
        ("@ticker", "ticker"),
    ),
    "bybit": (
        ("publicTrade.", "trades"),
        ("orderbook.1.", "bbo"),
        ("orderbook.", "depth"),
        ("kline.", "candles"),
        ("allLiquidation.", "liquidations"),
        ("tickers.", "ticker"),
    ),
    "okx": (
        ("trades", "trades"),
        ("bbo-tbt:", "bbo"),
        ("books", "depth"),
        ("candle", "candles"),
        ("mark-price:", "mark"),
        ("index-tickers:", "mark"),
        ("funding-rate:", "funding"),
        ("open-interest:", "open_interest"),
        ("liquidation-orders:", "liquidations"),
        ("tickers:", "ticker"),
    ),
}
"""What a venue's stream name contains, and what the stream is in our words; the first that fits."""

CLOSES: dict[str, tuple[tuple[int, str], ...]] = {
    "binance": ((1008, "Pong timeout"), (1001, ""), (1000, ""), (1011, "internal error")),
    "bybit": ((1000, ""), (1001, "going away"), (1011, "internal error"), (1012, "service restart")),
    "okx": ((4004, "No data received in 30s"), (4005, "Buffer is full"), (4006, "Abnormal disconnection"), (1001, "")),
}
"""Codes and words with which a venue closes."""

REFUSALS: dict[str, tuple[int, ...]] = {"binance": (429, 403, 503), "bybit": (403, 503, 502), "okx": (429, 503, 502)}
"""HTTP statuses with which a venue refuses a handshake."""

_HTML = b"<html><head><title>%d %s</title></head><body><center><h1>%d %s</h1></center></body></html>"


def html(status: int, words: str) -> Reply:
    """A page of the proxy before the venue."""
    body = _HTML % (status, words.encode(), status, words.encode())
    return Reply(status=status, body=body, headers={"Content-Type": "text/html"})


def _json(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(body), headers=headers or {})


def _bybit(status: int, code: int, words: str, now: Micros) -> Reply:
    body: dict[str, object] = {"retCode": code, "retMsg": words, "result": {}, "retExtInfo": {}, "time": now // 1000}
    return _json(status, body)


def _okx(status: int, code: str, words: str) -> Reply:
    return _json(status, {"code": code, "msg": words, "data": []})


def too_many(venue: str, seconds: int, now: Micros) -> Reply:
    """Too many requests: only Binance says for how long."""
    if venue == "binance":
        words = "Too many requests; current limit of IP is 6000 requests per minute."
        return _json(429, {"code": -1003, "msg": words}, {"Retry-After": str(seconds)})
    if venue == "bybit":
        return _bybit(429, 10429, "System level frequency protection", now)
    return _okx(429, "50011", "Too Many Requests")


def banned(venue: str, seconds: int, now: Micros) -> Reply:
    """This address is banned for a while."""
    if venue == "binance":
        until = (now + seconds * SECOND) // 1000
        words = f"Way too many requests; IP banned until {until}. Please use the websocket for live updates."
        return _json(418, {"code": -1003, "msg": words}, {"Retry-After": str(seconds)})
    return Reply(status=403, body=b"403, access too frequent. Please try it again later.")


def blocked(venue: str) -> Reply:
    """This address is in the wrong country."""
    if venue == "binance":
        words = "Service unavailable from a restricted location according to 'b. Eligibility' in the terms of use."
        return _json(451, {"code": 0, "msg": words})
    return html(403, "ERROR The request could not be satisfied")


def server_errors(venue: str, now: Micros) -> tuple[Reply, ...]:
    """Ways in which a venue says that it is broken."""
    own = {
        "binance": _json(503, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
        "bybit": _bybit(200, 10016, "Internal server error", now),
        "okx": _okx(503, "50001", "Service temporarily unavailable. Try again later"),
    }
    return own[venue], html(500, "Internal Server Error"), html(502, "Bad Gateway"), html(504, "Gateway Time-out")


class Head(msgspec.Struct):
    """What a client's frame asks for, at any venue."""

    method: str = ""
    op: str = ""
    id: int | str | None = None
    req_id: str = ""
    params: list[str] = []
    args: list[object] = []


def subscription(frame: bytes) -> Head | None:
    """A client's subscription; None for anything else."""
    try:
        head = msgspec.json.decode(frame, type=Head)
    except msgspec.DecodeError:
        return None
    return head if head.method == "SUBSCRIBE" or head.op == "subscribe" else None


def unsubscription(frame: bytes) -> Head | None:
    """A client's cancellation; None for anything else."""
    try:
        head = msgspec.json.decode(frame, type=Head)
    except msgspec.DecodeError:
        return None
    return head if head.method == "UNSUBSCRIBE" or head.op == "unsubscribe" else None


def streams(head: Head) -> list[str]:
    """The venue's names of what is asked for, as `EmulatedConnection.streams` spells them."""
    found = list(head.params)
    for arg in head.args:
        if isinstance(arg, dict):
            found.append(f"{arg.get('channel', '')}:{arg.get('instId') or arg.get('instType') or ''}")
        else:
            found.append(str(arg))
    return found


def rejection(venue: str, head: Head) -> list[bytes]:
    """The venue refuses a subscription."""
    if venue == "binance":
        return [msgspec.json.encode({"code": 2, "msg": "Invalid request: too many streams", "id": head.id})]
    if venue == "bybit":
        words = f"error:handler not found,topic:{','.join(streams(head))}"
        body = {"success": False, "ret_msg": words, "conn_id": "0", "req_id": head.req_id, "op": "subscribe"}
        return [msgspec.json.encode(body)]
    words = "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters."
    ident: dict[str, object] = {} if head.id is None else {"id": head.id}
    return [
        msgspec.json.encode({**ident, "event": "error", "code": "60018", "msg": words.format(name), "connId": "0"})
        for name in streams(head)
    ]


def shutdown(venue: str, path: str, now: Micros) -> bytes:
    """The venue's notice that this connection will end."""
    if venue == "binance":
        event = {"e": "serverShutdown", "E": now // 1000}
        combined = "stream" in path.split("/")
        return msgspec.json.encode({"stream": "!serverShutdown", "data": event} if combined else event)
    words = "The connection will soon be closed for a service upgrade. Please reconnect."
    return msgspec.json.encode({"event": "notice", "code": "64008", "msg": words, "connId": "0"})


Rows = list[object]


def rows(body: object) -> Rows | None:
    """The list of rows in a REST page of any venue, itself, to be altered; None: there is none."""
    if isinstance(body, list):
        return body
    if isinstance(body, dict):
        for key in ("data", "list", "result"):
            found = rows(body[key]) if key in body else None
            if found is not None:
                return found
    return None


def paged(change: Callable[[Rows], Rows]) -> Callable[[Reply], Reply]:
    """A change of a page's rows as a change of the reply; a page without rows stays as it is."""

    def alter(reply: Reply) -> Reply:
        if reply.status != 200:
            return reply
        body = msgspec.json.decode(reply.body)
        found = rows(body)
        if found is None:
            return reply
        found[:] = change(found)
        return Reply(status=200, body=msgspec.json.encode(body), headers=reply.headers)

    return alter

"""The bus: hand-packed commands on one connection, replies counted, nothing awaited between a message and its write.

A message is *delivered* when the server has confirmed every command of it. Unsent state is superseded by newer state
of its channel; lossless and sequenced messages wait. A stream refuses an id that is not newer: that confirms the
message only if the entry is there with the produced bytes. When the connection breaks, what was not confirmed is sent
again, and every `last:` key is written again, since the bus may have forgotten.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import hiredis

from realtime.message import Message, finish
from realtime.sinks.base import Account, Receipt, Stamp, receipt
from realtime.sinks.resp import Address, Packer, address, pack
from warehouse.clock import Clock
from warehouse.errors import ConfigError, PublishError
from warehouse.keys import REALM

ENTRY_BYTES = 600
"""What one stream entry costs the server, for the bound on all streams together."""

BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect again; the last one repeats."""

Reply = object


class _Flight:
    """A message on its way: how many replies are still due, and whether one was bad."""

    __slots__ = ("body", "failed", "left", "message", "refused")

    def __init__(self, message: Message, body: bytes) -> None:
        self.message = message
        self.body = body
        self.left = 0
        self.failed = False
        self.refused = False


class _Call:
    """A single command whose reply goes to a function; `flight` is the message it is about, if any."""

    __slots__ = ("done", "flight")

    def __init__(self, done: Callable[[Reply], None], flight: _Flight | None = None) -> None:
        self.done = done
        self.flight = flight


class _Wire(asyncio.Protocol):
    """The socket's callbacks, handed on."""

    def __init__(self, sink: RedisSink) -> None:
        self._sink = sink
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._sink._made(transport)

    def data_received(self, data: bytes) -> None:
        self._sink._received(data)

    def pause_writing(self) -> None:
        self._sink._paused = True

    def resume_writing(self) -> None:
        self._sink._paused = False
        self._sink._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink._dropped(self._transport, exc)


class RedisSink:
    """Publishes to a Redis or Valkey server.

    `realm` must be the bus's own (`p9:realm`), or `start` raises ConfigError; `source` is what messages say of
    themselves. `streams` is how many lossless channels there will be: together they may use half of the server's
    memory. `window` messages may be unanswered before `congested`; `held` lossless messages may wait while the bus is
    away, then the oldest are lost and counted. `error` is the last thing the server refused, None while all is well.
    """

    def __init__(
        self,
        url: str,
        *,
        realm: str,
        clock: Clock,
        source: str | None = None,
        prefix: str = "",
        streams: int = 256,
        maxlen: int = 10_000,
        window: int = 2_048,
        held: int = 100_000,
        patience: float = 5.0,
        ts_pub_is_recv: bool = False,
    ) -> None:
        self._to: Address = address(url)
        self._url = url
        self._realm = realm.encode()
        self._source = (source or realm).encode()
        self._clock = clock
        self._prefix = prefix
        self._streams = streams
        self._maxlen = maxlen
        self._window = window
        self._held = held
        self._patience = patience
        self._as_received = ts_pub_is_recv
        self._accounts: dict[str, Account] = {}
        self._packers: dict[str, Packer] = {}
        self._stamp = Stamp()
        self._unsent: dict[object, _Flight] = {}
        self._flights: deque[_Flight | _Call] = deque()
        self._kept: dict[str, bytes] = {}
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._open = False
        self._paused = False
        self._closing = False
        self._again: asyncio.Task[None] | None = None
        self._fatal: ConfigError | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.error: str | None = None
        self.reconnects = 0

    # -- what a worker calls ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and check the realm. Raises PublishError when nobody answers, ConfigError for the other realm."""
        try:
            await self._connect()
        except ConfigError:
            await self.close()
            raise
        except (OSError, TimeoutError) as error:
            await self.close()
            raise PublishError(f"no bus at {self._url}: {error}. Is it running? See 'p9 doctor'.") from None

    def put(self, batch: Sequence[Message]) -> None:
        """Take messages in order and send what can be sent. Raises ConfigError if the bus became another realm's."""
        if self._fatal is not None:
            raise self._fatal
        accounts, unsent = self._accounts, self._unsent
        for message in batch:
            account = accounts.get(message.channel)
            if account is None:
                account = accounts[message.channel] = Account()
                self._stamp.begin(message)
            account.produced += 1
            self._enqueue(unsent, _Flight(message, b""))
        if len(unsent) > self._held:
            self._shed()
        if unsent:
            self._quiet.clear()
            self._flush()

    async def write(self, batch: Sequence[Message]) -> Receipt:
        """`put`, then wait until everything is answered. Raises PublishError after the sink's patience."""
        self.put(batch)
        if not await self.settled(self._patience):
            raise PublishError(
                f"bus {self._url}: {receipt(self._accounts).outstanding} messages unanswered after "
                f"{self._patience:g} s; last error: {self.error}"
            )
        return receipt(self._accounts)

    async def settled(self, seconds: float) -> bool:
        """Wait until nothing is outstanding; False when that took longer than `seconds`."""
        try:
            await asyncio.wait_for(self._quiet.wait(), seconds)
        except TimeoutError:
            return False
        return True

    @property
    def congested(self) -> bool:
        """More than `window` messages are unanswered or waiting: stop reading until this is False."""
        return self._paused or len(self._flights) + len(self._unsent) > self._window

    @property
    def connected(self) -> bool:
        return self._open

    @property
    def accounts(self) -> dict[str, Account]:
        return self._accounts

    async def close(self) -> None:
        """Wait for what is outstanding within `patience`, then count the rest as lost and hang up."""
        if self._open:
            await self.settled(self._patience)
        self._closing = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.gather(self._again, return_exceptions=True)
        for flight in [*self._flights, *self._unsent.values()]:
            about = flight.flight if isinstance(flight, _Call) else flight
            if about is not None:
                self._accounts[about.message.channel].lost += 1
        self._flights.clear()
        self._unsent.clear()
        self._quiet.set()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._open = False

    # -- sending ------------------------------------------------------------------------------------------------

    def _enqueue(self, unsent: dict[object, _Flight], flight: _Flight) -> None:
        """Append to what waits; newer state takes the place of older state of its channel, at the end."""
        message = flight.message
        if message.delivery == "state":
            if unsent.pop(message.channel, None) is not None:
                self._accounts[message.channel].superseded += 1
            unsent[message.channel] = flight
        else:
            unsent[(message.channel, message.epoch, message.seq)] = flight

    def _shed(self) -> None:
        """Lose the oldest waiting messages beyond the bound, and say so in the account."""
        excess = len(self._unsent) - self._held
        for key in [key for key, flight in self._unsent.items() if flight.message.delivery != "state"][:excess]:
            self._accounts[self._unsent.pop(key).message.channel].lost += 1

    def _packer(self, channel: str) -> Packer:
        packer = self._packers.get(channel)
        if packer is None:
            packer = self._packers[channel] = Packer(channel, self._prefix, self._maxlen)
        return packer

    def _flush(self) -> None:
        """Write everything that waits with one call, unless the other side is behind."""
        if not self._unsent or not self._open or self._paused or len(self._flights) >= self._window:
            return
        assert self._transport is not None
        unsent, self._unsent = self._unsent, {}
        now = self._clock.now()
        out: list[bytes] = []
        flights, packers, stamp = self._flights, self._packers, self._stamp
        for flight in unsent.values():
            message = flight.message
            packer = packers.get(message.channel) or self._packer(message.channel)
            if not flight.body:
                at = message.ts_recv if self._as_received else now
                flight.body = finish(message, stamp.prev(message), at, self._source)
            entry = b"%d-%d" % (message.epoch, message.seq) if message.delivery == "lossless" else None
            data, flight.left = packer.publish(flight.body, keep=message.keep, entry=entry)
            if message.keep:
                self._kept[message.channel] = flight.body
            out.append(data)
            flights.append(flight)
        self._transport.write(b"".join(out))

    def _call(self, command: bytes, done: Callable[[Reply], None], flight: _Flight | None = None) -> None:
        assert self._transport is not None
        self._flights.append(_Call(done, flight))
        self._transport.write(command)

    # -- replies ------------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        reader, flights = self._reader, self._flights
        reader.feed(data)
        while (reply := reader.gets()) is not False:
            flight = flights[0]
            if isinstance(flight, _Call):
                flights.popleft()
                flight.done(reply)
                continue
            flight.left -= 1
            if isinstance(reply, hiredis.ReplyError):
                self._refuse(flight, str(reply))
            if not flight.left:
                flights.popleft()
                self._settle(flight)
        self._flush()
        if not self._unsent and not self._flights:
            self._quiet.set()

    def _refuse(self, flight: _Flight, words: str) -> None:
        if "equal or smaller than the target stream top item" in words:
            flight.refused = True
        else:
            flight.failed = True
            self.error = words

    def _settle(self, flight: _Flight) -> None:
        """All replies of a message are here: it is delivered, lost, or must be looked up in its stream."""
        message = flight.message
        account = self._accounts[message.channel]
        if flight.failed:
            account.lost += 1
        elif flight.refused:
            entry = b"%d-%d" % (message.epoch, message.seq)
            self._call(self._packer(message.channel).look(entry), lambda reply: self._looked(flight, reply), flight)
        else:
            account.delivered += 1

    def _looked(self, flight: _Flight, reply: Reply) -> None:
        message = flight.message
        if _holds(reply, message):
            self._accounts[message.channel].delivered += 1
            return
        self._accounts[message.channel].lost += 1
        self.error = f"stream:{message.channel} refused {message.epoch}-{message.seq} and holds other bytes there"

    # -- the connection -----------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        if self._to.path is not None:
            await loop.create_unix_connection(lambda: _Wire(self), self._to.path)
        else:
            context = ssl.create_default_context() if self._to.tls else None
            await loop.create_connection(lambda: _Wire(self), self._to.host, self._to.port, ssl=context)
        await self._greet()
        self._open = True
        assert self._transport is not None
        if self._kept:
            for channel, body in self._kept.items():
                self._call(self._packer(channel).keep(body), _nothing)
        self._flush()

    async def _greet(self) -> None:
        """Log in, compare realms, read the memory limit."""
        for word in self._to.greeting:
            await self._ask(word)
        key = (self._prefix + REALM).encode()
        await self._ask(pack(b"SET", key, self._realm, b"NX"))
        realm = await self._ask(pack(b"GET", key))
        if realm != self._realm:
            raise ConfigError(
                f"the bus at {self._url} is of realm {_text(realm)}, this process is {_text(self._realm)}; "
                f"use another bus (bus.url) or another home folder"
            )
        memory = await self._ask(pack(b"INFO", b"memory"))
        limit = _maxmemory(memory)
        if limit:
            self._maxlen = min(self._maxlen, max(100, limit // 2 // max(1, self._streams) // ENTRY_BYTES))

    async def _ask(self, command: bytes) -> Reply:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._transport is None:
            raise ConnectionResetError("the bus hung up")
        self._call(command, lambda reply: None if future.done() else future.set_result(reply))
        reply = await asyncio.wait_for(future, self._patience)
        if isinstance(reply, OSError):
            raise reply
        if isinstance(reply, hiredis.ReplyError):
            raise ConfigError(f"the bus at {self._url} refuses: {reply}. Check user, password and database in bus.url.")
        return reply

    def _made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._paused = False

    def _dropped(self, transport: asyncio.BaseTransport | None, error: Exception | None) -> None:
        """The connection is gone: put the unconfirmed back in front, and come again."""
        if self._transport is not transport:
            return
        self._transport = None
        self._open = False
        if self._closing:
            return
        self.error = f"connection lost: {error or 'closed by the server'}"
        waiting: dict[object, _Flight] = {}
        flights, self._flights = self._flights, deque()
        for flight in [*flights, *self._unsent.values()]:
            again = flight.flight if isinstance(flight, _Call) else flight
            if again is not None:
                again.failed = again.refused = False
                self._enqueue(waiting, again)
            elif isinstance(flight, _Call):
                flight.done(ConnectionResetError("the bus hung up"))
        self._unsent = waiting
        if self._again is None or self._again.done():
            self._again = asyncio.get_running_loop().create_task(self._come_again())

    async def _come_again(self) -> None:
        attempt = 0
        while not self._open:
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1
            try:
                await self._connect()
            except ConfigError as error:
                self._fatal = error
                return
            except (OSError, TimeoutError) as error:
                self.error = f"no bus at {self._url}: {error}"
                self._hang_up()
        self.reconnects += 1
        self.error = None

    def _hang_up(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


def _nothing(reply: Reply) -> None:
    return


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _maxmemory(info: Reply) -> int:
    """The server's memory limit in bytes; 0 where it has none."""
    for line in _text(info).splitlines():
        if line.startswith("maxmemory:"):
            return int(line.partition(":")[2])
    return 0


def _holds(reply: Reply, message: Message) -> bool:
    """Whether a stream's entry is this message: equal in all that the engine wrote."""
    try:
        fields = cast("list[list[list[bytes]]]", reply)[0][1]
        body = fields[fields.index(b"message") + 1]
    except (TypeError, ValueError, IndexError):
        return False
    return isinstance(body, bytes) and body.startswith(message.head) and body.endswith(message.tail)

"""The bus: hand-packed commands on one connection, replies counted, nothing awaited between a message and its write.

A message is *delivered* when the server has confirmed every command of it. Unsent state is superseded by newer state
of its channel; lossless and sequenced messages wait. A stream refuses an id that is not newer: that confirms the
message only if the entry is there with the produced bytes. When the connection breaks, what was not confirmed is sent
again, and every `last:` key is written again, since the bus may have forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import cast

import hiredis

from realtime.bus import refused
from realtime.message import Message, finish
from realtime.sinks.base import Account, Receipt, Stamp, receipt
from realtime.sinks.connection import Connection, Flight, Reply, connect, greet
from realtime.sinks.resp import Packer, address
from warehouse.clock import Clock
from warehouse.errors import ConfigError, PublishError

ENTRY_BYTES = 600
"""What one stream entry costs the server, for the bound on all streams together."""

BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect again; the last one repeats."""


class _Delivery(Flight):
    """A message on its way."""

    __slots__ = ("_sink", "body", "failed", "message", "refused")

    def __init__(self, sink: RedisSink, message: Message) -> None:
        self._sink = sink
        self.message = message
        self.body = b""
        self.again()

    def again(self) -> None:
        """To be sent for the first time, or once more."""
        self.left = 0
        self.failed = self.refused = False

    def wrong(self, words: str) -> None:
        if "equal or smaller than the target stream top item" in words:
            self.refused = True
        else:
            self.failed = True
            self._sink.error = words

    def landed(self, reply: Reply) -> None:
        self._sink._settle(self)


class _Look(Flight):
    """The question what a stream holds at a message's place, which refused the message."""

    __slots__ = ("_sink", "delivery")

    def __init__(self, sink: RedisSink, delivery: _Delivery) -> None:
        super().__init__(1)
        self._sink, self.delivery = sink, delivery

    def landed(self, reply: Reply) -> None:
        self._sink._looked(self.delivery.message, reply)


class RedisSink:
    """Publishes to a Redis or Valkey server.

    `realm` must be the bus's own (`p9:realm`), or `start` raises ConfigError; `source` is what messages say of
    themselves. `streams` is how many channels the bus will keep as streams, of all workers: together they may use half
    of the server's memory. `window` messages may be unanswered before `congested`; `held` messages may wait while the
    bus is away, then the oldest lossless ones are lost and counted. `ts_pub_is_recv` is for a replay, which waits for a
    bus that is away: a live worker reads on, since the journal is the record. `error` is the last thing the server
    refused, None while all is well.
    """

    def __init__(
        self,
        url: str,
        *,
        realm: str,
        clock: Clock,
        source: str | None = None,
        prefix: str = "",
        streams: int = 512,
        maxlen: int = 10_000,
        window: int = 2_048,
        held: int = 100_000,
        patience: float = 5.0,
        ts_pub_is_recv: bool = False,
    ) -> None:
        self._to = address(url)
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
        self._unsent: dict[object, _Delivery] = {}
        self._kept: dict[str, bytes] = {}
        self._line: Connection | None = None
        self._closing = False
        self._again: asyncio.Task[None] | None = None
        self._fatal: ConfigError | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.error: str | None = None
        self.reconnects = 0

    # -- what a worker calls ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and check the realm.

        Raises PublishError when nobody answers, ConfigError for the other realm and for a server that refuses.
        """
        try:
            await self._connect()
        except ConfigError as error:
            await self.close()
            if (words := _refusal(error)) is not None:
                raise ConfigError(refused(self._url, words)) from None
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
            self._enqueue(unsent, _Delivery(self, message))
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
        """More than `window` messages are unanswered or waiting: stop reading until this is False.

        Without a connection only a replay waits: what is not read from a venue is lost, and not to the bus alone.
        """
        line = self._line
        if line is None:
            return self._as_received and len(self._unsent) > self._window
        return line.paused or len(line.flights) + len(self._unsent) > self._window

    @property
    def connected(self) -> bool:
        return self._line is not None

    @property
    def accounts(self) -> dict[str, Account]:
        return self._accounts

    async def close(self) -> None:
        """Wait for what is outstanding within `patience`, then count the rest as lost and hang up."""
        if self._line is not None:
            await self.settled(self._patience)
        self._closing = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.gather(self._again, return_exceptions=True)
        for delivery in self._unconfirmed(self._line):
            self._accounts[delivery.message.channel].lost += 1
        self._unsent.clear()
        self._quiet.set()
        if self._line is not None:
            self._line.flights.clear()
            self._line.close()
            self._line = None

    # -- sending ------------------------------------------------------------------------------------------------

    def _enqueue(self, unsent: dict[object, _Delivery], delivery: _Delivery) -> None:
        """Append to what waits; newer state takes the place of older state of its channel, at the end."""
        message = delivery.message
        if message.delivery == "state":
            if unsent.pop(message.channel, None) is not None:
                self._accounts[message.channel].superseded += 1
            unsent[message.channel] = delivery
        else:
            unsent[(message.channel, message.epoch, message.seq)] = delivery

    def _shed(self) -> None:
        """Lose the oldest waiting messages beyond the bound, and say so in the account.

        Some more than that at once: each walk passes over the places of what went before.
        """
        excess = len(self._unsent) - self._held + self._held // 64
        oldest = (key for key, delivery in self._unsent.items() if delivery.message.delivery != "state")
        for key in list(islice(oldest, excess)):
            self._accounts[self._unsent.pop(key).message.channel].lost += 1

    def _packer(self, channel: str) -> Packer:
        packer = self._packers.get(channel)
        if packer is None:
            packer = self._packers[channel] = Packer(channel, self._prefix, self._maxlen)
        return packer

    def _flush(self) -> None:
        """Write what waits with one call, `window` messages at most, unless the other side is behind."""
        line = self._line
        if not self._unsent or line is None or line.paused or len(line.flights) >= self._window:
            return
        unsent, self._unsent = self._unsent, {}
        if len(unsent) > self._window:  # it was away for long: the rest goes out as answers come
            waiting = iter(unsent.items())
            unsent = dict(islice(waiting, self._window))
            self._unsent = dict(waiting)
        now = self._clock.now()
        out: list[bytes] = []
        packers, stamp = self._packers, self._stamp
        for delivery in unsent.values():
            message = delivery.message
            packer = packers.get(message.channel) or self._packer(message.channel)
            if not delivery.body:
                at = message.ts_recv if self._as_received else now
                delivery.body = finish(message, stamp.prev(message), at, self._source)
            entry = b"%d-%d" % (message.epoch, message.seq) if message.delivery == "lossless" else None
            data, delivery.left = packer.publish(delivery.body, keep=message.keep, entry=entry)
            if message.keep:
                self._kept[message.channel] = delivery.body
            out.append(data)
        line.send(b"".join(out), list(unsent.values()))

    # -- replies ------------------------------------------------------------------------------------------------

    def _moved(self) -> None:
        """Replies have come, or the socket takes more again."""
        self._flush()
        if not self._unsent and (self._line is None or not self._line.flights):
            self._quiet.set()

    def _settle(self, delivery: _Delivery) -> None:
        """All replies of a message are here: it is delivered, lost, or must be looked up in its stream."""
        message = delivery.message
        account = self._accounts[message.channel]
        if delivery.failed:
            account.lost += 1
        elif delivery.refused:
            assert self._line is not None
            entry = b"%d-%d" % (message.epoch, message.seq)
            self._line.send(self._packer(message.channel).look(entry), [_Look(self, delivery)])
        else:
            account.delivered += 1

    def _looked(self, message: Message, reply: Reply) -> None:
        if _holds(reply, message):
            self._accounts[message.channel].delivered += 1
            return
        self._accounts[message.channel].lost += 1
        self.error = f"stream:{message.channel} refused {message.epoch}-{message.seq} and holds other bytes there"

    # -- the connection -----------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        line = await connect(self._to, self._moved, self._dropped)
        try:
            memory = await greet(line, self._to, self._url, self._realm, self._prefix, self._patience)
        except BaseException:
            line.abort()
            raise
        if memory:
            self._maxlen = min(self._maxlen, max(100, memory // 2 // max(1, self._streams) // ENTRY_BYTES))
        self._line = line
        for channel, body in self._kept.items():
            line.send(self._packer(channel).keep(body), [Flight(1)])
        self._flush()

    def _unconfirmed(self, line: Connection | None) -> list[_Delivery]:
        """What a connection took with it and what still waits, in order."""
        found = list[_Delivery]()
        for flight in line.flights if line is not None else ():
            if isinstance(flight, _Delivery):
                found.append(flight)
            elif isinstance(flight, _Look):
                found.append(flight.delivery)
        return [*found, *self._unsent.values()]

    def _dropped(self, line: Connection, why: str) -> None:
        """A connection is gone: put the unconfirmed back in front, and come again."""
        if line is not self._line:
            return
        self._line = None
        if self._closing:
            return
        self.error = f"connection lost: {why}"
        waiting: dict[object, _Delivery] = {}
        for delivery in self._unconfirmed(line):
            delivery.again()
            self._enqueue(waiting, delivery)
        self._unsent = waiting
        if self._again is None or self._again.done():
            self._again = asyncio.get_running_loop().create_task(self._come_again())

    async def _come_again(self) -> None:
        attempt = 0
        while self._line is None:
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1
            try:
                await self._connect()
            except ConfigError as error:
                words = _refusal(error)
                if words is None:
                    self._fatal = error
                    return
                self.error = refused(self._url, words)  # a replica after a failover, for instance
            except (OSError, TimeoutError) as error:
                self.error = f"no bus at {self._url}: {error}"
        self.reconnects += 1
        self.error = None


def _refusal(error: ConfigError) -> hiredis.ReplyError | None:
    """What the server said, when it was the server that refused at the door; None for the other realm's."""
    words = error.__context__
    return words if isinstance(words, hiredis.ReplyError) else None


def _holds(reply: Reply, message: Message) -> bool:
    """Whether a stream's entry is this message: equal in all that the engine wrote."""
    try:
        fields = cast("list[list[list[bytes]]]", reply)[0][1]
        body = fields[fields.index(b"message") + 1]
    except (TypeError, ValueError, IndexError):
        return False
    return isinstance(body, bytes) and body.startswith(message.head) and body.endswith(message.tail)

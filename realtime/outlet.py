"""Gives a channel's messages their envelope and their sequence numbers. One outlet per channel, owned by the engine."""

from __future__ import annotations

import msgspec

from realtime.fields import Fields
from realtime.message import VERSION, Delivery, Message
from warehouse.clock import Micros
from warehouse.instruments import Listing

encode = msgspec.json.Encoder().encode
"""The one encoder for everything published."""

NOTHING = b"{}"
NULL = b"null"


class Outlet:
    """Numbers and wraps the messages of one channel.

    `seq` is that of the last message; it starts at 0 with each epoch and grows by one per message.
    """

    __slots__ = ("_between", "_head", "channel", "delivery", "epoch", "seq")

    def __init__(self, channel: str, delivery: Delivery, listing: Listing, epoch: int) -> None:
        self.channel = channel
        self.delivery: Delivery = delivery
        self.epoch = epoch
        self.seq = 0
        self._head = b'{"v":%d,"channel":"%b","epoch":%d,"seq":' % (VERSION, channel.encode(), epoch)
        self._between = b',"venue":"%b","instrument":"%b",' % (listing.venue.encode(), listing.instrument.encode())

    def wrap(
        self,
        payload: bytes,
        *,
        ts_event: Micros,
        ts_recv: Micros,
        complete: bool = True,
        reasons: bytes = NOTHING,
        context_as_of: Micros | None = None,
        delivery: Delivery | None = None,
        keep: bool | None = None,
    ) -> Message:
        """The next message of this channel. `payload` is a JSON object with at least one field.

        `ts_event` is the newest venue time used, `ts_recv` that of the entry that caused the message. `context_as_of`
        is None when no historical context went into it. `keep` defaults to whether the channel is `state`.
        """
        self.seq = seq = self.seq + 1
        kind = delivery or self.delivery
        tail = b',"ts_event":%d,"ts_recv":%d,"complete":%b,"reasons":%b,"context_as_of":%b%b%b' % (
            ts_event,
            ts_recv,
            b"true" if complete else b"false",
            reasons,
            NULL if context_as_of is None else b"%d" % context_as_of,
            self._between,
            payload[1:],
        )
        stored = kind == "state" if keep is None else keep
        return Message(self.channel, kind, self.epoch, seq, ts_recv, stored, b"%b%d" % (self._head, seq), tail)

    def fields(
        self,
        fields: Fields,
        *,
        ts_event: Micros,
        ts_recv: Micros,
        complaints: list[str],
        context_as_of: Micros | None = None,
        extra: bytes = b"",
    ) -> Message:
        """The next message, of a collected payload: complete when nothing complains and every null is harmless.

        `extra` are encoded fields spliced in behind (`,"levels":[...]`).
        """
        fields.values["incomplete"] = complaints
        if fields.quality:
            fields.values["quality"] = fields.quality
        payload = encode(fields.values)
        if extra:
            payload = payload[:-1] + extra + b"}"
        return self.wrap(
            payload,
            ts_event=ts_event,
            ts_recv=ts_recv,
            complete=not complaints and fields.harmless,
            reasons=encode(fields.reasons) if fields.reasons else NOTHING,
            context_as_of=context_as_of,
        )

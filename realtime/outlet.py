"""Gives a channel's messages their envelope and their sequence numbers. One outlet per channel, owned by the engine."""

from __future__ import annotations

import msgspec

from realtime.fields import Fields
from realtime.message import VERSION, Delivery, Message
from warehouse.clock import Micros

encode = msgspec.json.Encoder().encode
"""The one encoder for everything published."""

NOTHING = b"{}"
NULL = b"null"


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Fields encoded earlier: the inside of a JSON object, the inside of its reasons, and whether these do no harm."""

    payload: bytes
    reasons: bytes
    harmless: bool

    @classmethod
    def of(cls, fields: Fields) -> Part:
        """Encode now, splice later."""
        if fields.quality:
            fields.values["quality"] = fields.quality
        return cls(encode(fields.values)[1:-1], encode(fields.reasons)[1:-1], fields.harmless)

    def state(self) -> list[object]:
        """As JSON-able values."""
        return [self.payload.decode(), self.reasons.decode(), self.harmless]

    @classmethod
    def restore(cls, state: list[object]) -> Part:
        """The inverse of `state`."""
        payload, reasons, harmless = state
        return cls(str(payload).encode(), str(reasons).encode(), bool(harmless))


class Outlet:
    """Numbers and wraps the messages of one channel.

    `seq` is that of the last message; it starts at 0 with each epoch and grows by one per message. `instrument` is
    empty for a channel of the whole venue.
    """

    __slots__ = ("_between", "_head", "channel", "delivery", "epoch", "seq")

    def __init__(self, channel: str, delivery: Delivery, venue: str, instrument: str, epoch: int) -> None:
        self.channel = channel
        self.delivery: Delivery = delivery
        self.epoch = epoch
        self.seq = 0
        self._head = b'{"v":%d,"channel":"%b","epoch":%d,"seq":' % (VERSION, channel.encode(), epoch)
        self._between = b',"venue":"%b","instrument":"%b",' % (venue.encode(), instrument.encode())

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
        said = f',"ts_event":{ts_event},"ts_recv":{ts_recv},"complete":{"true" if complete else "false"},"reasons":'
        as_of = NULL if context_as_of is None else b"%d" % context_as_of
        tail = b"".join((said.encode(), reasons, b',"context_as_of":', as_of, self._between, payload[1:]))
        stored = kind == "state" if keep is None else keep
        return Message(self.channel, kind, self.epoch, seq, ts_recv, stored, b"%b%d" % (self._head, seq), tail)

    def spoken(self, tail: bytes, ts_recv: Micros) -> Message:
        """The next message, of a JSON object that holds the envelope too, from `ts_event` on. Nothing of it is kept."""
        self.seq = seq = self.seq + 1
        head = b"%b%d" % (self._head, seq)
        return Message(self.channel, self.delivery, self.epoch, seq, ts_recv, False, head, b"," + tail[1:])

    def fields(
        self,
        fields: Fields,
        *,
        ts_event: Micros,
        ts_recv: Micros,
        complaints: list[str],
        context_as_of: Micros | None = None,
        parts: tuple[Part, ...] = (),
    ) -> Message:
        """The next message, of a collected payload: complete when nothing complains and every null is harmless.

        `parts` were encoded earlier and are spliced in behind.
        """
        fields.values["incomplete"] = complaints
        if fields.quality:
            fields.values["quality"] = fields.quality
        payload = encode(fields.values)
        reasons = encode(fields.reasons) if fields.reasons else NOTHING
        complete = not complaints and fields.harmless
        if parts:
            payload = b",".join([payload[:-1], *(part.payload for part in parts)]) + b"}"
            inner = [text for text in (reasons[1:-1], *(part.reasons for part in parts)) if text]
            reasons = b"{" + b",".join(inner) + b"}"
            complete = complete and all(part.harmless for part in parts)
        return self.wrap(
            payload,
            ts_event=ts_event,
            ts_recv=ts_recv,
            complete=complete,
            reasons=reasons,
            context_as_of=context_as_of,
        )

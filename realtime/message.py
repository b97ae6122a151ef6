"""One message on its way out. It is a JSON object: the envelope (`payloads.Envelope`), then the payload's fields.

The engine writes all of it but three fields that only the sender knows (`prev`, `ts_pub`, `source`); `finish` splices
those in. So the same journal gives the same bytes, and sending costs one join.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from warehouse.clock import Micros

VERSION = 1
"""`v` of the envelope. Payloads gain fields within a version and change meaning only with the next."""

Delivery = Literal["state", "lossless", "sequenced"]
"""`state`: the newest message wins and is kept under `last:`. `lossless`: also an entry of a bounded stream.

`sequenced`: every message in order, gaps visible by `prev`; nothing is stored but the last whole picture.
"""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as the engine made it: `head` + what the sender knows + `tail` is the whole.

    `keep`: the newest such message is stored under `last:{channel}`. `ts_recv` is that of the entry that caused it.
    """

    channel: str
    delivery: Delivery
    epoch: int
    seq: int
    ts_recv: Micros
    keep: bool
    head: bytes
    tail: bytes

    @property
    def produced(self) -> bytes:
        """The bytes that a replay reproduces: a JSON object without `prev`, `ts_pub` and `source`."""
        return self.head + self.tail


def finish(message: Message, prev: int, ts_pub: Micros, source: bytes) -> bytes:
    """The message as sent. `prev` is the `seq` sent before on this channel; `source` `live`, `emulated` or `replay`."""
    return b'%b,"prev":%d,"ts_pub":%d,"source":"%b"%b' % (message.head, prev, ts_pub, source, message.tail)


def record_name(channel_name: str) -> str:
    """The kind of a channel by its full name: `candles:okx:btc-usdt:1m` is of kind `candles`."""
    return channel_name.partition(":")[0]

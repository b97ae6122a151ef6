"""Messages as JSON lines: `record` (the kind of channel), then the message. For replays, pipes and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from realtime.message import Message, finish, record_name
from realtime.sinks.base import Account, Receipt, Stamp, receipt


class JsonlSink:
    """Writes every message to a binary stream, in order; nothing is superseded. `ts_pub` is `ts_recv`.

    The stream belongs to the caller: `close` flushes and leaves it open.
    """

    def __init__(self, out: BinaryIO, source: str = "replay") -> None:
        self._out = out
        self._source = source.encode()
        self._stamp = Stamp()
        self._accounts: dict[str, Account] = {}
        self._records: dict[str, bytes] = {}

    def put(self, batch: Sequence[Message]) -> None:
        lines: list[bytes] = []
        for message in batch:
            account = self._accounts.setdefault(message.channel, Account())
            account.produced += 1
            start = self._records.get(message.channel)
            if start is None:
                start = self._records[message.channel] = b'{"record":"%b",' % record_name(message.channel).encode()
            body = finish(message, self._stamp.prev(message), message.ts_recv, self._source)
            lines.append(start + body[1:] + b"\n")
            account.delivered += 1
        self._out.write(b"".join(lines))

    async def write(self, batch: Sequence[Message]) -> Receipt:
        self.put(batch)
        self._out.flush()
        return receipt(self._accounts)

    @property
    def congested(self) -> bool:
        return False

    @property
    def accounts(self) -> dict[str, Account]:
        return self._accounts

    async def close(self) -> None:
        self._out.flush()

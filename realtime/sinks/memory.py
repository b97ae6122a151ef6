"""A sink that keeps everything in lists: it serves most tests and every notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.message import Message, finish
from realtime.sinks.base import Account, Receipt, Stamp, receipt
from warehouse.clock import Micros


class MemorySink:
    """Delivers at once. With `held=True` it waits for `release`, and newer state supersedes unsent older state.

    `sent` holds `(channel, bytes)` in the order of sending, `last` the newest kept message of a channel. `published`
    turns a message into its `ts_pub`; without it `ts_recv` is written, as a replay does.
    """

    def __init__(
        self, source: str = "replay", published: Callable[[], Micros] | None = None, *, held: bool = False
    ) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.last: dict[str, bytes] = {}
        self.held = held
        self._source = source.encode()
        self._published = published
        self._stamp = Stamp()
        self._waiting: dict[tuple[str, int, int], Message] = {}
        self._newest: dict[str, tuple[str, int, int]] = {}
        self._accounts: dict[str, Account] = {}

    def put(self, batch: Sequence[Message]) -> None:
        for message in batch:
            account = self._accounts.get(message.channel)
            if account is None:
                account = self._accounts[message.channel] = Account()
                self._stamp.begin(message)
            account.produced += 1
            key = (message.channel, message.epoch, message.seq)
            if message.delivery == "state":
                older = self._newest.get(message.channel)
                if older is not None and self._waiting.pop(older, None) is not None:
                    account.superseded += 1
                self._newest[message.channel] = key
            self._waiting[key] = message
        if not self.held:
            self.release()

    def release(self) -> None:
        """Send what waits."""
        for message in self._waiting.values():
            at = message.ts_recv if self._published is None else self._published()
            body = finish(message, self._stamp.prev(message), at, self._source)
            self.sent.append((message.channel, body))
            if message.keep:
                self.last[message.channel] = body
            self._accounts[message.channel].delivered += 1
        self._waiting.clear()
        self._newest.clear()

    async def write(self, batch: Sequence[Message]) -> Receipt:
        self.put(batch)
        return receipt(self._accounts)

    @property
    def congested(self) -> bool:
        return False

    @property
    def accounts(self) -> dict[str, Account]:
        return self._accounts

    async def close(self) -> None:
        for message in self._waiting.values():
            self._accounts[message.channel].lost += 1
        self._waiting.clear()
        self._newest.clear()

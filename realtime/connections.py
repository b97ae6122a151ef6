"""All connections of a worker: one feed each, for a moment two while one succeeds the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from realtime.decoding import TAKEN
from realtime.feed import Accept, Feed, Rest
from realtime.succession import MARK
from warehouse.budgets.own import Budget
from warehouse.journal import Kind
from warehouse.venues.base import CloseHeir, Command, Fetch, OpenHeir, Reconnect, Send, TakeOver

log = structlog.get_logger()


class Connections:
    """Obeys what sessions command. `failed` is told of an error that ends a feed."""

    def __init__(
        self, accept: Accept, rest: Rest, budget: Budget, transport: str, failed: Callable[[BaseException], None]
    ) -> None:
        self.feeds: dict[str, Feed] = {}
        self._accept = accept
        self._rest = rest
        self._budget = budget
        self._transport = transport
        self._failed = failed
        self._tasks: dict[asyncio.Task[None], None] = {}

    def open(self, name: str, url: str) -> None:
        """Keep a connection to `url` from now on."""
        feed = self.feeds[name] = Feed(name, url, self._accept, self._budget, self._transport)
        task = asyncio.create_task(feed.run())
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def obey(self, name: str, command: Command) -> None:
        """Carry out one command of the session of connection `name`."""
        # An heir that took over in this very turn may have spoken under its old name after that.
        feed = self.feeds.get(name) or self.feeds[name.removesuffix(MARK)]
        match command:
            case Send(frame=frame):
                feed.send(frame)
            case Fetch():
                self._rest.fetch(name, command)
            case Reconnect(why=why):
                feed.reconnect(why)
            case OpenHeir(why=why):
                log.info("heir_sent_for", connection=name, why=why)
                self.open(name + MARK, feed.url)
            case CloseHeir(why=why):
                log.warning("heir_given_up", connection=name, why=why)
                heir = self.feeds.pop(name + MARK, None)
                if heir is not None:  # else it died with the worker before this one
                    heir.retire()
            case TakeOver():
                self._take_over(name, feed)

    def _take_over(self, name: str, elder: Feed) -> None:
        heir = self.feeds.pop(name + MARK)
        elder.retire()
        heir.name = name
        self._accept(name, Kind.CONNECTED, TAKEN)
        if heir.connected:
            self.feeds[name] = heir
        else:  # lost in between
            self.open(name, elder.url)
        log.info("heir_took_over", connection=name)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading from the venue."""
        for feed in self.feeds.values():
            feed.pause(paused)

    def close(self) -> None:
        """End all feeds."""
        for task in list(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

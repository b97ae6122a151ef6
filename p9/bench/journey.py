"""From the wire to a subscriber: a venue's sockets on loopback, a real worker with its journal, a real bus.

The rate goes up until a queue grows somewhere: then the last trades of a step come later than its first. What is
measured is the way of each trade, from the write to the worker's socket until a subscriber has its message; every other
message is published and heard too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec
import psutil

from configs.load import dump, load
from configs.settings import Settings
from p9.bench import sender, subscriber
from p9.bench.sender import Prepared, Sent
from p9.bench.subscriber import Heard
from realtime.bus import claim, client, start_embedded
from warehouse import keys
from warehouse.clock import OFFSET_ENV, SECOND, SystemClock, monotonic
from warehouse.errors import ConfigError

T = TypeVar("T")

PATIENCE_S = 20.0
LEAD_S = 12.0
"""From the start of the worker to the market's first moment, by the clock of both."""

AHEAD_S = 4.0
"""Its frames are sent this much before their time, so that pauses between steps make none of them late."""

STEP = 1.4
STEP_S = 0.5
NARROW = 2
"""Steps between the largest rate that went well and the smallest that did not."""

LATE_S = 0.01
"""Later than this at the end of a step, as a median, is a queue that grows."""


class Step(msgspec.Struct, frozen=True):
    """One rate: frames a second asked for and sent, milliseconds from wire to subscriber of each trade in order of
    sending, trades that never came, messages heard in a second, and the CPU time of each process as a fraction of a
    core (`others`: of everybody else on this machine).
    """

    rate: float
    reached: float
    ms: list[float]
    lost: int
    per_second: float
    cores: dict[str, float]

    @property
    def keeps_up(self) -> bool:
        """No queue grew: the frames went out at the rate, all trades came, and the last quarter came in time."""
        tail = self.ms[-len(self.ms) // 4 :]
        return not self.lost and self.reached > 0.97 * self.rate and median(tail) < LATE_S * 1000

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the trades came."""
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Journey(msgspec.Struct, frozen=True):
    """What was found: the step at the asked rate, and those of the search, in their order."""

    steady: Step
    search: list[Step]

    @property
    def largest(self) -> float:
        """The largest rate at which no queue grew, 0 when there was none."""
        return max((step.rate for step in (self.steady, *self.search) if step.keeps_up), default=0.0)


class Child:
    """A helper process with a pipe."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        context = get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=work, args=(far, *arguments), daemon=True)
        self._process.start()
        far.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None  # it was started
        return self._process.pid

    def tell(self, order: object) -> None:
        """Send an order."""
        self._pipe.send(order)

    def hear(self, kind: type[T], seconds: float) -> T:
        """The next answer. Raises ConfigError when it is a complaint, when none comes, or when the process has died."""
        try:
            if self._pipe.poll(seconds):
                answer = self._pipe.recv()
                if isinstance(answer, kind):
                    return answer
                raise ConfigError(f"the benchmark cannot go on: {answer}")
        except EOFError:
            pass
        raise ConfigError(f"a process of the benchmark did not answer within {seconds:g} s")

    def end(self) -> None:
        """At once."""
        self._process.terminate()
        self._process.join()


class Stage:
    """Everything between the wire and the subscriber, running."""

    def __init__(self, venue: Child, listener: Child, processes: Mapping[str, int]) -> None:
        self._venue, self._listener = venue, listener
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}

    def step(self, rate: float, seconds: float) -> Step:
        """Send at `rate` and wait until what was sent has come, or nothing comes any more."""
        before, begun = self._cpu(), monotonic()
        self._venue.tell((rate, seconds))
        sent = self._venue.hear(Sent, seconds + PATIENCE_S)
        after, taken = self._cpu(), monotonic() - begun
        wanted = {(symbol, trade): at for symbol, trade, at in sent.trades}
        heard = 0
        came: dict[tuple[str, str], float] = {}
        quiet = 0
        while len(came) < len(wanted) and quiet < 20:
            time.sleep(0.05)
            self._listener.tell("all")
            new: list[Heard] = self._listener.hear(list, PATIENCE_S)
            heard += len(new)
            found = {key: at for channel, body, at in new if (key := _key(channel, body)) in wanted}
            quiet = 0 if found else quiet + 1
            came.update(found)
        return Step(
            rate,
            sent.frames / sent.seconds,
            [1000 * (came[key] - at) for key, at in wanted.items() if key in came],
            len(wanted) - len(came),
            heard / seconds,
            {name: max(0.0, after[name] - before[name]) / taken for name in after},
        )

    def _cpu(self) -> dict[str, float]:
        """Seconds of CPU time used so far, by ours and by all others on this machine."""
        used = {name: sum(process.cpu_times()[:2]) for name, process in self._processes.items()}
        machine = psutil.cpu_times()
        return {**used, "others": machine.user + machine.system - sum(used.values())}


def _key(channel: str, body: bytes) -> tuple[str, str] | None:
    """Symbol and id of a trade's message."""
    if not channel.startswith("trade:"):
        return None
    return channel.split(":")[2].removesuffix("-perp").upper(), msgspec.json.decode(body)["trade_id"]


@contextmanager
def stage(frames: int, say: Callable[[str], None]) -> Iterator[Stage]:
    """Start it all, with at least `frames` to send. Raises ConfigError when the worker does not get ready."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(TemporaryDirectory(prefix="p9bench")))
        say(f"preparing {frames:,} frames ...")
        venue = Child(sender.main, frames)
        ends.callback(venue.end)
        prepared = venue.hear(Prepared, 60 + frames / 1000)
        settings = _settings(folder, prepared)
        server = start_embedded(settings.bus_socket)
        assert server is not None  # the folder is new
        ends.callback(_end, server)
        claim(settings.bus_url, "emulated")
        bus = client(settings.bus_url)
        for instrument, document in prepared.contexts.items():
            bus.set(keys.context("binance", instrument), document)
        offset = prepared.starts - SystemClock(0).now() - int(LEAD_S * SECOND)
        venue.tell(offset)
        environment = {**os.environ, "P9_CONFIG": str(folder / "config.yaml"), OFFSET_ENV: str(offset)}
        with (folder / "worker.log").open("wb") as log:
            command = [sys.executable, "-m", "p9", "worker", "--venue", "binance"]
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        ends.callback(_end, worker)
        listener = Child(subscriber.main, str(settings.bus_socket), "*:binance:*")
        ends.callback(listener.end)
        _await_ready(settings, folder, SystemClock(offset), prepared.starts)
        processes = {"sender": venue.pid, "worker": worker.pid, "bus": server.pid, "subscriber": listener.pid}
        yield Stage(venue, listener, processes)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


def _settings(folder: Path, prepared: Prepared) -> Settings:
    venues = {
        "binance": {"endpoints": prepared.endpoints}, "bybit": {"enabled": False}, "okx": {"enabled": False}
    }  # fmt: skip
    instruments = [rule.instrument for rule in prepared.rules]
    settings = load(None, home=str(folder), realm="emulated", venues=venues, instruments=instruments)
    dump(settings, folder / "config.yaml")
    return settings


def _await_ready(settings: Settings, folder: Path, clock: SystemClock, starts: int) -> None:
    """Until the worker is subscribed, and the market's first frame may be sent."""
    bus, end = client(settings.bus_url), monotonic() + PATIENCE_S
    while monotonic() < end:
        report = bus.get(keys.health("worker-binance"))
        lines = msgspec.json.decode(report)["connections"].values() if isinstance(report, bytes) else ()
        if lines and all(line["up"] and line["ready"] for line in lines):
            time.sleep(max(0.0, (starts - clock.now()) / SECOND - AHEAD_S))
            return
        time.sleep(0.05)
    raise ConfigError(f"the worker did not get ready: {(folder / 'worker.log').read_text()[-2000:]}")


def run(rate: float, seconds: float, say: Callable[[str], None]) -> Journey:
    """Measure at `rate` frames a second for `seconds`, then look for the largest rate at which no queue grows."""
    rates = [rate * STEP**power for power in range(2, 9)]
    with stage(int(2 * rate + rate * seconds + (sum(rates) + NARROW * rates[-1]) * STEP_S), say) as set_up:
        set_up.step(rate / 5, 2.0)
        set_up.step(rate, 1.0)
        steady = set_up.step(rate, seconds)
        search: list[Step] = []

        def keeps_up(wanted: float) -> bool:
            search.append(set_up.step(wanted, STEP_S))
            say(f"{wanted:,.0f} frames/s: {search[-1].percentile(0.5):.1f} ms")
            return search[-1].keeps_up

        good = rate
        for bad in rates:
            if not keeps_up(bad):
                break
            good = bad
        for _ in range(NARROW if good < bad else 0):
            middle = (good * bad) ** 0.5
            good, bad = (middle, bad) if keeps_up(middle) else (good, middle)
    return Journey(steady, search)

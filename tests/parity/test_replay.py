"""What a worker published live is what its journal gives again, killed and restarted in between."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest
import redis.asyncio as redis
from click.testing import CliRunner

from p9.commands.verify import verify
from realtime.channels import CHANNELS
from realtime.emulator.emulator import Options
from realtime.emulator.view import SeededView
from realtime.message import record_name
from realtime.replay import turns
from realtime.tape import segments
from tests.kit.installation import Bench, bench
from warehouse import keys
from warehouse.clock import MINUTE, SystemClock
from warehouse.context import encode
from warehouse.seam import Certificate
from warehouse.structure.document import build

INSTRUMENTS = ["BTC-USDT", "BTC-USDT-PERP"]
ROOT = Path(__file__).parents[2]
SENT = ("prev", "ts_pub", "source")
"""What only the sender knows."""


@asynccontextmanager
async def listening(url: str, out: Path) -> AsyncIterator[None]:
    """Every message of every channel into a file, from before the first worker starts."""
    bus = redis.Redis.from_url(url)
    patterns = [f"{channel.name}:*" for channel in CHANNELS]
    with out.open("wb") as file:
        async with bus.pubsub() as hub:
            await hub.psubscribe(*patterns)
            for _ in patterns:
                await hub.get_message(timeout=5)

            async def write() -> None:
                async for message in hub.listen():
                    file.write(message["data"] + b"\n")

            task = asyncio.create_task(write())
            try:
                yield
                await asyncio.sleep(0.2)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    await bus.aclose()


def tell_history(small: Bench, venue: str) -> None:
    """Context documents and seam certificates on the bus, as flows and recorder leave them."""
    view = cast("SeededView", small.emulator.source.view(venue))
    now = SystemClock().now()
    for rules in view.rules():
        if rules.instrument not in INSTRUMENTS:
            continue
        view.markets[rules.instrument].prepare()
        candles = view.candles(rules.instrument, "1m", now - 120 * MINUTE, now - now % MINUTE, 120, True)
        document = encode(build(rules, {"1m": candles}, None, now))
        small.bus.set(keys.context(venue, rules.instrument), document)
        small.bus.publish(keys.CONTEXT_NEWS, f"{venue}:{rules.instrument}:test")
        cut = now - now % 1_000_000
        seam = Certificate(venue=venue, instrument=rules.instrument, state="proven", cut=cut, reason=None, created=now)
        small.bus.set(keys.seam(venue, rules.instrument), msgspec.msgpack.encode(seam))


def again(journal: Path, out: Path, seed: str) -> None:
    """`p9 replay` in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "p9", "replay", str(journal), "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
    )


Key = tuple[str, int, int]


def by_key(path: Path) -> dict[Key, list[dict[str, object]]]:
    """Messages of a file by channel, epoch and seq, without what the sender adds."""
    found: dict[Key, list[dict[str, object]]] = {}
    for line in path.read_bytes().splitlines():
        message = msgspec.json.decode(line)
        message.pop("record", None)
        for name in SENT:
            message.pop(name)
        found.setdefault((message["channel"], message["epoch"], message["seq"]), []).append(message)
    return found


def counted(journal: Path, spans: list[tuple[int, int]]) -> list[dict[str, int]]:
    """Messages by kind of channel that the entries of each span give, an entry at a time."""
    found: list[dict[str, int]] = [{} for _ in spans]
    for turn in turns(journal, 1):
        for (first, end), counts in zip(spans, found, strict=True):
            if first <= turn.first_seq < end:
                for message in turn.produced.messages:
                    kind = record_name(message.channel)
                    counts[kind] = counts.get(kind, 0) + 1
    return found


async def live(tmp_path: Path, venue: str, seconds: float, rate: float) -> tuple[Path, Path, list[dict[str, object]]]:
    """A worker's life with a kill in the middle: what was heard, its journal, and the last report of each process.

    Checks the streams and `p9 verify parity` while the bus is there.
    """
    (tmp_path / "home").mkdir()
    options = Options(seed=5, venues=(venue,), lookback_us=MINUTE, rate=rate)
    heard, reports = tmp_path / "heard.jsonl", []
    settings = {"instruments": INSTRUMENTS, "journal": {"rotate_mb": 1}}
    async with bench(tmp_path / "home", options, **settings) as small, listening(small.settings.bus_url, heard):
        journal = small.settings.journal_root / venue
        worker = await small.p9("worker", "--venue", venue)
        await small.ready(f"worker-{venue}")
        await asyncio.sleep(seconds / 2)
        tell_history(small, venue)
        await asyncio.sleep(seconds / 2)
        reports.append(await small.ready(f"worker-{venue}"))
        await small.kill(worker)
        worker = await small.p9("worker", "--venue", venue)
        await small.ready(f"worker-{venue}")
        await asyncio.sleep(seconds)
        await small.run("verify", "parity", "--seconds", str(seconds), "--whole")
        reports.append(await small.ready(f"worker-{venue}"))
        assert await small.end(worker) == 0
        again(journal, tmp_path / "one.jsonl", "0")
        streams(small, by_key(tmp_path / "one.jsonl"))
    return heard, journal, reports


def streams(small: Bench, replayed: dict[Key, list[dict[str, object]]]) -> None:
    """Every stream holds every lossless message of its channel, in order and nothing else, as far back as it keeps."""
    names = sorted(key.decode().removeprefix("stream:") for key in small.bus.scan_iter(match="stream:*"))
    assert {record_name(name) for name in names} >= {"trade"}
    for name in names:
        entries = small.entries(name)
        for identity, message in entries:
            assert identity == f"{message['epoch']}-{message['seq']}"
            for field in SENT:
                message.pop(field)
        given = [copies[0] for (channel, _, _), copies in replayed.items() if channel == name]
        if record_name(name) == "candles":
            given = [message for message in given if message["closed"]]
        assert len(entries) >= min(len(given), 100)
        assert [message for _, message in entries] == given[-len(entries) :]


async def check(tmp_path: Path, venue: str, seconds: float, rate: float) -> Path:
    """Live against replayed, by means of their own; returns the file of what was heard."""
    heard, journal, reports = await live(tmp_path, venue, seconds, rate)
    again(journal, tmp_path / "two.jsonl", "12345")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.jsonl", "two.jsonl"))
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()
    replayed = by_key(tmp_path / "one.jsonl")
    published = by_key(heard)
    assert {key: copies[0] for key, copies in published.items() if copies[0] != replayed.get(key, [None])[0]} == {}
    assert all(copy == copies[0] for copies in published.values() for copy in copies), "sent again unaltered"
    kinds = {record_name(channel) for channel, _, _ in published}
    assert kinds >= {"trade", "bbo", "depth", "candles", "orderflow", "fusion_data", "market_context", "structure"}
    assert any(copies[0]["context_as_of"] for (name, _, _), copies in published.items() if "fusion_data" in name)

    spans = [(cast("int", one["counted_from"]), cast("int", one["next_seq"])) for one in reports]
    assert [one["produced"] for one in reports] == counted(journal, spans)
    assert reports[0]["run_id"] != reports[1]["run_id"]
    return heard


def verified(tmp_path: Path, heard: Path) -> tuple[int, str]:
    """What `p9 verify parity` makes of a file: exit code and words."""
    environment = {"P9_CONFIG": str(tmp_path / "home" / "config.yaml")}
    answer = CliRunner().invoke(verify, ["parity", "--captured", str(heard)], env=environment)
    return answer.exit_code, answer.output


def spoil(heard: Path) -> None:
    """Change one size of one trade."""
    lines = heard.read_bytes().splitlines()
    at = next(i for i, line in enumerate(lines) if b'"channel":"trade:' in line)
    lines[at] = lines[at].replace(b'"size":', b'"size":1')
    heard.write_bytes(b"\n".join(lines))


@pytest.mark.timeout(300)
async def test_a_killed_and_restarted_worker_is_replayed_to_the_byte(tmp_path: Path) -> None:
    heard = await check(tmp_path, "binance", 1.0, 100.0)
    spoil(heard)
    code, words = verified(tmp_path, heard)
    assert code == 1
    assert "size: published 1" in words


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("venue", ["bybit", "okx", "binance"])
async def test_longer_runs_of_every_venue(tmp_path: Path, venue: str) -> None:
    heard = await check(tmp_path, venue, 8.0, 1000.0)
    assert len(segments(tmp_path / "home" / "journal" / venue)) >= 3, "a kill and a rotation lie between"
    assert verified(tmp_path, heard)[0] == 0

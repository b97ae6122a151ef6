"""What an engine makes of a tape, in any cut; run as a module it prints a digest for comparison across processes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from realtime.channels import BY_NAME, Message
from realtime.engine import Engine, EngineConfig
from realtime.history import nulls
from realtime.message import finish, record_name
from realtime.payloads import Envelope
from realtime.tape import Writer
from tests.kit.tapes import tape
from warehouse.instruments import Rules
from warehouse.journal import Entry, Header

ENVELOPE = tuple(field.name for field in msgspec.structs.fields(Envelope))


def engine(rules: Sequence[Rules], epoch: int = 1) -> Engine:
    """A fresh engine for the rules of a tape."""
    return Engine("binance", "emulated", rules, EngineConfig(), epoch=epoch)


def header(rules: Sequence[Rules], first_seq: int = 1) -> Header:
    """The header under which `engine` would journal."""
    config = EngineConfig()
    return Header(
        journal_id="tape",
        run_id="test",
        realm="emulated",
        venue="binance",
        first_seq=first_seq,
        created=0,
        rules=list(rules),
        config=config.text(),
        config_digest=config.digest(),
    )


def run(one: Engine, entries: Sequence[Entry], first_seq: int, size: Callable[[], int]) -> list[Message]:
    """All messages of these entries, fed in blocks of `size()`."""
    found: list[Message] = []
    at = 0
    while at < len(entries):
        block = entries[at : at + size()]
        found += one.run(first_seq + at, block).messages
        at += len(block)
    return found


def journaled(folder: Path, cuts: Sequence[int], epoch: int = 1) -> list[Message]:
    """The tape as a journal whose segments begin at the cuts (multiples of 50), and what was produced live."""
    rules, entries = tape()
    live = engine(rules, epoch)
    writer = Writer(folder, header(rules), live.checkpoint())
    produced: list[Message] = []
    for at in range(0, len(entries), 50):
        if at in cuts:
            writer.rotate(header(rules, writer.next_seq), live.checkpoint())
        block = list(entries[at : at + 50])
        produced += live.run(writer.append(block), block).messages
    writer.close()
    return produced


def complaints(message: Message) -> list[str]:
    """How a message breaks its contract; empty when it keeps it."""
    whole = msgspec.json.decode(finish(message, message.seq - 1, message.ts_recv, b"replay"))
    found = []
    try:
        msgspec.convert({name: whole[name] for name in ENVELOPE}, Envelope)
    except (msgspec.ValidationError, KeyError) as error:
        found.append(f"envelope: {error!r}")
    payload = {name: value for name, value in whole.items() if name not in ENVELOPE}
    contract = BY_NAME[record_name(message.channel)].payload
    known = {field.name for field in msgspec.structs.fields(contract)} | {"quality"}
    if unknown := sorted(set(payload) - known):
        found.append(f"fields without a contract: {unknown}")
    try:
        msgspec.convert(payload, contract)
    except msgspec.ValidationError as error:
        found.append(f"payload: {error}")
    null = nulls({name: value for name, value in payload.items() if name != "quality"})
    if sorted(null) != sorted(whole["reasons"]):
        found.append(f"reasons differ from nulls: {sorted(set(null) ^ set(whole['reasons']))}")
    return found


if __name__ == "__main__":
    rules, entries = tape()
    step = int(sys.argv[1])
    digest = hashlib.sha256(b"\n".join(one.produced for one in run(engine(rules), entries, 1, lambda: step)))
    sys.stdout.write(digest.hexdigest())

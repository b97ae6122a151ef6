"""Published against replayed: what differs, lacks or is too old is counted; the first difference is told in full."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from p9.commands.verify import verify
from realtime.captured import Captured, made
from realtime.message import Message, finish, record_name
from realtime.parity import Parity, Produced, Span, seq_at, span
from realtime.tape import segments
from tests.kit.bus import Bus, bus
from tests.kit.produced import journaled
from warehouse import keys
from warehouse.errors import ConfigError, FusionError

__all__ = ["bus"]

CUTS = (2000, 4000)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Message]]:
    folder = tmp_path_factory.mktemp("parity") / "binance"
    return folder, journaled(folder, CUTS)


def file(path: Path, bodies: Iterable[bytes]) -> Captured:
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    return Captured(path)


def sent(message: Message) -> bytes:
    """As a sink would send it, some time later."""
    return finish(message, message.seq - 1, message.ts_recv + 700, b"live")


def trades(messages: list[Message]) -> list[Message]:
    return [one for one in messages if one.channel == "trade:binance:btcusdt-perp"]


def test_what_the_sender_adds_is_left_out(journal: tuple[Path, list[Message]]) -> None:
    message = journal[1][0]
    assert made(sent(message) + b"\n") == message.produced
    assert made(b'{"record":"trade",' + sent(message)[1:]) == message.produced


def test_equal_messages_and_whole_streams_hold(journal: tuple[Path, list[Message]], tmp_path: Path) -> None:
    folder, live = journal
    heard = file(tmp_path / "heard", (sent(one) for one in live if one.seq % 3))
    streams = file(tmp_path / "streams", (sent(one) for one in live if one.delivery == "lossless"))
    parity = Parity(heard, streams)
    parity.run(folder)
    assert parity.finish()
    assert parity.replayed == len(live)
    assert sum(tally.equal for tally in parity.heard.values()) == len(heard)
    assert parity.streams["trade"].equal == parity.streams["trade"].seen > 100
    assert parity.differences == []


def test_a_changed_field_is_named(journal: tuple[Path, list[Message]], tmp_path: Path) -> None:
    folder, live = journal
    one = trades(live)[5]
    body = sent(one).replace(b'"taker_side":"buy"', b'"taker_side":"both"').replace(b"sell", b"both")
    parity = Parity(file(tmp_path / "heard", [sent(trades(live)[4]), body]))
    parity.run(folder)
    assert not parity.finish()
    assert (parity.heard["trade"].equal, parity.heard["trade"].different) == (1, 1)
    (difference,) = parity.differences
    ((path, published, replayed),) = difference.fields()
    assert (path, published) == ("taker_side", '"both"')
    assert replayed in ('"buy"', '"sell"')


def test_other_bytes_of_equal_values_are_a_difference(journal: tuple[Path, list[Message]], tmp_path: Path) -> None:
    folder, live = journal
    parity = Parity(file(tmp_path / "heard", [sent(live[0]).replace(b'"reasons":', b'"reasons": ')]))
    parity.run(folder)
    assert not parity.finish()
    ((where, _, _),) = parity.differences[0].fields()
    assert where.startswith("byte ")


def test_a_message_that_the_journal_does_not_give_is_missing(
    journal: tuple[Path, list[Message]], tmp_path: Path
) -> None:
    folder, live = journal
    invented = msgspec.structs.replace(
        live[-1], seq=10**6, head=live[-1].head[: live[-1].head.rindex(b":") + 1] + b"1000000"
    )
    parity = Parity(file(tmp_path / "heard", [sent(live[-1]), sent(invented)]))
    parity.run(folder)
    assert not parity.finish()
    assert parity.heard[record_name(invented.channel)].missing == 1
    assert parity.differences[0].replayed is None


def test_a_hole_in_a_stream_is_missing_and_its_trimmed_beginning_is_not(
    journal: tuple[Path, list[Message]], tmp_path: Path
) -> None:
    folder, live = journal
    kept = trades(live)[10:]
    del kept[3]
    parity = Parity(file(tmp_path / "heard", [sent(live[0])]), file(tmp_path / "streams", map(sent, kept)))
    parity.run(folder)
    assert not parity.finish()
    assert parity.streams["trade"].missing == 1
    assert parity.differences[0].published is None
    assert parity.differences[0].seq == trades(live)[13].seq


def test_what_is_older_than_the_replayed_part_proves_nothing(
    journal: tuple[Path, list[Message]], tmp_path: Path
) -> None:
    folder, live = journal
    parity = Parity(file(tmp_path / "heard", map(sent, trades(live))))
    parity.run(folder, CUTS[-1] + 1)
    assert parity.finish()
    tally = parity.heard["trade"]
    assert tally.older > 0
    assert tally.equal > 0
    assert tally.older + tally.equal == tally.seen
    only_old = Parity(file(tmp_path / "old", [sent(live[0])]))
    only_old.run(folder, CUTS[-1] + 1)
    assert not only_old.finish(), "nothing was compared"


def test_counts_of_a_stretch_are_found_again(journal: tuple[Path, list[Message]], tmp_path: Path) -> None:
    folder, live = journal
    told: dict[str, int] = {}
    for one in live:
        told[record_name(one.channel)] = told.get(record_name(one.channel), 0) + 1
    right, wrong = (Span("binance", "tape", 1, 10**9, {**told, "trade": told["trade"] + change}) for change in (0, 1))
    parity = Parity(file(tmp_path / "heard", [sent(live[0])]), spans=[right, wrong])
    parity.run(folder)
    assert not parity.finish()
    assert right.found == wrong.found == told
    assert right.holds
    assert not wrong.holds
    parity.spans.pop()
    assert parity.finish()


def test_a_span_lies_between_two_reports_of_one_process() -> None:
    def report(run_id: str, end: int, count: int) -> Produced:
        return Produced(
            venue="okx", journal_id="j", run_id=run_id, counted_from=5, next_seq=end, produced={"trade": count}
        )

    between = span(report("a", 50, 7), report("a", 90, 10))
    assert (between.first, between.end, between.told) == (50, 90, {"trade": 3})
    since_start = span(report("a", 50, 7), report("b", 90, 4))
    assert (since_start.first, since_start.end, since_start.told) == (5, 90, {"trade": 4})


def test_the_segment_of_a_time_is_found(journal: tuple[Path, list[Message]]) -> None:
    folder, _ = journal
    first = int(segments(folder)[-1].stem)
    assert seq_at(folder, 1) == first, "all of them were created at 0"
    assert seq_at(folder, -1) == 0


def test_something_else_is_not_a_capture(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"heard:2: not a published message"):
        file(tmp_path / "heard", [b"", b'{"price":1}'])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no journal under"),
        (["--journal", "{journal}"], "no worker reports on this bus"),
        (["--journal", "{journal}", "--captured", "{empty}"], "holds no message"),
    ],
)
def test_what_cannot_be_verified_is_said(
    journal: tuple[Path, list[Message]], tmp_path: Path, bus: Bus, arguments: list[str], words: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"home: {tmp_path}\nbus:\n  url: {bus.url}\n")
    (tmp_path / "empty").touch()
    filled = [one.format(journal=journal[0], empty=tmp_path / "empty") for one in arguments]
    answer = CliRunner().invoke(verify, ["parity", *filled], env={"P9_CONFIG": str(config)})
    assert isinstance(answer.exception, FusionError)
    assert words in str(answer.exception)


def test_a_silent_worker_and_an_absent_bus_are_said(
    journal: tuple[Path, list[Message]], tmp_path: Path, bus: Bus
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"home: {tmp_path}\nbus:\n  url: {bus.url}\n")
    report = {"venue": "binance", "journal_id": "tape", "run_id": "r", "counted_from": 1, "next_seq": 9, "produced": {}}
    bus.redis.set(keys.health("worker-binance"), msgspec.json.encode(report))
    asked = ["parity", "--journal", str(journal[0]), "--seconds", "0.1"]
    silent = CliRunner().invoke(verify, asked, env={"P9_CONFIG": str(config)})
    assert "nothing was published within 0.1 s" in str(silent.exception)
    bus.stop()
    absent = CliRunner().invoke(verify, asked, env={"P9_CONFIG": str(config)})
    assert "no bus at" in str(absent.exception)

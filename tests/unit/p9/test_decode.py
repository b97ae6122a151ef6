"""`p9 decode` reads journals and text, whatever stands around a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from p9.commands.decode import decode
from realtime.tape import Writer
from tests.kit.produced import engine, header
from tests.kit.recordings import recordings
from tests.kit.tapes import tape

TRADE = (
    b'{"e":"aggTrade","E":1700000000100,"s":"BTCUSDT","a":7,"p":"37000.10","q":"0.00200","f":9,"l":10,'
    b'"T":1700000000099,"m":true,"M":true}'
)
DIFF = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1700000000200,"s":"BTCUSDT","U":%d,"u":%d,'
    b'"b":[["37000.10","%b"]],"a":[["37000.20","1.5"]]}}'
)


def run(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(decode, list(arguments))
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line) for line in result.stdout.splitlines()]


def text(path: Path, *lines: bytes) -> str:
    path.write_bytes(b"\n".join(lines))
    return str(path)


def binance(path: str) -> list[dict[str, Any]]:
    return run("--venue", "binance", "--market", "spot", path)


def test_a_bare_frame_has_no_receive_time(tmp_path: Path) -> None:
    (found,) = binance(text(tmp_path / "a.txt", TRADE))
    assert next(iter(found)) == "record"
    assert (found["record"], found["instrument"], found["ts_recv"]) == ("trade", "BTC-USDT", None)
    assert (found["price"], found["size"], found["taker_side"]) == (37000.1, 0.002, "sell")
    assert (found["trade_id"], found["trade_seq"]) == ("7", 7)


@pytest.mark.parametrize(
    ("line", "at"),
    [(b"1700000000123456 " + TRADE, 1700000000123456), (b"1700000000123456789 " + TRADE, 1700000000123456),
     (b"1700000000.123456: " + TRADE, 1700000000123456)],
)  # fmt: skip
def test_times_before_the_frame_are_kept(tmp_path: Path, line: bytes, at: int) -> None:
    (found,) = binance(text(tmp_path / "a.txt", line))
    assert found["ts_recv"] == at


def test_diffs_without_a_snapshot_begin_from_nothing(tmp_path: Path) -> None:
    found = binance(text(tmp_path / "a.txt", DIFF % (5, 6, b"2.0"), DIFF % (7, 9, b"0.0"), DIFF % (12, 13, b"1.0")))
    kinds = [one["record"] for one in found]
    assert kinds.count("book_update") == 3
    assert "sequence_gap" in kinds
    assert not any(one.get("snapshot") for one in found)


def test_a_recorded_snapshot_comes_first(tmp_path: Path) -> None:
    snapshot = b'{"lastUpdateId":6,"bids":[["36999.00","1.0"]],"asks":[["37000.50","2.0"]]}'
    found = binance(text(tmp_path / "a.txt", DIFF % (5, 6, b"2.0"), snapshot, DIFF % (7, 9, b"0.0")))
    assert [one["snapshot"] for one in found if one["record"] == "book_update"] == [True, False]


def test_an_unreadable_frame_is_a_record_too(tmp_path: Path) -> None:
    found = binance(text(tmp_path / "a.txt", TRADE, b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade"}}'))
    assert [one["record"] for one in found] == ["trade", "undecodable"]


def test_holes_in_a_file_stay_holes(tmp_path: Path) -> None:
    later = TRADE.replace(b'"a":7', b'"a":9')
    found = binance(text(tmp_path / "a.txt", TRADE, later))
    assert [one["trade_id"] for one in found if one["record"] == "trade"] == ["7", "9"]
    assert [one["state"] for one in found if one["record"] == "sequence_gap"][-1] == "unrecoverable"


def test_okx_contracts_become_base_units(tmp_path: Path) -> None:
    frame = (
        b'{"arg":{"channel":"trades-all","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP",'
        b'"tradeId":"5","px":"37000.1","sz":"3","side":"buy","ts":"1700000000099"}]}'
    )
    (found,) = run("--venue", "okx", "--market", "perp", text(tmp_path / "a.txt", frame))
    assert (found["instrument"], found["size"]) == ("BTC-USDT-PERP", 0.03)
    unknown = frame.replace(b"BTC-USDT-SWAP", b"ABC-USDT-SWAP")
    result = CliRunner().invoke(decode, ["--venue", "okx", "--market", "perp", text(tmp_path / "b.txt", unknown)])
    assert result.exit_code != 0
    assert "--contract-value" in str(result.exception)


def test_every_stream_finds_the_connection_that_carries_it(tmp_path: Path) -> None:
    arg = b'{"arg":{"channel":"%b","instId":"BTC-USDT"},"data":[%b]}'
    quote = b'{"asks":[["100.2","2","0","1"]],"bids":[["100.1","1","0","1"]],"ts":"1723161255000","seqId":7}'
    fill = b'{"instId":"BTC-USDT","tradeId":"9","px":"100.2","sz":"0.5","side":"buy","ts":"1723161255095"}'
    path = text(tmp_path / "a.txt", arg % (b"bbo-tbt", quote), arg % (b"trades-all", fill))
    found = run("--venue", "okx", "--market", "spot", path)
    assert [one["record"] for one in found] == ["best_quote", "trade"]


def test_a_journal_knows_its_own(tmp_path: Path) -> None:
    rules, entries = tape()
    writer = Writer(tmp_path / "j", header(rules), engine(rules).checkpoint())
    writer.append(list(entries[:500]))
    writer.close()
    kinds = {one["record"] for one in run(str(tmp_path / "j"))}
    assert {"trade", "book_update", "best_quote", "connected"} <= kinds


def test_text_needs_to_be_told_whose_it_is(tmp_path: Path) -> None:
    result = CliRunner().invoke(decode, [text(tmp_path / "a.txt", TRADE)])
    assert result.exit_code == 2
    assert "--venue and --market" in result.output


def test_a_recorded_session_is_read_whole() -> None:
    path = recordings("binance", "linear", "ws_capture_20230404", "btcusdt_20230404.dat.gz")
    counted: dict[str, int] = {}
    for one in run("--venue", "binance", "--market", "perp", str(path)):
        counted[one["record"]] = counted.get(one["record"], 0) + 1
    streams = {"best_quote": 6765, "trade": 2197, "book_update": 4323, "mark_price": 99, "funding_rate": 99}
    assert counted == streams

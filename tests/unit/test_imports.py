"""`p9 journal`: other recorders' files become a journal that sessions read, and that people can look into."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from p9.commands.journal import journal
from p9.imports import convert
from realtime.decoding import Decoding
from realtime.replay import turns
from realtime.tape import read_segments
from warehouse.errors import ConfigError
from warehouse.records import BookUpdate, Trade

SNAPSHOT = '{"lastUpdateId":100,"bids":[["10.00","1.00000"]],"asks":[["10.01","2.00000"]]}'
DIFF = (
    '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT",'
    '"U":99,"u":103,"b":[["9.99","5.00000"]],"a":[]}}'
)
TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":7,"p":"10.01","q":"0.02000",'
    '"T":1723161255342,"m":true,"M":true}}'
)


def written(folder: Path, *bodies: str) -> Path:
    """Bodies in layout A, a millisecond apart."""
    file = folder / "capture.txt"
    file.write_text("".join(f"{1723161255000000 + n * 1000} {body}\n" for n, body in enumerate(bodies)))
    return file


@pytest.mark.parametrize("bodies", [(SNAPSHOT, TRADE, DIFF), (TRADE, DIFF, SNAPSHOT)])
def test_the_snapshot_joins_the_book_wherever_it_was_recorded(tmp_path: Path, bodies: tuple[str, ...]) -> None:
    assert convert("binance", "spot", [], None, [written(tmp_path, *bodies)], tmp_path / "out") == 4
    updates, trades = [], []
    times = []
    for segment, entries in read_segments(tmp_path / "out"):
        assert segment.header.streams is not None
        assert sorted(segment.header.streams) == ["depth@100ms", "trade"]
        decoding = Decoding.of(segment.header)
        for _, entry in entries:
            times.append(entry.ts_recv)
            for _, output in decoding.feed(entry):
                if isinstance(output, BookUpdate):
                    updates.append((output.snapshot, output.update_id))
                elif isinstance(output, Trade):
                    trades.append(output.trade_id)
    assert updates == [(True, 100), (False, 103)]
    assert trades == ["7"]
    assert times == sorted(times)


def test_frames_of_layout_b_are_kept_and_what_was_sent_is_not(tmp_path: Path) -> None:
    file = tmp_path / "capture.txt"
    lines = ["wss://x <-> 1723161255.1", 'wss://x <- 1723161255.2: {"method":"SUBSCRIBE"}', f"1723161255.3: {TRADE}"]
    file.write_text("\n".join(lines) + "\n")
    convert("binance", "spot", [], None, [file], tmp_path / "out")
    bodies = [(e.ts_recv, e.payload) for _, entries in read_segments(tmp_path / "out") for _, e in entries if e.payload]
    assert bodies == [(1723161255300000, TRADE.encode())]


BYBIT = (
    '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1723161255000,"data":{"s":"BTCUSDT","b":[["100.1","1"]],'
    '"a":[["100.2","2"]],"u":7,"seq":70},"cts":1723161254990}',
    '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1723161255100,"data":[{"T":1723161255095,"s":"BTCUSDT",'
    '"S":"Buy","v":"0.5","p":"100.2","i":"2290000000090712222","BT":false}]}',
    '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1723161255200,"data":{"s":"BTCUSDT","b":[],'
    '"a":[["100.2","1"]],"u":8,"seq":71},"cts":1723161255190}',
)
OKX = (
    '{"event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"connId":"a"}',
    '{"event":"subscribe","arg":{"channel":"trades-all","instId":"BTC-USDT"},"connId":"b"}',
    '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["100.2","2","0","1"]],'
    '"bids":[["100.1","1","0","1"]],"ts":"1723161255000","seqId":7}]}',
    '{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"9","px":"100.2",'
    '"sz":"0.5","side":"buy","ts":"1723161255095"}]}',
)


@pytest.mark.parametrize(
    ("venue", "market", "bodies", "streams", "book"),
    [
        ("bybit", "perp", BYBIT, ("orderbook.50", "publicTrade"), "depth"),
        ("okx", "spot", OKX, ("bbo-tbt", "trades-all"), "bbo"),
    ],
)
def test_recordings_of_other_venues_are_replayed_by_their_own_streams(
    tmp_path: Path, venue: str, market: str, bodies: tuple[str, ...], streams: tuple[str, ...], book: str
) -> None:
    later = '{"op":"pong"}' if venue == "bybit" else "{}"
    file = written(tmp_path, *bodies)
    with file.open("a") as more:
        more.write(f"{1723161255000000 + 2_000_000} {later}\n")
    convert(venue, market, [], None, [file], tmp_path / "out")
    (segment, _), *_ = read_segments(tmp_path / "out")
    assert segment.header.streams == streams
    found = [one.channel.partition(":")[0] for turn in turns(tmp_path / "out") for one in turn.produced.messages]
    assert found.count("trade") == 1
    assert book in found


def test_a_file_in_neither_layout_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("no recording\n")
    with pytest.raises(ConfigError, match="no line in layout A or B"):
        convert("binance", "spot", [], None, [other], tmp_path / "out")
    with pytest.raises(ConfigError, match="not empty"):
        convert("binance", "spot", [], None, [written(tmp_path, TRADE)], tmp_path)


def test_the_command_imports_tells_and_prints(tmp_path: Path) -> None:
    file, out = written(tmp_path, TRADE, DIFF, SNAPSHOT), tmp_path / "out"
    run = CliRunner().invoke
    made = run(journal, ["import", "--venue", "binance", "--market", "spot", str(file), str(out)])
    assert (made.exit_code, made.output) == (0, f"{out}: 4 entries\n")
    told = run(journal, ["info", str(out)]).output
    assert "frame 2, answer 1, connected 1" in told
    assert "BTC-USDT tick 0.01" in told
    printed = run(journal, ["cat", str(out), "--limit", "2"]).output.splitlines()
    assert [msgspec.json.decode(line)["kind"] for line in printed] == ["connected", "frame"]

"""Real OKX recordings: a 2022 capture with checksums, and frames of July 2026."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import msgspec

from tests.kit.recordings import recordings
from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, FundingRate, Liquidation, MarkPrice, SequenceGap, Ticker, Trade, Undecodable
from warehouse.venues.base import Dialect, Output
from warehouse.venues.okx import render
from warehouse.venues.okx.session import OkxSession, sessions

AT_2022: Micros = 1_652_459_225_000_000
RULES_2022 = [
    Rules(venue="okx", instrument="BTC-USDT", symbol="BTC-USDT", market="spot", tick="0.1", lot="0.00000001"),
    Rules(venue="okx", instrument="UNI-USD-PERP", symbol="UNI-USD-SWAP", market="perp", tick="0.001", lot="1"),
    Rules(venue="okx", instrument="BTC-USD-220527-PERP", symbol="BTC-USD-220527", market="perp", tick="0.1", lot="1"),
]


def capture(path: Path) -> list[tuple[Micros, bytes]]:
    """`(ts_recv, frame)` of a format B file; what the client sent and the connect are left out."""
    with gzip.open(path, "rb") as lines:
        found = (re.match(rb"(\d+\.\d+): (.*)", line, re.DOTALL) for line in lines)
        return [(round(float(one[1]) * 1e6), one[2].rstrip(b"\n")) for one in found if one is not None]


def session_2022() -> OkxSession:
    (one,) = sessions(RULES_2022, Dialect(streams=("books", "trades"), at=AT_2022))
    return one


def play(one: OkxSession, frames: list[tuple[Micros, bytes]]) -> list[Output]:
    one.connected(frames[0][0])
    return [output for at, frame in frames for output in one.receive(frame, at)]


def test_all_290_checksums_of_2022_verify() -> None:
    frames = capture(recordings("okx", "mixed", "cryptofeed_20220513", "OKX.ws.1.0.gz"))
    one = session_2022()
    outputs = play(one, frames)
    kinds = Counter(type(output).__name__ for output in outputs)
    assert kinds == {"BookUpdate": 290, "Trade": kinds["Trade"]}
    assert kinds["Trade"] == 74
    assert one.ready
    books = [output for output in outputs if isinstance(output, BookUpdate)]
    assert sum(book.snapshot for book in books) == 3


def test_a_changed_size_in_2022_is_a_gap_found_by_the_checksum() -> None:
    frames = capture(recordings("okx", "mixed", "cryptofeed_20220513", "OKX.ws.1.0.gz"))
    updates = [at for at, (_, frame) in enumerate(frames) if b'"update"' in frame and b'"BTC-USDT"' in frame]
    at, frame = frames[updates[5]]
    row = msgspec.json.decode(frame)
    side = "asks" if row["data"][0]["asks"] else "bids"
    row["data"][0][side][0][1] = "17.17171717"
    frames[updates[5]] = (at, msgspec.json.encode(row))
    outputs = play(session_2022(), frames)
    gaps = [output for output in outputs if isinstance(output, SequenceGap)]
    assert [(gap.instrument, gap.cause, gap.state) for gap in gaps] == [("BTC-USDT", "checksum", "open")]
    seen = Counter(output.instrument for output in outputs if isinstance(output, BookUpdate))
    whole = Counter(
        output.instrument for output in play(session_2022(), capture_whole()) if isinstance(output, BookUpdate)
    )
    assert seen["BTC-USDT"] == 1 + 5
    assert all(seen[name] == whole[name] for name in ("UNI-USD-PERP", "BTC-USD-220527-PERP"))


def test_a_session_that_joins_a_tape_of_2022_late_starts_from_the_snapshot_it_is_given() -> None:
    frames = capture_whole()
    played = [output for output in play(session_2022(), frames) if isinstance(output, BookUpdate)]
    whole: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
    joined, half = 0, len(frames) // 2
    late = session_2022()
    late.connected(frames[half][0])
    seen: list[Output] = []
    reference = session_2022()
    reference.connected(frames[0][0])
    for number, (at, frame) in enumerate(frames):
        if number == half:
            for rules in RULES_2022:
                seen += late.receive(given(rules, *whole[rules.instrument]), at)
        for output in reference.receive(frame, at):
            if isinstance(output, BookUpdate):
                bids, asks = whole.setdefault(output.instrument, ({}, {}))
                if output.snapshot:
                    bids.clear()
                    asks.clear()
                bids.update(output.bids)
                asks.update(output.asks)
        if number >= half:
            seen += late.receive(frame, at)
            joined += b'"books"' in frame[:40]
    assert joined > 100
    assert not [output for output in seen if isinstance(output, SequenceGap)]
    assert len([output for output in seen if isinstance(output, BookUpdate)]) == 3 + joined
    assert len(played) == 290


def given(rules: Rules, bids: dict[float, float], asks: dict[float, float]) -> bytes:
    """The snapshot that OKX's own side would send of this book."""
    whole = BookUpdate(
        venue="okx", instrument=rules.instrument, ts_event=AT_2022, ts_recv=AT_2022, snapshot=True, update_id=77,
        bids=sorted([level for level in bids.items() if level[1]], reverse=True),
        asks=sorted(level for level in asks.items() if level[1]),
    )  # fmt: skip
    arg = {"channel": "books", "instId": rules.symbol}
    row = {**render.book(whole, 400), "checksum": 0, "prevSeqId": -1}
    return msgspec.json.encode({"arg": arg, "action": "snapshot", "data": [row]})


def capture_whole() -> list[tuple[Micros, bytes]]:
    return capture(recordings("okx", "mixed", "cryptofeed_20220513", "OKX.ws.1.0.gz"))


def test_trades_of_2022_are_contiguous_within_the_capture() -> None:
    outputs = play(session_2022(), capture_whole())
    for rules in RULES_2022:
        ids = [one.trade_seq or 0 for one in outputs if isinstance(one, Trade) and one.instrument == rules.instrument]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_frames_of_july_2026_chain_without_a_checksum() -> None:
    folder = recordings("okx", "spot", "frames_202607")
    (one,) = sessions(RULES_2022[:1], Dialect(streams=("books",)))
    one.connected(1)
    names = ("subscribe_ack.json", "books_snapshot.json", "books_update_normal.json")
    outputs = [output for name in names for output in one.receive((folder / name).read_bytes(), 2)]
    assert one.ready
    snapshot, update = outputs
    assert isinstance(snapshot, BookUpdate)
    assert isinstance(update, BookUpdate)
    assert (len(snapshot.bids), len(snapshot.asks)) == (400, 400)
    assert (snapshot.update_id, update.previous_id, update.update_id) == (78677952608, 78677952608, 78677952687)
    assert update.asks[1] == (64223.0, 0.0)


def swap(symbol: str, tick: str, lot: str, contract: str) -> Rules:
    base = symbol.split("-")[0]
    return Rules(
        venue="okx", instrument=f"{base}-USDT-PERP", symbol=symbol, market="perp", tick=tick, lot=lot,
        contract_value=contract,
    )  # fmt: skip


def test_single_frames_of_2021_and_2022_are_read_as_marks_funding_and_tickers() -> None:
    rules = [swap("WNCG-USDT-SWAP", "0.0001", "1", "1"), swap("SOS-USDT-SWAP", "0.0000000001", "1", "1")]
    one = session_of(rules)
    frames = recordings("okx", "swap", "frames_tardis", "frames.jsonl").read_bytes().splitlines()
    found = [output for frame in frames if b'"arg"' in frame for output in one.receive(frame, 7)]
    known = {type(output).__name__: output for output in found if not isinstance(output, Undecodable)}
    assert list(known) == ["FundingRate", "Ticker", "MarkPrice"]
    funding, ticker, mark = known["FundingRate"], known["Ticker"], known["MarkPrice"]
    assert isinstance(funding, FundingRate)
    assert (funding.funding_rate, funding.next_funding_at, funding.interval_us) == (0.00048105, 1640131200000000, None)
    assert isinstance(ticker, Ticker)
    assert (ticker.last_price, ticker.volume, ticker.quote_volume) == (2.1729, 803940.0, None)
    assert isinstance(mark, MarkPrice)
    assert (mark.mark_price, mark.ts_event) == (2.1729, 1640131259180000)
    lost = [output for output in found if isinstance(output, Undecodable)]
    assert [output.why for output in lost] == ["Object missing required field `fundingRate` - at `$.data[0]`"]


def test_a_liquidation_of_2026_is_read() -> None:
    one = session_of([swap("MINA-USDT-SWAP", "0.00001", "1", "1")])
    frames = recordings("okx", "swap", "frames_liquidation_2026", "frames.jsonl").read_bytes().splitlines()
    (found,) = [output for frame in frames for output in one.receive(frame, 7)]
    assert isinstance(found, Liquidation)
    assert (found.instrument, found.liquidated_side, found.price, found.size) == (
        "MINA-USDT-PERP",
        "short",
        0.09859,
        10975.0,
    )
    assert (found.ts_event, found.sampled, found.price_basis) == (1789678209470000, True, "bankruptcy")


def session_of(rules: list[Rules]) -> OkxSession:
    streams = ("funding-rate", "tickers", "mark-price", "liquidation-orders")
    (one,) = sessions(rules, Dialect(streams=streams))
    one.connected(1)
    return one

"""A book whose price leaves what its snapshot held is renewed while it goes on."""

from __future__ import annotations

import pytest

from realtime.engine import Produced
from tests.kit.wires import Bench
from warehouse.clock import SECOND
from warehouse.records import BookInvalid, SequenceGap
from warehouse.venues.base import Fetch
from warehouse.venues.binance import decode, requests

LEVELS = 50


@pytest.mark.parametrize("name", ["BTC-USDT", "BTC-USDT-PERP"])
def test_what_is_read_of_a_cut_book_is_what_the_venue_has(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in (decode, requests):
        monkeypatch.setattr(module, "BOOK_LEVELS", LEVELS)
    bench = Bench("binance", 5, rate=400, instruments=[name])
    asked, short, read = 0, 0, 0
    broken: list[SequenceGap | BookInvalid] = []

    def heard(produced: Produced) -> None:
        nonlocal asked
        asked += sum(isinstance(one, Fetch) and one.purpose == "book" for _, one in produced.commands)
        broken.extend(one for one in produced.notices if isinstance(one, SequenceGap | BookInvalid))

    bench.heard = heard
    book = bench.engine.instruments[name].book
    for _ in range(1200):
        bench.run(SECOND // 10)
        if not book.valid:
            continue
        top, truth = book.top(20), bench.books[name][book.update_id]
        for mine, theirs in zip((top.bid_ticks, top.ask_ticks), truth, strict=True):
            assert len(mine) == 1 or mine == [book.grid.ticks(price) for price, _ in theirs[: len(mine)]]
            short += len(mine) < 20
            read += 1
    assert broken == []
    assert asked > 3
    assert short < read / 4

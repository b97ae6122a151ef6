"""What the recorder keeps of further feeds: liquidations, changes, one reading a minute, a picture each five."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from realtime.recording.keeping import PICTURE_EVERY, Keeper
from warehouse.book import Book
from warehouse.clock import MINUTE, SECOND
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, FundingRate, InsuranceFund, Liquidation, MarkPrice, OpenInterest
from warehouse.rows import BookPicture

NOW = 1_795_000_200 * SECOND
RULES = Rules(venue="okx", instrument="BTC-USDT-PERP", symbol="BTC-USDT-SWAP", market="perp", tick="0.1", lot="1",
              contract_value="0.01")  # fmt: skip


def head(after: int = 0) -> dict[str, Any]:
    return {"venue": "okx", "instrument": "BTC-USDT-PERP", "ts_event": NOW + after, "ts_recv": NOW + after}


@pytest.fixture
def given() -> list[tuple[str, msgspec.Struct]]:
    return []


@pytest.fixture
def keeper(given: list[tuple[str, msgspec.Struct]]) -> Keeper:
    return Keeper({RULES.instrument: RULES}, lambda table, row: given.append((table, row)))


def test_every_liquidation_is_kept(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    for nth in range(2):
        keeper.take(Liquidation(
            **head(), liquidated_side="long", price=9.5, size=0.2, ticks=95, lots=20, price_basis="bankruptcy",
            sampled=True, nth=nth,
        ))  # fmt: skip
    assert [table for table, _ in given] == ["liquidations", "liquidations"]


def test_one_reading_a_minute_is_kept(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    for after in (0, SECOND, MINUTE, MINUTE + SECOND):
        keeper.take(OpenInterest(**head(after), open_interest=5.0, open_interest_quote=None))
        keeper.take(FundingRate(**head(after), funding_rate=1e-4, settled=False))
    assert [table for table, _ in given] == ["open_interest", "accruals"] * 2
    keeper.take(FundingRate(**head(9 * MINUTE), funding_rate=1e-4, settled=True))
    keeper.take(OpenInterest(**head(9 * MINUTE), open_interest=5.0, open_interest_quote=None, period_us=1))
    assert len(given) == 4, "settled rates and history rows are the flows' business"


def test_mark_and_index_that_come_apart_make_one_row(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    keeper.take(MarkPrice(**head(), mark_price=10.0, index_price=None))
    keeper.take(MarkPrice(**head(1), mark_price=None, index_price=9.0))
    assert given == [("marks", MarkPrice(**head(1), mark_price=10.0, index_price=9.0))]


def test_a_row_pairs_a_mark_with_no_index_of_another_time(
    keeper: Keeper, given: list[tuple[str, msgspec.Struct]]
) -> None:
    def say(after: int, mark: float | None, index: float | None) -> None:
        keeper.take(MarkPrice(**head(after), mark_price=mark, index_price=index))

    say(0, 10.0, None)
    say(SECOND + 1, None, 9.0)
    assert given == [], "an index is no row of its own"
    say(SECOND + 2, 10.1, None)
    say(MINUTE, 10.2, None)
    say(2 * MINUTE, None, 9.1)
    say(2 * MINUTE + SECOND, 10.3, None)
    say(MINUTE + SECOND, 7.0, 7.0)
    say(3 * MINUTE, 10.4, 9.2)
    say(4 * MINUTE - SECOND, 10.5, None)
    say(4 * MINUTE, None, 9.3)
    kept = [(SECOND + 2, 10.1, 9.0), (MINUTE, 10.2, None), (2 * MINUTE + SECOND, 10.3, 9.1), (3 * MINUTE, 10.4, 9.2),
            (4 * MINUTE, 10.5, 9.3)]  # fmt: skip
    assert given == [
        ("marks", MarkPrice(**head(after), mark_price=mark, index_price=index)) for after, mark, index in kept
    ]


def test_a_balance_is_kept_when_it_changes(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    for balance in (5.0, 5.0, 6.0):
        keeper.take(InsuranceFund(**head(), pool="BTC-USDT", asset="USDT", balance=balance, balance_usd=None))
    assert [row.balance for _, row in given if isinstance(row, InsuranceFund)] == [5.0, 6.0]


def test_a_readable_book_is_pictured_each_five_minutes(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    start = NOW // PICTURE_EVERY * PICTURE_EVERY
    keeper.tick(start + 1)
    keeper.tick(start + PICTURE_EVERY)
    assert given == [], "an empty book is no picture"
    book = BookUpdate(**head(), bids=[(9.9, 3.0), (9.8, 1.0)], asks=[(10.1, 2.0)], snapshot=True, update_id=7)
    keeper.take(book)
    keeper.tick(start + PICTURE_EVERY + SECOND)
    keeper.tick(start + 2 * PICTURE_EVERY)
    [(table, row)] = given
    assert table == "books"
    assert isinstance(row, BookPicture)
    assert (row.bid_prices, row.bid_sizes, row.ask_prices, row.ask_sizes) == ([9.9, 9.8], [0.03, 0.01], [10.1], [0.02])


def test_books_come_back_from_a_checkpoint(keeper: Keeper, given: list[tuple[str, msgspec.Struct]]) -> None:
    kept = Book(RULES.grid)
    kept.apply(BookUpdate(**head(), bids=[(9.9, 3.0)], asks=[(10.1, 2.0)], snapshot=True, update_id=7))
    keeper.restore({RULES.instrument: {"book": msgspec.json.decode(msgspec.json.encode(kept.state()))}})
    keeper.tick(NOW)
    keeper.tick(NOW + PICTURE_EVERY)
    assert [table for table, _ in given] == ["books"]

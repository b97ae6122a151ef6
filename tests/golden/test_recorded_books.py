"""The book rebuilt from recorded depth frames has, at every update, the best prices that the venue quoted."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import pytest

from realtime.decoding import Decoding
from realtime.tape import read_segments
from tests.kit.session import journal, recorded_trades
from warehouse.book import Book
from warehouse.records import BestQuote, BookUpdate, SequenceGap, Trade, Undecodable

Best = tuple[float, float, float, float]


@pytest.mark.parametrize(
    ("name", "updates", "quotes", "exact"),
    [("spot", 3450, 28040, 564), ("perp", 6548, 66089, 629), ("perp-2023", 4323, 6765, 310)],
)
def test_best_prices_are_those_of_the_recorded_quotes(
    tmp_path: Path, name: str, updates: int, quotes: int, exact: int
) -> None:
    said: dict[int, Best] = {}
    built: list[tuple[int, Best]] = []
    trades: list[int | None] = []
    for segment, entries in read_segments(journal(name, tmp_path)):
        decoding = Decoding.of(segment.header)
        book = Book(segment.header.rules[0].grid)
        for _, entry in entries:
            for _, output in decoding.feed(entry):
                assert not isinstance(output, SequenceGap), output
                assert not isinstance(output, Undecodable) or "markPrice" in output.why, output
                if isinstance(output, BestQuote):
                    said[output.update_id] = _quoted(output)
                elif isinstance(output, BookUpdate):
                    assert book.apply(output)
                    built.append((output.update_id, _best(book)))
                elif isinstance(output, Trade):
                    trades.append(output.trade_seq)
    assert (len(built), len(said)) == (updates, quotes)
    assert trades == [row[0] for row in recorded_trades(name)]
    # Where book and quote carry the same update id they must agree ...
    same = [(best, said[number]) for number, best in built if number in said]
    assert len(same) == exact
    assert all(best == quoted for best, quoted in same)
    # ... and at every other update the newest quote before it still stands, for each change of the best is quoted.
    numbers = sorted(said)
    standing = [(best, bisect_right(numbers, number)) for number, best in built]
    inside = [(best, said[numbers[at - 1]]) for best, at in standing if 0 < at < len(numbers)]
    assert len(inside) >= updates - 2
    assert all(best == quoted for best, quoted in inside)


def _quoted(quote: BestQuote) -> Best:
    return quote.best_bid, quote.best_bid_size, quote.best_ask, quote.best_ask_size


def _best(book: Book) -> Best:
    ((bid, bid_size),), ((ask, ask_size),) = book.best(1)
    return bid, bid_size, ask, ask_size

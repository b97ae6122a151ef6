"""A catalog as nautilus_trader's `ParquetDataCatalog` reads it (layout of 1.221, high precision).

    data/trade_tick/BTC-USDT-PERP.OKX/{first ts_init}_{last ts_init}.parquet    one file per UTC day
    data/order_book_depth10/...                                                 ten levels a side
    data/crypto_perpetual/... or data/currency_pair/...                         the instrument itself

Prices and sizes are 128-bit integers, little-endian, in units of 1e-16; times are nanoseconds. The catalog orders by
`ts_init`, when the event became known. Source: https://nautilustrader.io/docs/latest/concepts/data
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.clock import DAY, Micros
from warehouse.errors import ConfigError
from warehouse.exports.taken import NANOS, Taken, base_lot, known
from warehouse.instruments import Listing, Rules
from warehouse.past import Moment
from warehouse.records import Trade
from warehouse.rows import BookPicture

if TYPE_CHECKING:
    import pyarrow as pa

UNIT = 10**16
LEVELS = 10
BUYER, SELLER = 1, 2


def export_nautilus(
    venue: str,
    instrument: str,
    path: str | Path,
    root: str | Path | None = None,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    latency_us: Micros = 0,
    storage_options: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Write one instrument into the catalog at `path`; returns rows per kind of data.

    Fees and margins are zero there: the lake does not know them. A picture with fewer than ten levels on a side is
    filled up with empty ones. What did not come by the stream is known `latency_us` after it happened. Raises
    ConfigError for an instrument whose rules the lake does not have, or that the catalog holds already: its files must
    not overlap.
    """
    taken = Taken(venue, instrument, root, start, end, storage_options)
    name = f"{instrument}.{venue.upper()}"
    precision = _precision(taken.rules)
    folder = Path(path) / "data"
    if held := sorted(folder.glob(f"*/{name}")):
        raise ConfigError(
            f"{held[0].parent.parent.parent} holds {name} already; choose another folder or remove it there"
        )
    kind, definition = _definition(taken.rules[-1], name, precision)
    _write(folder / kind / name, definition, 0, 0)
    meta = {"instrument_id": name, "price_precision": str(precision[0]), "size_precision": str(precision[1])}
    counts = {kind: 1, "trade_tick": 0, "order_book_depth10": 0}
    for day in _days(taken.trades, latency_us):
        rows = [row for row in day if isinstance(row, Trade)]
        first, last = (known(row, latency_us) * NANOS for row in (rows[0], rows[-1]))
        _write(folder / "trade_tick" / name, _trades(taken, rows, latency_us, meta), first, last)
        counts["trade_tick"] += len(rows)
    for day in _days(taken.books, latency_us):
        pictures = [row for row in day if isinstance(row, BookPicture)]
        first, last = (known(row, latency_us) * NANOS for row in (pictures[0], pictures[-1]))
        _write(folder / "order_book_depth10" / name, _depth(taken, pictures, latency_us, meta), first, last)
        counts["order_book_depth10"] += len(pictures)
    return counts


def _days(rows: Sequence[Trade] | Sequence[BookPicture], latency_us: Micros) -> Iterable[list[Trade | BookPicture]]:
    """The rows of each UTC day, in the order in which they became known."""
    ordered: list[Trade | BookPicture] = sorted(rows, key=lambda row: known(row, latency_us))
    for _, day in groupby(ordered, key=lambda row: known(row, latency_us) // DAY):
        yield list(day)


def _write(folder: Path, table: pa.Table, first: int, last: int) -> None:
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{_stamp(first)}_{_stamp(last)}.parquet", row_group_size=5000)


def _stamp(nanos: int) -> str:
    seconds, rest = divmod(nanos, 10**9)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H-%M-%S}-{rest:09d}Z"


def _precision(rules: Sequence[Rules]) -> tuple[int, int]:
    """Decimal places of price and size that hold every rule's steps."""
    return (
        max(_places(Fraction(rule.tick)) for rule in rules),
        max(_places(base_lot(rule)) for rule in rules),
    )


def _places(step: Fraction) -> int:
    places = 0
    while step * 10**places % 1:
        places += 1
    return places


def _raw(step: Fraction, count: int) -> bytes:
    return int(step * count * UNIT).to_bytes(16, "little", signed=True)


def _trades(taken: Taken, rows: Sequence[Trade], latency_us: Micros, meta: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    rules = [taken.rule(row.ts_event) for row in rows]
    columns: dict[str, tuple[pa.DataType, list[object]]] = {
        "price": (pa.binary(16), [_raw(Fraction(rule.tick), row.ticks) for rule, row in zip(rules, rows, strict=True)]),
        "size": (pa.binary(16), [_raw(base_lot(rule), row.lots) for rule, row in zip(rules, rows, strict=True)]),
        "aggressor_side": (pa.uint8(), [BUYER if row.taker_side == "buy" else SELLER for row in rows]),
        "trade_id": (pa.string(), [row.trade_id for row in rows]),
        "ts_event": (pa.uint64(), [row.ts_event * NANOS for row in rows]),
        "ts_init": (pa.uint64(), [known(row, latency_us) * NANOS for row in rows]),
    }
    return _table(columns, meta)


def _depth(taken: Taken, rows: Sequence[BookPicture], latency_us: Micros, meta: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, tuple[pa.DataType, list[object]]] = {}
    ticks = [Fraction(taken.rule(row.ts_event).tick) for row in rows]
    lots = [base_lot(taken.rule(row.ts_event)) for row in rows]
    for kind, steps in (("price", ticks), ("size", lots)):
        for side in ("bid", "ask"):
            for level in range(LEVELS):
                raw: list[object] = []
                for row, step in zip(rows, steps, strict=True):
                    values: list[float] = getattr(row, f"{side}_{kind}s")
                    count = round(Fraction(values[level]) / step) if level < len(values) else 0
                    raw.append(_raw(step, count))
                columns[f"{side}_{kind}_{level}"] = (pa.binary(16), raw)
    for side in ("bid", "ask"):
        for level in range(LEVELS):
            there: list[object] = [int(level < len(getattr(row, f"{side}_prices"))) for row in rows]
            columns[f"{side}_count_{level}"] = (pa.uint32(), there)
    columns["flags"] = (pa.uint8(), [0] * len(rows))
    columns["sequence"] = (pa.uint64(), [max(0, row.update_id) for row in rows])
    columns["ts_event"] = (pa.uint64(), [row.ts_event * NANOS for row in rows])
    columns["ts_init"] = (pa.uint64(), [known(row, latency_us) * NANOS for row in rows])
    return _table(columns, meta)


def _table(columns: Mapping[str, tuple[pa.DataType, list[object]]], meta: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        [pa.field(name, kind, nullable=False) for name, (kind, _) in columns.items()], metadata=dict(meta)
    )
    return pa.table([pa.array(values, kind) for kind, values in columns.values()], schema=schema)


def _definition(rules: Rules, name: str, precision: tuple[int, int]) -> tuple[str, pa.Table]:
    import pyarrow as pa

    listing = Listing.parse(rules.venue, rules.instrument)
    perp = listing.market == "perp"
    word = pa.dictionary(pa.int16(), pa.string())
    number, size = pa.uint8(), base_lot(rules)
    columns: list[tuple[str, pa.DataType, object]] = [
        ("id", pa.dictionary(pa.int64(), pa.string()), name),
        ("raw_symbol", pa.string(), rules.symbol),
        ("base_currency", word, listing.base),
        ("quote_currency", word, listing.quote),
        *([("settlement_currency", word, listing.quote), ("is_inverse", pa.bool_(), False)] if perp else []),
        ("price_precision", number, precision[0]),
        ("size_precision", number, precision[1]),
        ("price_increment", word, _text(Fraction(rules.tick), precision[0])),
        ("size_increment", word, _text(size, precision[1])),
        ("multiplier", word, "1"),
        *([] if perp else [("lot_size", word, None)]),
        *[(f"{most}_{what}", word, None) for what in ("quantity", "notional", "price") for most in ("max", "min")],
        *[(what, pa.string(), "0") for what in ("margin_init", "margin_maint", "maker_fee", "taker_fee")],
        ("info", pa.binary(), b"null"),
        ("ts_event", pa.uint64(), 0),
        ("ts_init", pa.uint64(), 0),
    ]
    schema = pa.schema(
        [pa.field(column, kind) for column, kind, _ in columns],
        metadata={"class": "CryptoPerpetual" if perp else "CurrencyPair"},
    )
    table = pa.table([pa.array([value], kind) for _, kind, value in columns], schema=schema)
    return ("crypto_perpetual" if perp else "currency_pair"), table


def _text(step: Fraction, places: int) -> str:
    whole = int(step * 10**places)
    return f"{whole // 10**places}.{whole % 10**places:0{places}d}" if places else str(whole)

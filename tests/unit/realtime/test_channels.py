"""Channel names, and the envelope a sink completes."""

from __future__ import annotations

import msgspec
import pytest

from realtime.channels import CHANNELS, channel, symbol
from realtime.fields import Fields
from realtime.history import nulls
from realtime.message import Message, finish, record_name
from realtime.outlet import Outlet, Part
from warehouse.instruments import Listing
from warehouse.metrics.base import Reason, Value

SPOT = Listing("binance", "BTC", "USDT", "spot")


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        (SPOT, "btcusdt"),
        (Listing("bybit", "ETH", "USDT", "perp"), "ethusdt-perp"),
        (Listing("okx", "BTC", "USDT", "spot"), "btc-usdt"),
        (Listing("okx", "BTC", "USDT", "perp"), "btc-usdt-perp"),
    ],
)
def test_symbols_follow_the_venues_own_joining(listing: Listing, name: str) -> None:
    assert symbol(listing) == name


def test_names_are_built_from_the_template() -> None:
    assert channel("fusion_data", SPOT) == "fusion_data:binance:btcusdt"
    assert channel("candles", SPOT, "5m") == "candles:binance:btcusdt:5m"
    with pytest.raises(KeyError):
        channel("weather", SPOT)


def test_every_channel_is_documented_and_named_by_its_template() -> None:
    for one in CHANNELS:
        assert one.template.startswith(f"{one.name}:{{exchange}}")
        assert one.payload.__doc__
        assert one.cadence


def test_finish_splices_what_only_the_sender_knows() -> None:
    outlet = Outlet("trade:binance:btcusdt", "lossless", "binance", "BTC-USDT", epoch=3)
    message = outlet.wrap(b'{"price":1.5}', ts_event=10, ts_recv=20)
    whole = msgspec.json.decode(finish(message, 0, 30, b"emulated"))
    assert list(whole) == [
        *("v", "channel", "epoch", "seq", "prev", "ts_pub", "source", "ts_event", "ts_recv", "complete", "reasons"),
        *("context_as_of", "venue", "instrument", "price"),
    ]
    assert (whole["epoch"], whole["seq"], whole["prev"], whole["ts_pub"]) == (3, 1, 0, 30)
    assert whole["source"] == "emulated"
    assert msgspec.json.decode(message.produced)["price"] == 1.5


def test_spliced_parts_bring_their_reasons() -> None:
    slow = Fields()
    slow.section("candles").set("open", None, Reason.WARMUP)
    harmful = Fields()
    harmful.set("book", None, Reason.GAP)
    outlet = Outlet("fusion_data:binance:btcusdt", "state", "binance", "BTC-USDT", epoch=1)

    def message(*parts: Fields) -> Message:
        fields = Fields()
        fields.put("price", Value.missing(Reason.NO_TRADES))
        made = tuple(Part.of(part) for part in parts)
        return outlet.fields(fields, ts_event=1, ts_recv=2, complaints=[], parts=made)

    whole = msgspec.json.decode(message(slow).produced)
    assert whole["reasons"] == {"price": "NO_TRADES", "candles.open": "WARMUP"}
    assert whole["complete"] is True
    assert sorted(nulls({"price": whole["price"], "candles": whole["candles"]})) == ["candles.open", "price"]
    assert msgspec.json.decode(message(slow, harmful).produced)["complete"] is False


def test_a_null_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="without a reason"):
        Fields().set("price", None)


def test_kind_of_a_channel() -> None:
    assert record_name("candles:okx:btc-usdt:1m") == "candles"

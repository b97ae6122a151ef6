"""What a venue says beside trades and books: said on change, with reasons, the same after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from realtime.channels import BY_NAME
from realtime.engine import Engine, EngineConfig
from realtime.message import Message
from realtime.publish.derivatives import Derivatives
from realtime.publish.venue import VenueVoice
from tests.kit.produced import complaints
from warehouse.clock import HOUR, SECOND
from warehouse.instruments import Rules
from warehouse.records import (
    BookUpdate,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    VenueStatus,
)

NOW = 1_795_000_000 * SECOND
PERP = Rules(venue="okx", instrument="BTC-USDT-PERP", symbol="BTC-USDT-SWAP", market="perp", tick="0.1", lot="0.01",
             contract_value="0.01")  # fmt: skip
SPOT = Rules(venue="okx", instrument="BTC-USDT", symbol="BTC-USDT", market="spot", tick="0.1", lot="0.0001")
HEAD: dict[str, Any] = {"venue": "okx", "instrument": "BTC-USDT-PERP", "ts_event": NOW, "ts_recv": NOW + 5}


def whole(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message.produced)
    return found


def by_kind(messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
    assert [words for message in messages for words in complaints(message)] == []
    return {message.channel.split(":")[0]: whole(message) for message in messages}


@pytest.fixture
def told() -> Derivatives:
    engine = Engine("okx", "emulated", [PERP], EngineConfig())
    return engine.instruments["BTC-USDT-PERP"].derivatives


def test_mark_and_index_that_come_apart_give_a_basis_when_both_are_there(told: Derivatives) -> None:
    told.mark(MarkPrice(**HEAD, mark_price=100.5, index_price=None))
    first = by_kind(told.due(100.4, {}, NOW + 10))["mark_price"]
    assert (first["mark_price"], first["index_price"], first["basis"]) == (100.5, None, None)
    assert first["reasons"] == dict.fromkeys(["index_price", "basis", "basis_bps", "premium_bps"], "WARMUP")
    assert not first["complete"]
    told.mark(MarkPrice(**HEAD, mark_price=None, index_price=100.0))
    second = by_kind(told.due(100.4, {}, NOW + 20))["mark_price"]
    assert (second["basis"], second["basis_bps"]) == (0.5, pytest.approx(50.0))
    assert second["premium_bps"] == pytest.approx(40.0)
    assert second["complete"]
    assert second["reasons"] == {}
    assert told.due(100.4, {}, NOW + 30) == []


def test_an_unreadable_book_leaves_the_premium_null_and_the_message_incomplete(told: Derivatives) -> None:
    told.mark(MarkPrice(**HEAD, mark_price=100.5, index_price=100.0))
    found = by_kind(told.due(None, {}, NOW + 10))["mark_price"]
    assert found["reasons"] == {"premium_bps": "GAP"}
    assert not found["complete"]


def test_mark_and_index_of_different_moments_have_no_basis(told: Derivatives) -> None:
    def say(after: int, mark: float | None, index: float | None) -> dict[str, Any]:
        at = {**HEAD, "ts_event": NOW + after, "ts_recv": NOW + after}
        told.mark(MarkPrice(**at, mark_price=mark, index_price=index))
        return by_kind(told.due(100.4, {}, NOW + after))["mark_price"]

    say(0, None, 100.0)
    assert say(SECOND, 100.5, None)["basis"] == 0.5
    apart = say(SECOND + 1, 100.6, None)
    assert (apart["basis"], apart["basis_bps"], apart["index_price"]) == (None, None, 100.0)
    assert apart["reasons"] == {"basis": "STALE", "basis_bps": "STALE"}
    assert not apart["complete"]
    assert apart["premium_bps"] == pytest.approx(40.0)
    old = say(5 * SECOND + 1, 100.7, None)
    assert old["reasons"] == dict.fromkeys(["basis", "basis_bps", "premium_bps"], "STALE")
    assert say(5 * SECOND + 2, None, 100.1)["reasons"] == {}
    silent = by_kind(told.due(100.4, {}, NOW + 11 * SECOND))["mark_price"]
    assert silent["reasons"] == dict.fromkeys(["basis", "basis_bps", "premium_bps"], "STALE")


def test_the_premium_is_not_taken_from_a_book_that_is_not_trusted() -> None:
    market = Engine("okx", "emulated", [PERP], EngineConfig()).instruments["BTC-USDT-PERP"]
    bids, asks = [(100.3, 1.0)], [(100.5, 1.0)]
    market.book_update(BookUpdate(**HEAD, bids=bids, asks=asks, snapshot=True, update_id=1), "okx.public")
    for after, premium in ((1, 40.0), (3, None)):
        now = NOW + after * SECOND
        market.derivative(
            MarkPrice(**{**HEAD, "ts_event": now, "ts_recv": now}, mark_price=100.5, index_price=100.0), "okx", []
        )
        said: list[Message] = []
        market.tick(now, now - SECOND, now, said)
        (found,) = [whole(one) for one in said if one.channel.startswith("mark_price")]
        assert found["premium_bps"] == (premium and pytest.approx(premium)), "its newest change is older than 2 s"
        assert found["basis"] == 0.5


def test_a_funding_rate_is_said_per_eight_hours_and_per_year(told: Derivatives) -> None:
    rate = FundingRate(**HEAD, funding_rate=0.0001, settled=False, interval_us=4 * HOUR, next_funding_at=NOW + HOUR)
    told.funding(rate)
    found = by_kind(told.due(None, {}, NOW + 10))["funding"]
    assert found["funding_r8"] == pytest.approx(0.0002)
    assert found["funding_apr"] == pytest.approx(0.219)
    told.funding(msgspec.structs.replace(rate, ts_event=NOW + SECOND, interval_us=None, funding_rate=0.0002))
    kept = by_kind(told.due(None, {}, NOW + 20))["funding"]
    assert (kept["funding_rate"], kept["interval_us"]) == (0.0002, 4 * HOUR)


def test_the_bot_is_warned_ten_minutes_before_funding_and_on_spot_never() -> None:
    engine = Engine("okx", "emulated", [SPOT, PERP], EngineConfig())

    def flags(instrument: str, now: int) -> Any:
        said: list[Message] = []
        engine.instruments[instrument].tick(now, now - SECOND, now, said)
        (found,) = [whole(one) for one in said if one.channel.startswith("precision9_context")]
        return found["risk_flags"]

    assert "NEAR_FUNDING" not in flags("BTC-USDT-PERP", NOW + SECOND), "nobody has said when"
    rate = FundingRate(**HEAD, funding_rate=1e-4, settled=False, interval_us=8 * HOUR, next_funding_at=NOW + HOUR)
    engine.instruments["BTC-USDT-PERP"].derivative(rate, "okx.public", [])
    near = {at: "NEAR_FUNDING" in flags("BTC-USDT-PERP", NOW + at * SECOND) for at in (2999, 3000, 3001, 3600, 3601)}
    assert near == {2999: False, 3000: False, 3001: True, 3600: True, 3601: False}
    assert "NEAR_FUNDING" not in flags("BTC-USDT", NOW + 3500 * SECOND)


def test_an_older_reading_of_a_poll_does_not_replace_what_the_stream_said(told: Derivatives) -> None:
    told.open_interest(OpenInterest(**HEAD, open_interest=7.0, open_interest_quote=700.0))
    late = {**HEAD, "ts_event": NOW - SECOND}
    told.open_interest(OpenInterest(**late, open_interest=6.0, open_interest_quote=None, origin="rest"))
    assert by_kind(told.due(None, {}, NOW + 10))["open_interest"]["open_interest"] == 7.0


def test_silence_and_a_closed_connection_are_said(told: Derivatives) -> None:
    row = {"last_price": 105.0, "open": 100.0, "high": 106.0, "low": 99.0, "volume": 3.0, "quote_volume": 310.0}
    told.ticker(Ticker(**HEAD, **row))  # type: ignore[arg-type]
    found = by_kind(told.due(None, {}, NOW + 10))["ticker"]
    assert (found["change"], found["change_pct"], found["complete"]) == (5.0, 5.0, True)
    assert found["reasons"] == {"trade_count": "UNSUPPORTED"}
    down = by_kind(told.due(None, {"ticker": "connection reset"}, NOW + 20))["ticker"]
    assert (down["complete"], down["incomplete"]) == (False, ["ticker silent: connection reset"])
    stale = by_kind(told.due(None, {}, NOW + 120 * SECOND))
    assert stale == {} or not stale["ticker"]["complete"]


def test_a_liquidation_is_said_at_once_and_the_state_survives(told: Derivatives) -> None:
    record = Liquidation(
        **HEAD, liquidated_side="long", price=99.9, size=0.5, ticks=999, lots=5000, price_basis="bankruptcy",
        sampled=True,
    )  # fmt: skip
    found = by_kind([told.liquidation(record, complete=True)])["liquidations"]
    assert (found["channel"], found["notional"]) == ("liquidations:okx:btc-usdt", pytest.approx(49.95))
    told.mark(MarkPrice(**HEAD, mark_price=100.5, index_price=100.0))
    told.due(None, {}, NOW + 10)
    other = Engine("okx", "emulated", [PERP], EngineConfig()).instruments["BTC-USDT-PERP"].derivatives
    other.restore(msgspec.json.decode(msgspec.json.encode(told.state())))
    assert other.state() == told.state()
    assert other.due(None, {}, NOW + 20) == []


def test_spot_has_no_channels_of_perpetuals() -> None:
    engine = Engine("okx", "emulated", [SPOT, PERP], EngineConfig())
    assert "funding" not in engine.instruments["BTC-USDT"].outlets
    assert engine.instruments["BTC-USDT-PERP"].outlets["funding"].channel == "funding:okx:btc-usdt"


def test_a_venue_is_spoken_of_when_something_changes() -> None:
    voice = VenueVoice("okx", [SPOT, PERP], 1)
    first = by_kind(voice.due(NOW))
    assert list(first) == ["reference"]
    assert [one["channel_symbol"] for one in first["reference"]["instruments"]] == ["btc-usdt", "btc-usdt-perp"]
    head = {**HEAD, "instrument": ""}
    fund = InsuranceFund(**head, pool="BTC-USDT", asset="USDT", balance=5.0, balance_usd=None)
    voice.take(fund)
    voice.take(VenueStatus(**head, state="announced", words="upgrade", from_ts=NOW + HOUR))
    voice.take(InstrumentStatus(**HEAD, state="trading", code="live", delisting_at=NOW + HOUR))
    said = by_kind(voice.due(NOW + SECOND))
    assert said["insurance_fund"]["pools"][0]["balance"] == 5.0
    assert (said["status"]["state"], said["status"]["to_ts"]) == ("announced", None)
    assert said["reference"]["instruments"][1]["delisting_at"] == NOW + HOUR
    voice.take(msgspec.structs.replace(fund, ts_event=NOW + SECOND))
    assert voice.due(NOW + 2 * SECOND) == []
    other = VenueVoice("okx", [SPOT, PERP], 1)
    other.restore(msgspec.json.decode(msgspec.json.encode(voice.state())))
    assert other.state() == voice.state()
    assert set(BY_NAME) >= set(voice.outlets)
    voice.again()
    assert list(by_kind(voice.due(NOW + 3 * SECOND))) == list(said), "a worker that came back says what is known"

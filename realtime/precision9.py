"""`precision9_context`: bias, regime, nearest levels, stops and risk flags: what a trading bot decides and sizes by."""

from __future__ import annotations

from realtime.fields import Fields
from realtime.fusion import REGIME_TIMEFRAMES, Situation, area_fields, bias_fields, level_fields, price_fields
from warehouse.metrics import TRADE_METRICS
from warehouse.metrics.base import Reason, Value
from warehouse.structure.fusion import broken_levels, confluence, reward_to_risk, risk_flags, stop

METRICS = {metric.spec.name: metric for metric in TRADE_METRICS}

SHOWN = (
    ("cvd", "5m"),
    ("delta_ratio", "5m"),
    ("cvd", "session"),
    ("vwap", "session"),
    ("vwap_z", "15m"),
    ("sigma_bps", "5m"),
    ("volatility_annual", "15m"),
)
"""Trade metrics and windows that this payload repeats."""


def regime_of(now: Situation, timeframe: str) -> tuple[str | None, Reason]:
    """The regime of a timeframe, or why it is unknown."""
    document = now.history.document
    frame = None if document is None else document.timeframes.get(timeframe)
    if frame is None:
        return None, Reason.NO_HISTORY
    if now.history.stale(timeframe, now.now):
        return None, Reason.STALE
    return frame.regime, now.history.reason(f"timeframes.{timeframe}.regime")


def volatility_ratio(now: Situation) -> float | None:
    """Volatility of the last minute over that of the last quarter of an hour; None while one is unknown."""
    volatility = METRICS["volatility"]
    short, long = volatility.value(now.found["1m"]).value, volatility.value(now.found["15m"]).value
    return float(short) / float(long) if short is not None and long else None


def flags(now: Situation, complaints: list[str], ratio: float | None) -> list[str]:
    """What a careful trader would want to be told now; see `warehouse.structure.fusion.risk_flags`."""
    broken = now.price is not None and broken_levels(now.price, now.history.levels, now.atr)
    return list(
        risk_flags(
            now=now.now,
            next_funding_at=now.next_funding_at,
            level_broken=bool(broken),
            stale=bool(complaints),
            volatility_ratio=ratio,
        )
    )


def key(now: Situation, risk: list[str], complaints: list[str]) -> list[object]:
    """What makes a message due at once when it changes: bias, regime, levels, flags, completeness."""
    document = now.history.document
    return [
        None if document is None else document.htf_bias,
        [regime_of(now, timeframe)[0] for timeframe in REGIME_TIMEFRAMES],
        None if now.support is None else now.support.price,
        None if now.resistance is None else now.resistance.price,
        risk,
        not complaints,
    ]


def precision9_fields(now: Situation, risk: list[str]) -> Fields:
    """The payload, without the parts that are spliced in."""
    fields = Fields()
    price_fields(fields, now)
    bias_fields(fields, now)
    for timeframe in REGIME_TIMEFRAMES:
        regime, reason = regime_of(now, timeframe)
        fields.set(f"regime_{timeframe}", regime, reason)
    level_fields(fields, now)
    stop_fields(fields, now)
    fields.put("confluence", _confluence(now))
    area_fields(fields, now)
    for name, window in SHOWN:
        fields.put(f"{name}_{window}", METRICS[name].value(now.found[window]))
    fields.set("risk_flags", risk)
    return fields


def stop_fields(fields: Fields, now: Situation) -> None:
    """Stops behind the level at one's back for both sides, and the reward to the next level per unit of risk."""
    below, above, price = now.support, now.resistance, now.price
    long = short = None
    if price is not None:
        long = stop(price, below.zone_low if below else None, now.atr, "long")
        short = stop(price, above.zone_high if above else None, now.atr, "short")
    reason = now.no_price if price is None else Reason.NO_HISTORY if now.atr is None else Reason.ZERO_VARIANCE
    targets: tuple[float | None, float | None] = (None, None)
    if price is not None:
        ahead = [level.zone_low for level in now.history.levels if level.zone_low > price]
        behind = [level.zone_high for level in now.history.levels if level.zone_high < price]
        targets = (min(ahead, default=None), max(behind, default=None))
    for side, found, target in (("long", long, targets[0]), ("short", short, targets[1])):
        fields.set(f"stop_{side}", None if found is None else found.price, reason)
        fields.set(f"stop_{side}_atr", None if found is None else found.atrs, reason)
        fields.set(f"stop_{side}_basis", None if found is None else found.basis, reason)
        if found is None or price is None:
            fields.set(f"rr_{side}", None, reason)
        elif target is None:
            fields.set(f"rr_{side}", None, now.no_level)
        else:
            fields.put(f"rr_{side}", reward_to_risk(price, found.price, target))


def _confluence(now: Situation) -> Value:
    document = now.history.document
    if now.price is None:
        return Value.missing(now.no_price)
    if document is None:
        return Value.missing(Reason.NO_HISTORY)
    vwap = METRICS["vwap"].value(now.found["session"]).value
    return confluence(now.price, document, now.atr, None if vwap is None else float(vwap))

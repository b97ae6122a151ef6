"""Which way, how strongly, and do the timeframes agree?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum, log, log1p
from typing import Literal

import msgspec

from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.metrics.base import Reason, Value
from warehouse.structure.measured import Measured
from warehouse.structure.smoothing import clip, sign
from warehouse.structure.swings import State

BIAS_WEIGHTS: dict[str, int] = {"1d": 4, "12h": 3, "6h": 2, "4h": 1}


class Trend(msgspec.Struct, frozen=True, gc=False):
    """`score` in [-1, 1] is the mean of three voices: the swings' state (`c1`), the distance of two averages in ATR
    (`c2`), the fit of a line through log closes (`c3`). `trend` is UP from 0.25, DOWN from -0.25. `partial`: the swings
    said nothing yet and count as 0. On a null score `reason` says why and the rest is None.
    """

    score: float | None
    trend: Literal["UP", "DOWN", "FLAT"] | None
    strength: float | None
    c1: int | None
    c2: float | None
    c3: float | None
    partial: bool
    reason: Reason | None = None


def regression(closes: Sequence[float]) -> tuple[float, float] | None:
    """Slope per bar and R2 of a least-squares line through `ln C`; None if the closes do not vary."""
    n = len(closes)
    ys = [log(close) for close in closes]
    mean_x, mean_y = (n - 1) / 2.0, fsum(ys) / n
    sxx = n * (n * n - 1) / 12.0
    sxy = fsum((i - mean_x) * (y - mean_y) for i, y in enumerate(ys))
    syy = fsum((y - mean_y) ** 2 for y in ys)
    if syy == 0.0:
        return None
    return sxy / sxx, sxy * sxy / (sxx * syy)


def trend(measured: Measured, state: State | None, line: int = 50) -> Trend:
    """The trend of one timeframe; `NO_HISTORY` below `slow + 1` bars, `ZERO_VARIANCE` if nothing moved.

    `line` is how many closes the line is fitted through.
    """
    closes, lengths = measured.series.close, measured.lengths
    if len(closes) < max(lengths.slow + 1, line, lengths.range + 1):
        return Trend(None, None, None, None, None, None, False, Reason.NO_HISTORY)
    near, far, scale = measured.fast, measured.slow, measured.atr[-1]
    fit = regression(closes[-line:])
    if not scale or fit is None or near is None or far is None:
        return Trend(None, None, None, None, None, None, False, Reason.ZERO_VARIANCE)
    c1 = {"UPTREND": 1, "DOWNTREND": -1}.get(state or "", 0)
    c2 = clip((near - far) / scale, -1.0, 1.0)
    c3 = sign(fit[0]) * fit[1]
    score = (c1 + c2 + c3) / 3.0
    name: Literal["UP", "DOWN", "FLAT"] = "UP" if score >= 0.25 else "DOWN" if score <= -0.25 else "FLAT"
    return Trend(score, name, abs(score), c1, c2, c3, state is None)


def htf_bias(scores: Mapping[str, float | None]) -> tuple[Value, Value]:
    """Score and class (BULLISH from 0.3, BEARISH from -0.3, else NEUTRAL) from the 1d, 12h, 6h and 4h trend scores.

    Timeframes without a score are left out and the weights renormalised; without 1d both are `NO_HISTORY`.
    """
    if scores.get("1d") is None:
        return Value.missing(Reason.NO_HISTORY), Value.missing(Reason.NO_HISTORY)
    known = [(weight, scores[tf]) for tf, weight in BIAS_WEIGHTS.items() if scores.get(tf) is not None]
    score = fsum(weight * s for weight, s in known if s is not None) / sum(weight for weight, _ in known)
    name = "BULLISH" if score >= 0.3 else "BEARISH" if score <= -0.3 else "NEUTRAL"
    return Value.of(score, n=len(known)), Value.of(name, n=len(known))


def trend_alignment(trends: Mapping[str, str | None]) -> Value:
    """Mean direction over the timeframes, weighted by ln(1 + minutes): 1 all up, -1 all down.

    Timeframes overlap, so this orders situations; it is no independent evidence. `NO_HISTORY` if none has a trend.
    """
    steps = {"UP": 1, "DOWN": -1, "FLAT": 0}
    known = [(log1p(timeframe_us(tf) / 60_000_000), steps[trends[tf] or ""]) for tf in TIMEFRAMES if trends.get(tf)]
    if not known:
        return Value.missing(Reason.NO_HISTORY)
    return Value.of(fsum(w * t for w, t in known) / fsum(w for w, _ in known), n=len(known))

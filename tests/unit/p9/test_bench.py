"""The benchmark: its frames have the proportions they claim, and a wrong answer is named whatever its speed."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import msgspec
import pytest
from click.testing import CliRunner

from p9.bench import measure, mixes
from p9.bench.frames import Recording, kind_of
from p9.commands.bench import bench


@lru_cache(maxsize=1)
def recording() -> Recording:
    return mixes.emulated(mixes.MIXES[0], 0.1, bars=0)


def test_the_usual_mix_is_as_recorded() -> None:
    counts = Counter(kind_of(frame) for _, frame in recording().frames)
    assert counts["quote"] / counts["book"] == pytest.approx(6.8, rel=0.2)
    assert counts["trade"] / counts["book"] == pytest.approx(0.9, rel=0.4)
    assert "books of 5" in recording().describe()


def test_with_and_without_messages_of_trades_the_answer_is_one() -> None:
    makers, _ = measure.contestants()
    mine = {name: makers[name] for name in (measure.MEASURED, measure.PUBLISHED)}
    results = measure.run(recording(), mine, 1)
    assert [one.wrong for one in results] == ["", ""]
    assert results[0].ratio == 1.0
    assert all(one.per_second > 1000 and one.timer_us > 0 for one in results)
    assert list(results[0].kinds) == ["quote", "trade", "book"]


def test_a_faster_wrong_answer_is_named() -> None:
    makers, _ = measure.contestants()
    truth = makers[measure.MEASURED](recording())()
    assert truth.trades > 50
    rules = recording().rules
    assert not measure.differs(rules, truth, truth)
    fewer = msgspec.structs.replace(truth, trades=truth.trades - 1)
    assert measure.differs(rules, truth, fewer) == f"{truth.trades - 1} trades, not {truth.trades}"
    bids, asks = truth.tops["BTCUSDT"]
    worse = msgspec.structs.replace(truth, tops={**truth.tops, "BTCUSDT": (bids[1:], asks)})
    assert measure.differs(rules, truth, worse) == "best levels differ: BTCUSDT"


@pytest.mark.slow
def test_the_command_measures_us_beside_ccxt_and_both_agree() -> None:
    done = CliRunner().invoke(bench, ["--seconds", "0.1", "--rounds", "1"], catch_exceptions=False)
    assert done.exit_code == 0
    for mix in mixes.MIXES:
        assert f"{mix.name} (" in done.output
    rows = [line for line in done.output.splitlines() if "ccxt" in line]
    assert [row.rstrip(" │").endswith("yes") for row in rows] == [True] * len(mixes.MIXES)

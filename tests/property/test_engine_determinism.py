"""The engine is a pure function of the journal: cuts, restarts, processes and hash seeds change no byte."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.channels import Message
from realtime.engine import Engine
from tests.kit.produced import engine, header, run
from tests.kit.tapes import tape

ROOT = Path(__file__).resolve().parents[2]
LENGTH = len(tape()[1])


@lru_cache(maxsize=1)
def whole() -> list[Message]:
    rules, entries = tape()
    return run(engine(rules), entries, 1, lambda: 1)


def test_batch_sizes_change_nothing() -> None:
    rules, entries = tape()
    chance = random.Random(7)
    for size in (lambda: 7, lambda: 1000, lambda: chance.randint(1, 400)):
        assert run(engine(rules), entries, 1, size) == whole()


@settings(max_examples=6, deadline=None)
@given(st.integers(min_value=0, max_value=LENGTH))
def test_a_restart_at_any_entry_changes_nothing(cut: int) -> None:
    rules, entries = tape()
    first = engine(rules)
    before = run(first, entries[:cut], 1, lambda: 100)
    kept = first.checkpoint()
    second = Engine.restore(header(rules, cut + 1), kept)
    assert second.checkpoint() == kept
    after = run(second, entries[cut:], cut + 1, lambda: 100)
    assert [one.produced for one in before + after] == [one.produced for one in whole()]
    assert [(one.delivery, one.keep) for one in before + after] == [(one.delivery, one.keep) for one in whole()]


def test_other_processes_and_hash_seeds_produce_the_same_bytes() -> None:
    expected = hashlib.sha256(b"\n".join(one.produced for one in whole())).hexdigest()
    for seed, step in (("0", "64"), ("12345", "3")):
        answer = subprocess.run(
            [sys.executable, "-m", "tests.kit.produced", step],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        )
        assert answer.stdout == expected

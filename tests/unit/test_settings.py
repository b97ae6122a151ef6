"""Mistakes in configuration come all at once, each with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.load import dump, load
from warehouse.errors import ConfigError


def test_the_defaults_are_thirty_instruments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P9_CONFIG", raising=False)
    settings = load()
    assert len(settings.listings()) == 30
    assert len(settings.timeframes) == 11


def test_all_mistakes_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("realm: moon\nbus:\n  urll: redis://x\nrecorder:\n  commit_s: -1\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    text = str(caught.value)
    assert "bad.yaml:1: realm" in text
    assert "bad.yaml:3: bus.urll: unknown key. Did you mean 'url'?" in text
    assert "bad.yaml:5: recorder.commit_s" in text


def test_a_missing_file_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Check P9_CONFIG"):
        load(tmp_path / "none.yaml")


def test_settings_survive_a_round_trip(tmp_path: Path) -> None:
    settings = load(None, home=str(tmp_path), realm="emulated")
    dump(settings, tmp_path / "c.yaml")
    assert load(tmp_path / "c.yaml") == settings


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    settings = load(None, home=str(tmp_path / ("x" * 120)))
    assert len(str(settings.bus_socket)) <= 100

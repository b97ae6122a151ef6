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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bus: {url: http://x}\n", ":1: bus.url: 'http://x' is no URL of a bus"),
        ("bus: 5\n", ":1: bus: expected keys and values, found 5"),
        ("venues:\n  binanse: {}\n", ":2: venues.binanse: unknown venue; known: binance, bybit, okx"),
        ("venues:\n  okx: {endpoints: {web: x}}\n", ":1: venues: okx.endpoints: unknown web; known: rest"),
        (
            "venues: {binance: {enabled: false}, bybit: {enabled: false}, okx: {enabled: false}}\n",
            "no venue is enabled",
        ),
        ("instruments:\n  - BTC-USDT\n  - BTCUSDT\n", ":3: instruments.1: not an instrument: 'BTCUSDT'"),
        ("instruments: [BTC-USDT, BTC-USDT]\n", ":1: instruments: named twice: BTC-USDT"),
        (
            "lake:\n  storage_options: {aws_region: x, aws_secret_access_key: y}\n",
            ":2: lake.storage_options: credentials do not belong into files: export AWS_SECRET_ACCESS_KEY instead",
        ),
        ("timeframes: []\n", ":1: timeframes: "),
        ("\n\ntimeframes: [1m, 7m]\n", ":3: timeframes.1: unknown timeframe '7m'"),
        ("candles_depth: many\n", ":1: candles_depth: Input should be a valid integer"),
        ("home: a b\n", "a space breaks its readers"),
        ("a: [\n", ":2: not valid YAML"),
        ("just words\n", "expected keys and values at the top level, found str"),
        ("\x00", "not a YAML text file"),
    ],
)
def test_each_mistake_is_told_with_its_place_and_a_way_out(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}:")
    assert told in str(caught.value)


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as a configuration file"):
        load(tmp_path)

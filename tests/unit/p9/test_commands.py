"""What the commands say: to a newcomer, about a mistake, about the state of things."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from p9 import options
from p9.main import COMMANDS, cli, main
from p9.sole import sole
from realtime.board import CHANNEL
from realtime.bus import absent, alive, client, end_embedded, start_embedded
from tests.kit.bus import Bus, bus
from tests.kit.journals import trade
from warehouse import keys
from warehouse.errors import ConfigError
from warehouse.store import Lake

__all__ = ["bus"]


def _do(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which nothing is."""
    monkeypatch.delenv("P9_CONFIG", raising=False)
    monkeypatch.setenv("P9_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _settings(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_that_begins_with_a_sentence(name: str) -> None:
    found = _do(name, "--help")
    assert found.exit_code == 0
    words = found.output.split("\n\n")[1].strip()
    assert words[0].isupper()
    assert "." in words or ":" in words


def test_without_arguments_it_lists_every_command() -> None:
    found = _do()
    assert all(f"  {name} " in found.output for name in COMMANDS)


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    assert "no command 'dmo'. Did you mean 'demo'?" in _do("dmo").output
    assert "no command 'xyzzy'. 'p9 --help' lists them." in _do("xyzzy").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sql", "select 1"], "no lake at"),
        (["verify", "lake"], "no lake at"),
        (["status"], "nothing runs here; 'p9 up' starts it"),
        (["watch"], "start one with 'p9 up' or 'p9 demo'"),
        (["board"], "start that server, or leave bus.url empty and 'p9 up' starts one"),
        (["recorder"], "start that server, or leave bus.url empty and 'p9 up' starts one"),
        (["doctor", "--config", "/nowhere.yaml"], "/nowhere.yaml: no such configuration file"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["p9", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    found = capsys.readouterr()
    assert ended.value.code == 1
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert found.err.count("\n") == 1
    assert told in found.err


def test_a_file_that_cannot_be_written_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Lake(home / "lake").append("trades", [trade(1, origin="rest")])
    monkeypatch.setattr(sys, "argv", ["p9", "sql", "select 1", "-o", "/nowhere/x.csv"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "error: /nowhere/x.csv: No such file or directory\n"


def test_a_named_configuration_is_for_this_command_and_what_it_starts(tmp_path: Path) -> None:
    @click.command()
    @options.config
    def told() -> None:
        click.echo(os.environ["P9_CONFIG"])

    assert CliRunner().invoke(told, ["--config", str(tmp_path / "a.yaml")]).output == f"{tmp_path}/a.yaml\n"
    assert "P9_CONFIG" not in os.environ


def test_a_worker_refuses_an_instrument_that_the_settings_do_not_name() -> None:
    found = _do("worker", "--venue", "okx", "--instrument", "DOGE-USDT")
    assert found.exit_code == 2
    assert "DOGE-USDT: not in the settings; known: BTC-USDT, " in found.output


def test_a_second_worker_of_a_journal_is_refused(home: Path) -> None:
    with (
        sole(home / "journal" / "okx" / "worker.lock", "", ""),
        pytest.raises(ConfigError, match="writes this journal"),
    ):
        CliRunner().invoke(cli, ["worker", "--venue", "okx"], catch_exceptions=False)


def test_deploying_without_a_server_says_which_variable_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "name one in PREFECT_API_URL" in _do("flows", "deploy", "--pool", "x").output
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert "no Prefect server answers at http://127.0.0.1:1/api" in _do("flows", "deploy", "--pool", "x").output


def test_doctor_finds_a_machine_that_is_set_up(home: Path) -> None:
    found = _do("doctor")
    assert found.exit_code == 0, found.output
    assert [line.split()[1] for line in found.output.splitlines()] == [
        "python", "packages", "settings", "folder", "bus", "lake",
    ]  # fmt: skip
    assert f"none yet at {home}/lake" in found.output


def test_doctor_names_an_absent_bus_and_a_lake_of_the_other_realm(tmp_path: Path, home: Path) -> None:
    Lake(home / "lake", realm="emulated")
    found = _do("doctor", "--config", _settings(tmp_path, "bus: {url: 'redis://127.0.0.1:1/0'}\n"))
    assert found.exit_code == 1
    assert (
        "FAIL  bus       no answer at redis://127.0.0.1:1/0; start that server, or leave bus.url empty" in found.output
    )
    assert "FAIL  lake" in found.output
    assert "holds emulated data and this process is live" in found.output


def _status(ready: bool) -> bytes:
    connections = {"okx.public": {"up": True, "ready": ready, "needed": True, "why": ""}}
    worker = {"process": "worker-okx", "up_s": 12.5, "max_rss_mb": 70, "next_seq": 1001, "connections": connections}
    recorder = {"process": "recorder", "rows": {"trades": 40, "gaps": 2}, "seams": {"a": "proven", "b": "proven"}}
    why_not = [] if ready else ["okx.public: subscriptions not acknowledged"]
    processes = {"recorder": recorder, "worker-okx": worker}
    told = {"source": "emulated", "why_not": why_not, "degraded": ["bybit.status: reset"], "processes": processes}
    return msgspec.json.encode(told)


def test_status_tells_what_every_process_said(tmp_path: Path, bus: Bus) -> None:
    file = _settings(tmp_path, f"bus: {{url: '{bus.url}'}}\n")
    assert isinstance(_do("status", "--config", file).exception, ConfigError)
    bus.redis.set(keys.health("board"), msgspec.json.encode({"url": "http://127.0.0.1:9"}))
    bus.redis.set(f"last:{CHANNEL}", _status(ready=True))
    found = _do("status", "--config", file)
    assert found.exit_code == 0, found.output
    assert "1 of 1 connections ready; 1,000 inputs journaled" in found.output
    assert "42 rows written; 2 seams proven" in found.output
    assert "board at http://127.0.0.1:9" in found.output
    assert "emulated, ready" in found.output
    assert "degraded: bybit.status: reset" in found.output


def test_status_is_not_ready_when_a_stream_or_the_board_is_not(tmp_path: Path, bus: Bus) -> None:
    file = _settings(tmp_path, f"bus: {{url: '{bus.url}'}}\n")
    bus.redis.set(f"last:{CHANNEL}", _status(ready=False))
    found = _do("status", "--config", file)
    assert found.exit_code == 1
    assert "okx.public: subscriptions not acknowledged" in found.output
    assert "board: not running" in found.output
    assert _do("status", "--config", file, "--json").exit_code == 1


@pytest.mark.parametrize("command", ["status", "watch"])
def test_a_bus_that_wants_a_password_is_told_in_words(tmp_path: Path, bus: Bus, command: str) -> None:
    bus.redis.config_set("requirepass", "secret")
    found = _do(command, "--config", _settings(tmp_path, f"bus: {{url: '{bus.url}'}}\n"))
    assert isinstance(found.exception, ConfigError)
    assert "check user and password in bus.url" in str(found.exception)


def test_an_embedded_bus_is_started_once_and_ended_by_its_socket(tmp_path: Path) -> None:
    socket = tmp_path / "b.sock"
    process = start_embedded(socket, 64)
    assert process is not None
    assert start_embedded(socket, 64) is None
    end_embedded(socket)
    process.wait(5)
    assert not alive(f"unix://{socket}")
    end_embedded(socket)  # nobody there: nothing to do


def test_what_is_no_bus_is_told_as_such() -> None:
    with pytest.raises(ConfigError, match="no URL of a bus: 'http://x'"):
        client("http://x")
    assert absent("redis://h:1", ConnectionRefusedError(111, "Connection refused")) == (
        "no bus at redis://h:1 (Connection refused)"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo", "--seconds", "-3"], "-3.0 is not in the range"),
        (["demo", "--venue", "kraken"], "'kraken' is not one of"),
        (["up", "--seconds", "soon"], "'soon' is not a valid float"),
        (["backfill", "candles", "--since", "2100-01-01"], "'2100-01-01' is still to come"),
        (["backfill", "candles", "--since", "gestern"], "write 2026-11-20, 2026-11-20T06:30 or an age: 90m, 6h, 30d"),
        (["backfill", "candles", "--venue", "kraken"], "no enabled venue kraken; enabled: binance, bybit, okx"),
        (["backfill", "candles", "--symbol", "FOO"], "unknown symbol FOO; write an instrument of the settings"),
        (["backfill", "candles", "--timeframe", "7m"], "unknown timeframe 7m; known: "),
        (["sql"], 'no query. Write p9 sql "SELECT ... FROM trades", or pipe one in.'),
    ],
)
def test_a_wrong_choice_says_what_is_right(arguments: list[str], told: str) -> None:
    found = CliRunner().invoke(cli, arguments, input="")
    assert found.exit_code == 2
    assert told in found.output


def test_sql_spells_instants_and_tells_columns_of_one_name_apart(home: Path) -> None:
    Lake(home / "lake")
    query = (
        'SELECT 1 AS n, 2 AS n, TIMESTAMPTZ \'2026-11-21 13:00:00.5+01\' AS at, NULL::TIMESTAMPTZ AS "a""b" '
        "UNION ALL SELECT 3, 4, TIMESTAMPTZ '2026-11-22 00:00+00', NULL ORDER BY 1 DESC"
    )
    assert _do("sql", query, "--format", "csv").output.splitlines() == [
        'n,n_1,at,"a""b"', "3,4,2026-11-22 00:00:00+00,", "1,2,2026-11-21 12:00:00.5+00,",
    ]  # fmt: skip
    told = _do("sql", "SELECT TIMESTAMPTZ '2026-11-22' AS at, true AS yes", "--format", "json").output
    assert told == '{"at":"2026-11-22 00:00:00+00","yes":true}\n'


def test_a_table_of_any_name_changes_no_answer(home: Path) -> None:
    Lake(home / "lake")
    for form, told in (("csv", "n\n1\n"), ("json", '{"n":1}\n')):
        assert _do("sql", "CREATE TEMP TABLE found AS SELECT 99 AS n; SELECT 1 AS n", "--format", form).output == told


def test_a_link_stays_and_a_pipe_is_filled(home: Path, tmp_path: Path) -> None:
    Lake(home / "lake")
    (tmp_path / "link.csv").symlink_to(tmp_path / "rows.csv")
    _do("sql", "SELECT 1 AS n", "-o", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "rows.csv").read_text() == "n\n1\n"
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        _do("sql", "SELECT 1 AS n", "-o", str(tmp_path / "pipe"))
        assert reader.communicate()[0] == b"n\n1\n"


def test_an_interrupt_ends_an_endless_answer(home: Path) -> None:
    Lake(home / "lake")
    asked = [sys.executable, "-m", "p9", "sql", "SELECT range AS n FROM range(2_000_000_000)"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"n\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1].strip() == b"Aborted!"
        assert process.returncode == 1


def test_rows_stop_quietly_when_their_reader_leaves(home: Path) -> None:
    Lake(home / "lake")
    asked = [sys.executable, "-m", "p9", "sql", "SELECT range AS n FROM range(10_000_000)"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"n\n"
        process.stdout.close()
        assert process.stderr.read() == b""


def test_rows_that_find_no_room_say_so(home: Path) -> None:
    Lake(home / "lake")
    asked = [sys.executable, "-m", "p9", "sql", "SELECT range AS n FROM range(1_000_000)"]
    with Path("/dev/full").open("wb") as full:
        found = subprocess.run(asked, stdout=full, stderr=subprocess.PIPE, check=False)
    assert found.returncode != 0
    assert found.stderr.startswith(b"error: standard output: No space left on device\n")

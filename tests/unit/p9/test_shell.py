"""`p9 sql` on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from p9.commands.sql import sql
from p9.shell import Shell, words
from tests.kit.journals import trade
from warehouse.reading import connect
from warehouse.store import Lake


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    Lake(home / "lake").append("trades", [trade(n, origin="rest") for n in range(3)])
    return home


@pytest.fixture(scope="module")
def connection(home: Path) -> duckdb.DuckDBPyConnection:
    return connect(home / "lake")


class Told:
    """A shell fed with lines, and what it showed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *lines: str | type[BaseException]) -> None:
        self.shown: list[tuple[str, list[tuple[object, ...]]]] = []
        self.prompts: list[str] = []
        self._lines = iter(lines)
        self.shell = Shell(connection, lambda found, form: self.shown.append((form, found.fetchall())))
        self.shell.run(self._ask)

    def _ask(self, prompt: str) -> str:
        self.prompts.append(prompt)
        line = next(self._lines, EOFError)
        if isinstance(line, str):
            return line
        raise line


def test_a_statement_goes_over_lines_until_its_semicolon(connection: duckdb.DuckDBPyConnection) -> None:
    told = Told(connection, "SELECT count(*)", "FROM trades;", "", "SELECT 1;", ".quit", "SELECT 2;")
    assert told.shown == [("table", [(3,)]), ("table", [(1,)])]
    assert told.prompts == ["lake> ", "  ... ", "lake> ", "lake> ", "lake> "]


def test_an_interrupt_drops_what_was_typed(connection: duckdb.DuckDBPyConnection) -> None:
    assert Told(connection, "SELECT count(*)", KeyboardInterrupt, "SELECT 5;").shown == [("table", [(5,)])]


def test_a_mistake_is_told_and_the_next_statement_runs(
    connection: duckdb.DuckDBPyConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Told(connection, "SELECT nothing;", "SELECT 5;").shown == [("table", [(5,)])]
    assert "nothing" in capsys.readouterr().err


def test_commands_with_a_dot(connection: duckdb.DuckDBPyConnection, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(connection, ".tables", ".format json", ".schema trades", ".macros", ".format xml")
    (first, tables), (second, columns), (_, macros) = told.shown
    assert (first, second) == ("table", "json")
    assert ("trades",) in tables
    assert ("basis",) in tables
    assert columns[0][0] == "venue"
    names = [str(name) for name, *_ in macros]
    assert names == sorted(set(names))
    assert "ohlcv" in names
    assert ".quit" in capsys.readouterr().out, "what is not understood is answered with help"


def test_completion_knows_tables_macros_columns_and_words(connection: duckdb.DuckDBPyConnection) -> None:
    shell = Shell(connection, lambda found, form: None)

    def complete(text: str) -> Iterator[str]:
        state = 0
        while (found := shell.complete(text, state)) is not None:
            yield found
            state += 1

    assert list(complete("trades")) == ["trades", "trades_enriched"]
    assert list(complete("ohl")) == ["ohlcv("]
    assert "taker_side" in complete("taker")
    assert list(complete("qual")) == ["QUALIFY"]
    assert list(complete("")) == []
    assert len(words(connection)) == len(set(words(connection)))


def test_a_file_holds_the_query_and_as_of_chooses_the_time(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P9_HOME", str(home))
    script = tmp_path / "count.sql"
    script.write_text("CREATE TEMP TABLE known AS FROM trades;\nSELECT count(*) AS n FROM known;\n")
    assert CliRunner().invoke(sql, ["-f", str(script)]).output == "n\n3\n"
    assert CliRunner().invoke(sql, ["-f", str(script), "--as-of", "2020-01-01"]).output == "n\n0\n"
    assert CliRunner().invoke(sql, ["SELECT 1", "-f", str(script)]).exit_code == 2
    wrong = CliRunner().invoke(sql, ["SELECT 1", "--as-of", "soon"])
    assert "'soon' is no time" in str(wrong.exception)


def test_a_real_terminal_asks_answers_and_remembers(home: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "P9_HOME": str(home), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "p9", "sql"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.write(ours, b"SELECT count(*) + 38 AS n FROM trades;\n.quit\n")
    heard = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other side is gone
            break
        if not piece:
            break
        heard += piece
    os.close(ours)
    assert process.wait(30) == 0
    assert b"41" in heard, heard.decode()
    assert "SELECT count(*) + 38 AS n FROM trades;" in (home / "sql_history").read_text()

"""The interactive part of `p9 sql`: statements over several lines, history, completion, a few commands with a dot."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import duckdb

FORMS = ("table", "csv", "json")
KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "ASOF JOIN", "USING", "WITH", "QUALIFY",
    "HAVING", "DISTINCT", "COUNT(*)", "TIMESTAMPTZ", "INTERVAL", "DESCRIBE", "SUMMARIZE", "SHOW TABLES", "EXPLAIN",
)  # fmt: skip
HELP = """A statement ends with ; and may go over several lines. Tab completes, the arrow keys bring older lines back.
.tables          tables and marts        .macros          functions that answer with a table or a value
.schema NAME     columns of one          .format FORM     table, csv or json
.help            this                    .quit            or control-D"""

Show = Callable[["duckdb.DuckDBPyRelation", str], None]


class Shell:
    """Reads lines until `.quit` or the end of the input; every statement's rows go to `show` with the chosen form.

    `ask` gives a line for a prompt and raises EOFError at the end; a KeyboardInterrupt drops what has been typed.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, show: Show, form: str = "table") -> None:
        self._connection = connection
        self._show = show
        self.form = form
        self._words = words(connection)
        self._found: list[str] = []

    def run(self, ask: Callable[[str], str]) -> None:
        """Until the end."""
        typed: list[str] = []
        while True:
            try:
                line = ask("  ... " if typed else "lake> ")
            except EOFError:
                return
            except KeyboardInterrupt:
                click.echo()
                typed = []
                continue
            if not typed and line.strip().startswith("."):
                if not self.command(line.strip()):
                    return
            elif typed or line.strip():
                typed.append(line)
                if line.rstrip().endswith(";"):
                    self.statement("\n".join(typed))
                    typed = []

    def statement(self, text: str) -> None:
        """Run it and show its rows, or say what is wrong with it."""
        import duckdb

        try:
            found = self._connection.sql(text)
            if found is not None:
                self._show(found, self.form)
        except duckdb.Error as error:
            click.echo(f"{error}", err=True)
        except KeyboardInterrupt:
            self._connection.interrupt()
            click.echo("stopped", err=True)

    def command(self, line: str) -> bool:
        """Do what a line with a dot asks; False for the end."""
        name, _, rest = line.partition(" ")
        rest = rest.strip().rstrip(";")
        if name in (".quit", ".exit", ".q"):
            return False
        if name == ".tables":
            self.statement("SELECT view_name AS name FROM duckdb_views() WHERE NOT internal ORDER BY name")
        elif name == ".macros":
            self.statement(f"SELECT DISTINCT function_name AS name, parameters {MACROS} ORDER BY name")
        elif name == ".schema" and rest:
            self.statement(f'DESCRIBE "{rest.replace(chr(34), chr(34) * 2)}"')
        elif name == ".format" and rest in FORMS:
            self.form = rest
        else:
            click.echo(HELP)
        return True

    def complete(self, text: str, state: int) -> str | None:
        """The completion number `state` of `text`, as readline asks for it; None after the last."""
        if state == 0:
            small = text.lower()
            self._found = [word for word in self._words if word.lower().startswith(small)] if text else []
        return self._found[state] if state < len(self._found) else None


MACROS = "FROM duckdb_functions() WHERE NOT internal AND function_type IN ('macro', 'table_macro')"


def words(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """All that may be completed: names of tables and marts, macros with their bracket, columns, words of SQL."""
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
    macros = connection.execute(f"SELECT DISTINCT function_name {MACROS} ORDER BY 1").fetchall()
    columns = connection.execute("SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal ORDER BY 1")
    found = [name for (name,) in views] + [f"{name}(" for (name,) in macros]
    found += [name for (name,) in columns.fetchall() if re.fullmatch(r"\w+", name)]
    return list(dict.fromkeys([*found, *KEYWORDS]))


def interactive(shell: Shell, history: Path) -> None:
    """Run on the terminal with line editing; `history` is read before and written after, where it can be."""
    try:
        import readline
    except ImportError:  # a Python built without it still asks, only plainly
        shell.run(input)
        return
    readline.set_completer(shell.complete)
    readline.set_completer_delims(" \t\n,;()'=<>+-*/")
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(2000)
    try:
        readline.read_history_file(history)
    except OSError:
        pass  # the first time there is none
    try:
        shell.run(input)
    finally:
        try:
            readline.write_history_file(history)
        except OSError as error:
            click.echo(f"history not kept: {error}", err=True)

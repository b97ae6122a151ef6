"""Every command of the README exists with the options it is given, every channel and file it names is there."""

from __future__ import annotations

import os
import re

import click
import pytest

from p9.main import cli
from realtime.board import CHANNEL
from realtime.channels import CHANNELS
from tests.kit.readme import ROOT, TEXT, Command, blocks, commands

LINES = [command for block in blocks("sh") for command in commands(block)]


def _parse(group: click.Group, arguments: list[str], parent: click.Context | None = None) -> str:
    """Parse without running; the command's name. Raises click.UsageError for what does not exist.

    A context that is left gives back what its options put into the environment.
    """
    with group.make_context(group.name, list(arguments), parent=parent, resilient_parsing=False) as context:
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, left = group.resolve_command(context, rest)
        assert command is not None
        if isinstance(command, click.Group):
            return f"{name} {_parse(command, left, context)}"
        with command.make_context(name, left, parent=context):
            return str(name)


def test_the_readme_has_commands() -> None:
    assert len(LINES) > 10


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join((line.program, *line.arguments))[:60])
def test_every_command_exists_with_its_options(line: Command) -> None:
    if line.program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(line.arguments) <= set(targets)
        return
    assert line.program == ".venv/bin/p9"
    before = dict(os.environ)
    assert _parse(cli, line.arguments)
    assert dict(os.environ) == before


def test_a_command_that_does_not_exist_would_be_found() -> None:
    for wrong in (["serve"], ["flows", "sreve"], ["up", "--second", "3"], ["worker"], ["up", "--seconds", "soon"]):
        with pytest.raises(click.UsageError):
            _parse(cli, wrong)


def test_the_table_of_channels_is_the_registry() -> None:
    told = set(re.findall(r"`([a-z0-9_]+(?::\{[a-z]+\})*)`", "\n".join(re.findall(r"^\| `.*$", TEXT, re.M))))
    assert told == {channel.template for channel in CHANNELS} | {CHANNEL}


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`([\w./]+\.(?:md|yaml|py))`", TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []

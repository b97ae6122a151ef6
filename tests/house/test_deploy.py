"""The container files: no engine is needed to see that what they name exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from configs.load import load
from p9.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
LINES = re.sub(r"\\\n\s*", "", (FOLDER / "Containerfile").read_text()).splitlines()
STEPS = [tuple(line.split(" ", 1)) for line in LINES if line and not line.startswith("#")]
PARTS: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def steps(name: str) -> list[str]:
    return [rest for step, rest in STEPS if step == name]


def test_the_image_is_built_from_what_is_here_and_runs_as_nobody_special() -> None:
    assert len(steps("FROM")) == 2
    assert steps("USER") == ["p9"]
    assert steps("FROM")[0].endswith(" AS build")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in steps("COPY"):
        names = [name for name in shlex.split(copied)[:-1] if not name.startswith(("--from", "/opt"))]
        assert all((ROOT / name).exists() for name in names), copied
        assert all(f"!{name.split('/')[0]}" in ignored for name in names), copied


def test_the_image_asks_the_boards_health_where_its_settings_put_it() -> None:
    (check,) = steps("HEALTHCHECK")
    assert f"http://127.0.0.1:{load(FOLDER / 'config.yaml').board.port}/healthz" in check
    assert '"/healthz"' in (ROOT / "realtime" / "board.py").read_text()
    assert yaml.safe_load(steps("CMD")[-1])[0] in COMMANDS


@pytest.mark.parametrize("name", [name for name, part in PARTS["services"].items() if "x-p9" not in name])
def test_every_part_says_a_command_that_exists(name: str) -> None:
    part = PARTS["services"][name]
    if part["image"] != PARTS["x-p9"]["image"]:
        assert re.fullmatch(r"docker\.io/\w+/\w+:\d+", part["image"])
        return
    words = part.get("entrypoint", []) + part["command"]
    if words[0] == "prefect":
        assert words[1:3] == ["worker", "start"]
        assert words[words.index("--type") + 1] == "process"
        return
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group):
        found, command_, words = command.resolve_command(context, list(words))
        assert command_ is not None, found
        command, context = command_, click.Context(command_, parent=context, info_name=found)
    command.make_context(name, list(words))  # raises for an option or a value that there is not


def test_the_settings_of_the_parts_share_a_bus_and_a_lake_and_hold_no_secret() -> None:
    shared = load(FOLDER / "shared.yaml")
    assert shared.bus_url.startswith("redis://bus:")
    assert shared.lake_root.startswith("s3://")
    told = "".join((FOLDER / name).read_text() for name in ("shared.yaml", "config.yaml", "Containerfile"))
    assert not re.search(r"(?i)(secret|password|token)\w*: *\S", told)
    given = PARTS["x-p9"]["environment"]
    assert [value for name, value in given.items() if name.startswith("AWS_")] == [None] * 5  # the caller's own
    assert PARTS["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${P9_POSTGRES_PASSWORD:?}"

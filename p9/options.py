"""What several commands take alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


def _chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Into the environment while the command runs, so that everything it starts is configured alike."""
    if value is None:
        return
    before = os.environ.get("P9_CONFIG")
    os.environ["P9_CONFIG"] = os.path.abspath(value)  # noqa: PTH100  a missing file is for the loader to tell

    def restore() -> None:
        if before is None:
            os.environ.pop("P9_CONFIG", None)
        else:
            os.environ["P9_CONFIG"] = before

    ctx.call_on_close(restore)


def listed(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Callback of an option that may be repeated: each value may also be several, with commas between them."""
    return tuple(name for value in values for name in value.split(",") if name)


def config(command: C) -> C:
    """`--config FILE`: what `P9_CONFIG` says otherwise."""
    return click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_chosen,
        help="Your settings (else P9_CONFIG, else the defaults).",
    )(command)

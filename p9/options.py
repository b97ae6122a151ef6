"""What several commands take alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


def _chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Into the environment, so that everything a command starts is configured alike."""
    if value is not None:
        os.environ["P9_CONFIG"] = os.path.abspath(value)  # noqa: PTH100  a missing file is for the loader to tell


def config(command: C) -> C:
    """`--config FILE`: what `P9_CONFIG` says otherwise."""
    return click.option(
        "--config", metavar="FILE", expose_value=False, callback=_chosen, help="Configuration file (else P9_CONFIG)."
    )(command)

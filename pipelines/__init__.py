"""When history is fetched: plans of what is missing, sources that ask, landings that repeat without harm, flows.

`run` is loaded when asked for, so that importing a plan does not import Prefect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.running import run

__all__ = ["run"]


def __getattr__(name: str) -> object:
    if name == "run":
        from pipelines.running import run

        return run
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")

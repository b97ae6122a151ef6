"""Where the tasks of a flow run: threads of its own process, or a Dask or Ray cluster, as the settings say.

Asked anew for each run, so that a flow that was imported long ago follows the settings of its day.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from configs.load import load
from configs.settings import FlowSettings
from warehouse.errors import ConfigError

Runner = TaskRunner[PrefectFuture[Any]]

CLUSTERS = {"dask": ("prefect_dask", "DaskTaskRunner"), "ray": ("prefect_ray", "RayTaskRunner")}
"""Package and class of each runner that is not Prefect's own."""


class Configured(ThreadPoolTaskRunner[Any]):
    """Stands in a flow's declaration for the runner that the settings name when it runs."""

    def duplicate(self) -> Any:
        """The runner of one run."""
        return chosen(load().flows)


CONFIGURED = cast(Runner, Configured())


def chosen(flows: FlowSettings) -> Runner:
    """The task runner that the settings name. Raises ConfigError when its package is not installed."""
    if flows.runner == "threads":
        return cast(Runner, ThreadPoolTaskRunner[Any]())
    package, name = CLUSTERS[flows.runner]
    try:
        found: Runner = getattr(import_module(package), name)(address=flows.cluster)
    except ImportError as error:
        missing = f"flows.runner is {flows.runner!r} but {error.name} is not installed"
        raise ConfigError(f"{missing}: pip install 'p9-microstream[{flows.runner}]'") from None
    return found

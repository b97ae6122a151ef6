"""The settings say where a flow's tasks run, each time it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines.deploy import DEPLOYMENTS, flow_of
from pipelines.flows.runner import CONFIGURED
from warehouse.errors import ConfigError


def test_every_flow_asks_the_settings() -> None:
    assert [each.name for each in DEPLOYMENTS if flow_of(each).task_runner is not CONFIGURED] == []


def test_threads_are_the_default_and_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("P9_CONFIG", raising=False)
    assert type(CONFIGURED.duplicate()) is ThreadPoolTaskRunner
    file = tmp_path / "ray.yaml"
    file.write_text("flows: {runner: ray, cluster: 'ray://head:10001'}\n")
    monkeypatch.setenv("P9_CONFIG", str(file))
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'p9-microstream\[ray\]'"):
        CONFIGURED.duplicate()

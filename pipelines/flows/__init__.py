"""The flows. Prefect's environment is prepared here, before any of them imports Prefect."""

from __future__ import annotations

from pipelines.prefect_env import prepare

prepare()

"""Notebooks are read-only guests, kept clean, and run from top to bottom."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.processes import run

FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())["cells"]
    return found


def test_the_readme_lists_them_all() -> None:
    text = (FOLDER / "README.md").read_text()
    assert NOTEBOOKS
    assert [name for name in NOTEBOOKS if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs_and_begins_with_words(name: str) -> None:
    found = cells(name)
    assert found[0]["cell_type"] == "markdown"
    assert found[0]["source"][0].startswith("# ")
    for cell in found:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            ast.parse("".join(cell["source"]))
        assert [line for line in cell["source"] if len(line.rstrip("\n")) > 120] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_only_reads(name: str) -> None:
    code = "".join("".join(cell["source"]) for cell in cells(name) if cell["cell_type"] == "code")
    for writing in ("Lake(", ".append(", ".upsert(", ".replace(", "COPY ", "INSERT ", "write_"):
        assert writing not in code, writing


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_every_notebook_runs_on_an_emulated_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    home = tmp_path / "demo"
    _, words = await run(tmp_path, "demo", "--seconds", "20", "--home", str(home), seconds=900)
    assert (home / "lake" / "contexts").is_dir(), words
    monkeypatch.setenv("P9_HOME", str(home))
    monkeypatch.delenv("P9_LAKE", raising=False)
    for name in NOTEBOOKS:
        notebook = nbformat.read(FOLDER / name, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        client = NotebookClient(
            notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
        )
        await client.async_execute()
        shown = [
            kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})
        ]
        assert "image/png" in shown, f"{name} drew nothing"

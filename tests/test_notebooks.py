"""Notebooks: stored without outputs, and run from top to bottom where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from optimizer.report.charts import MIN_WIDTH
from tests.pictures import picture_sizes

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook() -> None:
    """The tests below are not empty."""
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    """Outputs and execution counts stay out of the repository: they are large and show other people's machines."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every cell runs, in a fresh kernel of this environment, and every chart is large enough to be seen."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count is not None for cell in cells)
    charts = sum("show(optimizer.plot_" in cell.source for cell in cells)
    if charts:
        page = tmp_path / "outputs.html"
        page.write_text(outputs_as_page(cells), "utf-8")
        sizes = picture_sizes(request.getfixturevalue("browser"), page, charts)
        assert all(width >= MIN_WIDTH and height >= 200 for width, height in sizes), sizes


def outputs_as_page(cells: Sequence[NotebookNode]) -> str:
    """Outputs of cells one below the other, as a notebook shows them."""
    parts = []
    for output in (output for cell in cells for output in cell.outputs):
        data = output.get("data", {})
        parts.append(data.get("text/html", ""))
        if "application/javascript" in data:
            parts.append(f"<script>(() => {{{data['application/javascript']}}})()</script>")
    return "<!doctype html><meta charset='utf-8'><body>" + "\n".join(parts)

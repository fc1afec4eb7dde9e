"""Write the page of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

import optimizer


def test_a_page_is_written_whole(pulled: Path, tmp_path: Path) -> None:
    """The page names every VM that moves, and replaces an older file; limits appear only if they are given."""
    plan, estate = optimizer.read_plan(pulled / "plan.json"), optimizer.open_estate(pulled / "estate")
    page = tmp_path / "report.html"
    page.write_text("an older page")
    optimizer.write_report(plan, estate, str(page))
    text = page.read_text(encoding="utf-8")
    assert "an older page" not in text and "No limit binds" not in text
    for entry in plan.schedule:
        if entry.start != entry.start_today:
            assert entry.vm.rpartition("/")[2] in text
    optimizer.write_report(plan, estate, page, limits=())
    assert "No limit binds" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_estate_error(pulled: Path, tmp_path: Path) -> None:
    """The message names the path; nothing is left behind."""
    plan, estate = optimizer.read_plan(pulled / "plan.json"), optimizer.open_estate(pulled / "estate")
    with pytest.raises(optimizer.EstateError, match=r"report\.html"):
        optimizer.write_report(plan, estate, tmp_path / "missing" / "report.html")
    assert not list(tmp_path.iterdir())

"""The rollback file holds every object that a plan changes as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.documents.plan_document import CreatePolicy
from optimizer.documents.rollback_file import read_rollback, rollback_path, write_rollback
from optimizer.errors import PlanFormatError
from tests.cli.command_line import run
from tests.plan.planned import Planned


@pytest.mark.parametrize(
    ("plan", "expected"),
    [("plan.json", "plan.rollback.json"), ("a/march.json", "a/march.rollback.json"), ("plan", "plan.rollback.json")],
)
def test_it_lies_beside_the_plan(plan: str, expected: str) -> None:
    """The name follows the plan's."""
    assert rollback_path(Path(plan)) == Path(expected)


def test_it_holds_what_was(arm: Planned, tmp_path: Path) -> None:
    """Every changed object stands in it whole, in the order of the plan; created ones have no past."""
    path = tmp_path / "plan.rollback.json"
    write_rollback(arm.plan, arm.estate.document, path)
    back = read_rollback(path)
    document = arm.estate.document
    known = {resource["id"]: resource for resource in (*document.policies, *document.protected_items)}
    assert back.plan_fingerprint == arm.plan.fingerprint
    assert [one.kind for one in back.objects] == [change.kind for change in arm.plan.changes]
    for one, change in zip(back.objects, arm.plan.changes, strict=True):
        assert one.before == (None if isinstance(change, CreatePolicy) else known[str(one.object_id)])
        assert one.change


def test_a_plan_of_another_estate_has_none(arm: Planned, imported: Planned, tmp_path: Path) -> None:
    """Where an object is not in the estate nothing is written."""
    with pytest.raises(PlanFormatError, match="not in the estate: the plan was made for another one"):
        write_rollback(arm.plan, imported.estate.document, tmp_path / "plan.rollback.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "expected"), [("{}", "plan_fingerprint is missing"), ("x", "not valid JSON")])
def test_what_is_none_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    """The message names the file and what is wrong with it."""
    path = tmp_path / "plan.rollback.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PlanFormatError, match=expected):
        read_rollback(path)
    with pytest.raises(PlanFormatError, match="cannot be read"):
        read_rollback(tmp_path / "none.json")


def test_plan_writes_it(imported: Planned, tmp_path: Path) -> None:
    """``plan`` leaves it beside the plan, for the owner's eyes, and says so."""
    out = tmp_path / "plan.json"
    answer = run("plan", imported.estate.path, "--out", out, "--effort", 1)
    path = tmp_path / "plan.rollback.json"
    assert answer.code == 0
    assert f"rollback file: {path}" in answer.err
    assert read_rollback(path).objects
    assert {file.stat().st_mode & 0o777 for file in (out, path)} == {0o600}

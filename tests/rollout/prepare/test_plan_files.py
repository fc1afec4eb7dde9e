"""Files of a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.documents import read_rollback, rollback_path, write_plan
from optimizer.errors import ApplyError
from optimizer.journal import Journal
from optimizer.rollout.prepare.plan_files import PlanFiles
from tests.rollout.conftest import Ready
from tests.rollout.prepare.small_runs import run_record


def test_a_path_is_the_files_beside_it() -> None:
    """Journals of apply and rollback lie beside the plan, unless another place is given."""
    files = PlanFiles.of("plans/june.json")
    assert files.plan_path == Path("plans/june.json")
    assert files.apply_journal(resume=True).path == Path("plans/june.journal.jsonl")
    back = files.rollback_journal(resume=False)
    assert (back.path, back.command, back.resume) == (Path("plans/june.rollback.jsonl"), "rollback", False)
    other = PlanFiles("plans/june.json", journal="logs/june.jsonl")
    assert PlanFiles.of(other) is other
    assert other.journal_path == Path("logs/june.jsonl")
    assert other.rollback_journal(resume=False).path == Path("logs/june.rollback.jsonl")


def test_the_plan_of_a_journal_lies_beside_it(tmp_path: Path) -> None:
    """Or it is given; a journal without its plan is refused."""
    path = tmp_path / "plan.journal.jsonl"
    journal = Journal(path)
    journal.append(run_record())
    journal.close()
    with pytest.raises(ApplyError, match=r"plan\.json does not exist"):
        PlanFiles.of_journal(path)
    assert PlanFiles.of_journal(path, "elsewhere.json", "estate").plan_path == Path("elsewhere.json")
    (tmp_path / "plan.json").write_text("{}")
    assert PlanFiles.of_journal(str(path)).plan_path == tmp_path / "plan.json"


def test_a_plan_is_opened_with_its_estate(planned: Ready, tmp_path: Path) -> None:
    """As it was planned; here, nothing has changed, so both ways give the same."""
    write_plan(planned.plan, tmp_path / "plan.json")
    files = PlanFiles(tmp_path / "plan.json", estate=planned.estate.path)
    assert files.case().plan.fingerprint == planned.plan.fingerprint
    assert files.known_case() == files.case()


def test_a_rollback_file_is_written_once(planned: Ready, tmp_path: Path) -> None:
    """An existing one is kept, and a folder that cannot be written is a remark."""
    files, remarks = PlanFiles(tmp_path / "plan.json"), list[str]()
    case = replace(planned.case, path=files.plan_path)
    files.keep_rollback_file(case, remarks.append)
    assert read_rollback(rollback_path(files.plan_path)).written_by == "apply"
    rollback_path(files.plan_path).write_text("kept")
    files.keep_rollback_file(case, remarks.append)
    assert rollback_path(files.plan_path).read_text() == "kept"
    assert remarks == []
    PlanFiles(tmp_path / "gone" / "plan.json").keep_rollback_file(case, remarks.append)
    assert remarks[0].startswith("no rollback file, so 'rollback' will need the estate of the plan: ")

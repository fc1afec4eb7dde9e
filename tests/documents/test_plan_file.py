"""``plan.json``: its published schema, what is said of a file that is none, and the way back to the estate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from optimizer.documents import PlanDocument, relative_to_plan
from optimizer.documents.applied import apply_in_memory
from optimizer.documents.fingerprint import with_fingerprint
from optimizer.documents.plan_document import json_schema
from optimizer.documents.plan_file import open_estate_of, read_plan, write_plan
from optimizer.errors import EstateError, PlanError, PlanFormatError, StalePlanError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.model.clock import VirtualClock
from optimizer.workflow import make_plan
from tests.plan.estates import DAYS, imported_estate, load_of, vm_rows, write_rows
from tests.plan.make.test_make_plan import RULES
from tests.plan.planned import Planned

SCHEMA = "docs/plan.schema.json"


@pytest.fixture
def plan_file(imported: Planned, tmp_path: Path) -> Path:
    """Return a plan, written."""
    path = tmp_path / "plan.json"
    write_plan(imported.plan, path)
    return path


def test_the_published_schema_is_current(root: Path) -> None:
    """The schema in the documentation is what ``python -m optimizer.documents.plan_document`` prints."""
    assert json.loads((root / SCHEMA).read_text(encoding="utf-8")) == json.loads(json_schema())


@pytest.fixture(scope="module")
def validator(root: Path) -> jsonschema.Draft202012Validator:
    """Return a validator of the published schema."""
    schema = json.loads((root / SCHEMA).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", ["imported", "arm"])
def test_a_written_plan_is_valid_by_the_schema(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, validator: jsonschema.Draft202012Validator
) -> None:
    """What is written validates, and reads back as the same plan."""
    made: Planned = request.getfixturevalue(name)
    write_plan(made.plan, tmp_path / "plan.json")
    validator.validate(json.loads((tmp_path / "plan.json").read_text(encoding="utf-8")))
    assert read_plan(tmp_path / "plan.json") == made.plan


def test_a_plan_with_rules_is_valid_by_the_schema(
    imported: Planned, tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    """Rules with windows, selectors, caps and limits are part of the plan and of the schema."""
    plan = make_plan(imported.estate, RULES, effort=1)
    write_plan(plan, tmp_path / "plan.json")
    content = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    validator.validate(content)
    assert content["rules"]["rule"][3]["allow"] == [{"from": "20:00", "to": "08:00", "zone": "Europe/Berlin"}]
    assert read_plan(tmp_path / "plan.json").rules == RULES


def test_a_plan_from_before_the_gap_is_read(imported: Planned, tmp_path: Path) -> None:
    """A plan without ``summary.gap`` keeps its fingerprint, and its reports work the gap out."""
    summary = imported.plan.summary.model_copy(update={"gap": None})
    write_plan(with_fingerprint(imported.plan.model_copy(update={"summary": summary})), tmp_path / "plan.json")
    read = read_plan(tmp_path / "plan.json").summary
    assert read.gap is None
    assert imported.plan.summary.gap == pytest.approx(read.left_to_gain, abs=3e-6)


def test_the_summary_has_the_fields_that_were_agreed(imported: Planned) -> None:
    """Names and nesting of the summary are an interface of their own."""
    assert json.loads(imported.plan.summary.model_dump_json()).keys() == {
        "vms", "moved", "reassigned", "policies_created", "policies_edited", "status", "stopped", "reference",
        "at_risk_per_month", "overlaps_per_month", "overlaps_exact", "peak_concurrency", "vms_helped", "vms_unharmed",
        "vms_harmed",
        "working_hours_starts", "knee", "cost", "captured", "gap", "seconds", "model_change", "expected_change",
    }  # fmt: skip  # one word after the other
    assert set(imported.plan.schedule[0].model_dump()) == {
        "vm", "service", "vault", "frequency", "days", "interval_hours", "duration_hours", "timezone", "policy_today",
        "start_today", "start_today_utc", "policy", "start", "start_utc", "risk_today", "risk", "reason",
    }  # fmt: skip  # as above


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda plan: plan.update(colour="red"),
    "unknown key inside": lambda plan: plan["summary"].update(colour="red"),
    "no schedule": lambda plan: plan.pop("schedule"),
    "start off the grid": lambda plan: plan["schedule"][0].update(start="23:10"),
    "another kind of change": lambda plan: plan["changes"][0].update(kind="delete_policy"),
    "text for a number": lambda plan: plan["summary"].update(moved="many"),
    "unknown status": lambda plan: plan["summary"].update(status="perfect"),
}


@pytest.mark.parametrize("case", WRONG)
def test_schema_and_reader_refuse_the_same(
    plan_file: Path, case: str, validator: jsonschema.Draft202012Validator
) -> None:
    """What the schema forbids the reader refuses, with the place and what to do."""
    content = json.loads(plan_file.read_text(encoding="utf-8"))
    WRONG[case](content)
    plan_file.write_text(json.dumps(content), encoding="utf-8")
    assert not validator.is_valid(content)
    with pytest.raises(PlanFormatError, match=r"not a plan: .*give the plan.json that 'backup-optimizer plan' wrote"):
        read_plan(plan_file)


NO_PLANS = {
    "empty": ("", "not valid JSON"),
    "no JSON": ("rubbish", "not valid JSON"),
    "a list": ("[]", "not a plan"),
    "other JSON": ('{"vms": 3}', "created_at is missing"),
    "no UTF-8": (b"\xff\xfe{", "not valid JSON"),
}


@pytest.mark.parametrize("case", NO_PLANS)
def test_what_is_no_plan_is_refused(tmp_path: Path, case: str) -> None:
    """The file is named, what is wrong with it, and what to give instead."""
    content, expected = NO_PLANS[case]
    path = tmp_path / "plan.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlanFormatError) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)
    assert "give the plan.json" in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_plan_is_refused(plan_file: Path, share: float) -> None:
    """A plan that was cut off never passes for a shorter one."""
    content = plan_file.read_bytes().rstrip()
    plan_file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PlanFormatError, match=r"not a plan: it is not valid JSON"):
        read_plan(plan_file)


def test_a_plan_of_a_newer_version_is_told_apart(plan_file: Path) -> None:
    """A plan of a later program is not called damaged, whatever else is new in it."""
    content = json.loads(plan_file.read_text(encoding="utf-8")) | {"schema_version": 3, "new_in_three": 1}
    plan_file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        PlanFormatError, match="schema version 3, this program reads versions up to 2; make the plan again"
    ):
        read_plan(plan_file)


@pytest.mark.parametrize(("name", "expected"), [("none.json", "No such file"), (".", "Is a directory")])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, name: str, expected: str) -> None:
    """No such file, or a folder: the path and the reason."""
    with pytest.raises(PlanFormatError, match=f"the plan cannot be read .{expected}"):
        read_plan(tmp_path / name)


def test_the_estate_is_looked_for_from_the_plans_folder(imported: Planned, tmp_path: Path) -> None:
    """Plan and estate may be moved together, and the current folder does not matter."""
    home = tmp_path / "one"
    shutil.copytree(imported.estate.path, home / "data" / "estate")
    plans = home / "plans"
    plans.mkdir()
    way = relative_to_plan(home / "data" / "estate", plans / "plan.json")
    assert way == "../data/estate"
    reference = imported.plan.estate.model_copy(update={"path": way})
    write_plan(with_fingerprint(imported.plan.model_copy(update={"estate": reference})), plans / "plan.json")
    home.rename(tmp_path / "two")
    path = tmp_path / "two" / "plans" / "plan.json"
    assert open_estate_of(read_plan(path), path).fingerprint == imported.estate.fingerprint


def test_a_moved_plan_asks_for_its_estate(imported: Planned, plan_file: Path) -> None:
    """A plan without its estate beside it says where it looked and how to give it; given, it is accepted."""
    with pytest.raises(EstateError) as caught:
        open_estate_of(read_plan(plan_file), plan_file)
    assert str(plan_file) in str(caught.value)
    assert str(plan_file.parent / "estate") in str(caught.value)
    assert "give its folder with --estate" in str(caught.value)
    found = open_estate_of(read_plan(plan_file), plan_file, imported.estate.path)
    assert found.path == imported.estate.path


def changed(estate: Estate, folder: Path, what: str, plan: PlanDocument) -> Path:
    """A copy of the estate that is no longer the one of the plan."""
    out = folder / "changed"
    shutil.copytree(estate.path, out)
    document = estate.document
    items, policies = list(document.protected_items), list(document.policies)
    if what == "gone":
        items = items[1:]
    elif what == "new":
        other = json.loads(json.dumps(items[0]).replace("erp-00", "erp-99"))
        items.append(other)
    elif what == "policies":
        items = list(apply_in_memory(document, plan.changes).protected_items)
        policies = list(apply_in_memory(document, plan.changes).policies)
    elif what == "times":
        policies = json.loads(json.dumps(policies).replace("T02:00:", "T03:30:"))
    update = {"protected_items": tuple(items), "policies": tuple(policies)}
    (out / "estate.json").write_text(document.model_copy(update=update).to_json(), encoding="utf-8")
    return out


STALE = {
    "gone": "1 VM is gone (erp-00)",
    "new": "1 VM is new (erp-99)",
    "policies": "VMs have another policy (",
    "times": "3 VMs start at another time (",
}


@pytest.mark.parametrize("what", STALE)
def test_a_stale_plan_is_refused_with_what_changed(
    imported: Planned, plan_file: Path, tmp_path: Path, what: str
) -> None:
    """Another inventory than the plan's is named by what differs; the exit code is 4."""
    other = changed(imported.estate, tmp_path, what, imported.plan)
    with pytest.raises(StalePlanError) as caught:
        open_estate_of(imported.plan, plan_file, other)
    assert caught.value.exit_code == 4
    assert isinstance(caught.value, PlanError)
    for expected in (str(plan_file), str(other), STALE[what], "make the plan again"):
        assert expected in str(caught.value)
    assert "/subscriptions/" not in str(caught.value)
    assert max(map(len, str(caught.value).replace(str(tmp_path), "").splitlines())) < 110


def test_more_load_makes_a_plan_stale(tmp_path: Path) -> None:
    """A day of load more is another estate: the plan would not be the same."""
    estate = imported_estate(tmp_path)
    plan = make_plan(estate, effort=1, path=tmp_path / "plan.json")
    load_of([row["vm"] for row in vm_rows()], DAYS, 1).write_parquet(tmp_path / "more.parquet")
    import_estate(tmp_path / "vms.csv", tmp_path / "more.parquet", estate.path, append=True)
    with pytest.raises(StalePlanError, match="policies or load history differ"):
        open_estate_of(plan, tmp_path / "plan.json")


def test_the_time_of_writing_makes_no_plan_stale(tmp_path: Path) -> None:
    """An estate imported twice from the same files is the same estate."""
    estate = imported_estate(tmp_path)
    plan = make_plan(estate, effort=1, path=tmp_path / "plan.json")
    write_rows(tmp_path / "vms.csv", vm_rows())
    shutil.rmtree(estate.path)
    later = VirtualClock(estate.document.created_at + timedelta(hours=1))
    import_estate(tmp_path / "vms.csv", tmp_path / "load.parquet", estate.path, clock=later)
    again = open_estate(estate.path)
    assert again.document.created_at != estate.document.created_at
    assert open_estate_of(plan, tmp_path / "plan.json").fingerprint == estate.fingerprint


def test_an_older_plan_is_replaced_whole(plan_file: Path, imported: Planned) -> None:
    """Writing over a plan leaves one file, and nothing beside it."""
    plan_file.write_text("older" * 100_000)
    write_plan(imported.plan, plan_file)
    assert read_plan(plan_file) == imported.plan
    assert list(plan_file.parent.iterdir()) == [plan_file]


def test_a_plan_that_cannot_be_written_is_an_error_of_the_users(imported: Planned, tmp_path: Path) -> None:
    """A folder that is not there is named with what to do, not a traceback."""
    with pytest.raises(EstateError, match=r"cannot write .*none/plan\.json: No such file or directory"):
        write_plan(imported.plan, tmp_path / "none" / "plan.json")

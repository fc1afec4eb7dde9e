"""Plans, rollback files and journals that somebody edited are refused before anything is sent."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from optimizer.documents.estate_of_plan import known_estate
from optimizer.documents.fingerprint import fingerprint_of, with_fingerprint
from optimizer.documents.plan_document import PlanDocument
from optimizer.documents.plan_file import open_estate_of, read_plan, write_plan
from optimizer.documents.rollback_file import rollback_path, write_rollback
from optimizer.errors import EstateError, JournalError, OptimizerError, PlanFormatError, StalePlanError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import open_estate
from optimizer.model.clock import VirtualClock
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.report.terminal.rollout import render_apply_summary
from optimizer.report.terminal.sheet import to_text
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.evidence import check_journal, check_plan
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.planned import writes_of
from tests.plan.estates import policy_id
from tests.rollout.azure_rollouts import ready_of, small
from tests.rollout.conftest import PACE, Ready, run
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import intent_of, inventory_of

Json = Any
FREEZE = (DateRange(first=date(2026, 2, 1), last=date(2026, 2, 28)),)


@dataclass
class Files:
    """A plan on disk with its rollback file and its estate, applied to a service."""

    folder: Path
    service: FakeService
    clock: VirtualClock
    document: EstateDocument

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.folder / "plan.json"

    @property
    def back(self) -> Path:
        """The rollback file."""
        return rollback_path(self.plan)

    @property
    def journal(self) -> Path:
        """The journal of ``apply``."""
        return self.folder / "plan.journal.jsonl"

    def apply(self, *, resume: bool = False) -> RunOutcome:
        """Apply the plan as it is on disk."""
        plan = read_plan(self.plan)
        ready = Ready(open_estate(self.folder / "estate"), plan, self.plan)
        return run(ready, self.service, self.folder, clock=self.clock, resume=resume)

    def prepared(self) -> Prepared:
        """What ``apply`` would ask to confirm."""
        plan, ledger = read_plan(self.plan), Ledger(self.folder / "state")
        document = open_estate(self.folder / "estate").document
        return prepare_apply(
            PlanCase(plan, self.plan, document), Session(self.service, self.clock, ledger), RunJournal(self.journal)
        )

    def take_back(self, *, resume: bool = False, wait: bool = True) -> RunOutcome:
        """Roll the journal back, with the estate from wherever it still is."""
        plan, ledger = read_plan(self.plan), Ledger(self.folder / "state")
        prepared = prepare_rollback(
            PlanCase(plan, self.plan, known_estate(plan, self.plan, reader=self.service)),
            Session(self.service, self.clock, ledger),
            self.journal,
            RunJournal(self.folder / "plan.rollback.jsonl", "rollback", resume=resume),
        )
        until = latest_end(prepared.rollout, self.clock.now()) if wait else None
        return carry_out(prepared, Session(self.service, self.clock, ledger), until=until, pace=PACE)

    def differences(self) -> tuple[str, ...]:
        """Where the service differs from the estate, but for policies that the plan created."""
        plan = read_plan(self.plan)
        created = {change.policy_id.lower() for change in plan.changes if change.kind == "create_policy"}
        return compare_estates(self.document, self.service.snapshot(), besides=created)


@pytest.fixture
def files(planned: Ready, tmp_path: Path) -> Files:
    """Write a sound plan, its rollback file and a copy of its estate."""
    folder = tmp_path / "planner"
    folder.mkdir()
    shutil.copytree(planned.estate.path, folder / "estate")
    write_plan(planned.plan, folder / "plan.json")
    write_rollback(planned.plan, planned.document, rollback_path(folder / "plan.json"))
    return Files(folder, FakeService(planned.document), VirtualClock(planned.noon), planned.document)


def edit_json(path: Path, edit: Callable[[Json], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_plan(files: Files, edit: Callable[[Json], object], *, also_rollback: bool = True) -> None:
    """Edit a plan as somebody does who knows how to make its fingerprint fit, and the rollback file's as well."""
    content = json.loads(files.plan.read_text(encoding="utf-8"))
    edit(content)
    plan = with_fingerprint(PlanDocument.model_validate(content))
    write_plan(plan, files.plan)
    assert fingerprint_of(read_plan(files.plan)) == plan.fingerprint
    if also_rollback:
        edit_json(files.back, lambda back: back.update(plan_fingerprint=plan.fingerprint))


def first(rows: list[Json], **wanted: object) -> Json:
    return next(row for row in rows if all(row.get(key) == value for key, value in wanted.items()))


def moving(plan: Json) -> Json:
    return next(row for row in plan["schedule"] if row["start"] != row["start_today"])


PLAN_EDITS: dict[str, tuple[Callable[[Json], object], str]] = {
    "today's start, which would open a gate": (
        lambda p: moving(p).update(start_today="12:00"),
        "start_today = '12:00'",
    ),
    "today's start of a VM that stays": (
        lambda p: next(r for r in p["schedule"] if r["start"] == r["start_today"]).update(start_today="12:00"),
        "start_today = '12:00' for .*, but its policy starts at '",
    ),
    "the new start": (lambda p: moving(p).update(start="12:30"), "start = '12:30'"),
    "a VM that only the schedule moves": (
        lambda p: next(r for r in p["schedule"] if r["start"] == r["start_today"]).update(start="12:30"),
        "start = '12:30'",
    ),
    "a VM that the schedule lacks": (lambda p: p["schedule"].remove(moving(p)), "which its schedule lacks"),
    "a policy's retention": (
        lambda p: first(p["changes"], kind="create_policy")["properties"]["retentionPolicy"].clear(),
        "retentionPolicy",
    ),
    "another target": (
        lambda p: first(p["changes"], kind="reassign_item").update(policy_id=policy_id("nobody-else")),
        "is not called",
    ),
    "another target with its name": (
        lambda p: first(p["changes"], kind="reassign_item").update(
            policy_id=policy_id("nobody-else"), policy="nobody-else"
        ),
        "in more than the time",
    ),
    "another VM": (
        lambda p: first(p["changes"], kind="reassign_item").update(
            vm=next(r["vm"] for r in p["schedule"] if r["start"] == r["start_today"])
        ),
        "protects",
    ),
    "a change twice": (lambda p: p["changes"].append(p["changes"][-1]), "is changed twice"),
}


@pytest.mark.parametrize("case", PLAN_EDITS)
def test_an_edited_plan_is_refused_whatever_its_fingerprint(files: Files, case: str) -> None:
    """Fields that decide what is written, where and when are compared with the bodies in the estate."""
    edit, expected = PLAN_EDITS[case]
    edit_plan(files, edit)
    with pytest.raises(PlanFormatError, match=expected) as caught:
        files.apply()
    assert "make the plan again" in str(caught.value)
    assert not files.service.accepted


RULES: dict[str, Callable[[Json], object]] = {
    "more writes a day": lambda p: p["rules"].update(policies={"max_writes_per_day": 5000}),
    "a looser rpo": lambda p: p["rules"].update(rule=[{"name": "loose", "rpo_hours": 500}]),
    "another service": lambda p: p["rules"].update(service_from=["tag:other"]),
    "a note": lambda p: p.update(notes=["approved"]),
    "a gain": lambda p: moving(p).update(risk_today=1e6),
}


@pytest.mark.parametrize("case", RULES)
def test_rules_of_a_plan_cannot_be_edited_alone(files: Files, case: str) -> None:
    """What no estate can confirm is covered by the fingerprint in the rollback file."""
    edit_plan(files, RULES[case], also_rollback=False)
    with pytest.raises(PlanFormatError, match="belongs to the plan with fingerprint"):
        files.apply()
    assert not files.service.accepted


def test_gates_and_selection_do_not_read_the_schedule(planned: Ready) -> None:
    """The writes of a plan, with their starts and needs, are the same whatever its schedule says."""
    schedule = tuple(
        entry.model_copy(update={"start_today": "12:00", "start": "12:30", "vault": "rsv-two"})
        for entry in planned.plan.schedule
    )
    edited = planned.plan.model_copy(update={"schedule": schedule})
    assert writes_of(edited, planned.document, planned.inventory) == planned.writes


def test_an_edited_policy_is_checked_like_the_others(tmp_path: Path) -> None:
    """Today's start of an edit is that of its policy, and the journal's retention before it is the estate's."""
    ready = ready_of(small())
    (write,) = (one for one in ready.writes if one.kind == "edit_policy")
    changes = [
        change.model_copy(update={"start_today": "12:00"}) if change.kind == "edit_policy" else change
        for change in ready.plan.changes
    ]
    edited = ready.plan.model_copy(update={"changes": tuple(changes)})
    assert writes_of(edited, ready.document, ready.inventory) == ready.writes
    with pytest.raises(PlanFormatError, match="start_today = '12:00'"):
        check_plan(edited, tmp_path / "plan.json", ready.document, ready.inventory, ready.writes)
    before = copy.deepcopy(write.before)
    assert before is not None
    intent = intent_of(write, ready.noon, before=before)
    check_journal([intent], ready.writes, tmp_path / "journal")
    before["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = 1
    with pytest.raises(JournalError, match="'before' is not the object"):
        check_journal([intent.model_copy(update={"before": before})], ready.writes, tmp_path / "journal")


def test_an_edit_of_a_policy_with_unseen_vms_is_refused(tmp_path: Path) -> None:
    """A policy that protects more VMs than the estate shows is never edited, whoever put the edit into the plan."""
    found = small()
    more = [
        {**one, "properties": {**one["properties"], "protectedItemsCount": 9}} if one["name"] == "weekly-7" else one
        for one in found.document.policies
    ]
    ready = ready_of(found)
    document = ready.document.model_copy(update={"policies": tuple(more)})
    inventory = inventory_of(document)
    with pytest.raises(PlanFormatError, match="also protects VMs"):
        check_plan(ready.plan, tmp_path / "plan.json", document, inventory, ready.writes)


def test_another_order_of_the_changes_needs_what_it_needed(planned: Ready) -> None:
    """A reassignment needs its policy's creation or edit wherever the plan lists it."""
    backwards = planned.plan.model_copy(update={"changes": tuple(reversed(planned.plan.changes))})
    writes = {write.object_id: write for write in writes_of(backwards, planned.document, planned.inventory)}
    for write in planned.writes:
        assert len(writes[write.object_id].needs) == len(write.needs)


BACK_EDITS: dict[str, tuple[Callable[[Json], object], str]] = {
    "the policy before": (
        lambda b: first(b["objects"], kind="reassign_item")["before"]["properties"].update(
            policyId=policy_id("nobody-else")
        ),
        "'before' is not what",
    ),
    "a policy that was there": (
        lambda b: first(b["objects"], kind="create_policy").update(before={"id": "x"}),
        "'before' is not what",
    ),
    "what is sent": (
        lambda b: first(b["objects"], kind="reassign_item")["change"].update(policyId=policy_id("x")),
        "'change' is not what",
    ),
    "an object": (lambda b: b["objects"][0].update(object_id=policy_id("x")), "'object_id' is not what"),
    "an object left out": (lambda b: b["objects"].pop(), "objects, but the plan changes"),
    "another plan": (lambda b: b.update(plan_fingerprint="sha256:" + 64 * "0"), "belongs to the plan"),
    "the estate": (lambda b: b["estate"]["vms"][0].update(tags={"tier": "gold"}), "'estate' is not the estate"),
}


@pytest.mark.parametrize("case", BACK_EDITS)
def test_an_edited_rollback_file_is_refused(files: Files, case: str) -> None:
    """``apply`` and ``rollback`` compare the file with the plan and its estate, and say what differs where."""
    edit, expected = BACK_EDITS[case]
    assert files.apply().complete
    files.service.accepted.clear()
    edit_json(files.back, edit)
    for command in (files.take_back, lambda: files.apply(resume=True)):
        with pytest.raises(PlanFormatError, match=expected) as caught:
            command()
        assert str(files.back) in str(caught.value)
    assert not files.service.accepted


KEPT_EDITS: dict[str, tuple[Callable[[Json], object], str]] = {
    "the estate": (lambda b: b["estate"]["vms"][0].update(tags={"tier": "gold"}), "'estate' was edited"),
    "no estate": (lambda b: b.pop("estate"), "'estate' is missing"),
}


@pytest.mark.parametrize("case", KEPT_EDITS)
def test_an_edited_rollback_file_does_not_stand_in_for_the_estate(files: Files, case: str) -> None:
    """With the estate gone, what the rollback file keeps of it must be what the plan knows it by."""
    edit, expected = KEPT_EDITS[case]
    assert files.apply().complete
    shutil.rmtree(files.folder / "estate")
    edit_json(files.back, edit)
    with pytest.raises(PlanFormatError, match=expected):
        files.take_back()


def edit_records(path: Path, kind: str, edit: Callable[[Json], object], *, of: str = "") -> None:
    """Edit the first record of a kind, of writes of a kind."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kinds = {line["number"]: line["kind"] for line in lines if line["record"] == "intent"}
    edit(next(r for r in lines if r["record"] == kind and (not of or kinds.get(r["number"]) == of)))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


ITEM = "reassign_item"
JOURNAL_EDITS: dict[str, tuple[str, str, Callable[[Json], object], str]] = {
    "the policy before": (
        "intent",
        ITEM,
        lambda r: r["before"]["properties"].update(policyId=policy_id("nobody-else")),
        "'before' is not the object",
    ),
    "no state before": ("intent", ITEM, lambda r: r.update(before=None), "'before' is not the object"),
    "a state without properties": ("intent", ITEM, lambda r: r["before"].update(properties=None), "'before'"),
    "a policy before its creation": (
        "intent",
        "create_policy",
        lambda r: r.update(before={"id": "x", "properties": {"timeZone": "UTC"}}),
        "'before' is not the object",
    ),
    "the object": ("intent", ITEM, lambda r: r.update(object_id=r["object_id"] + "x"), "'object_id' is"),
    "the vault": ("intent", ITEM, lambda r: r.update(vault_id=r["vault_id"] + "x"), "'vault_id' is"),
    "the name": ("intent", ITEM, lambda r: r.update(name="another"), "'name' is 'another'"),
    "the kind": ("intent", ITEM, lambda r: r.update(kind="edit_policy"), "'kind' is 'edit_policy'"),
    "the VMs": ("intent", ITEM, lambda r: r.update(vms=[]), "'vms' is empty"),
    "the body": ("intent", ITEM, lambda r: r["body"].update(policyId=policy_id("x")), "'body' is not what"),
    "no body": ("intent", ITEM, lambda r: r.update(body=None), "'body' does not fit"),
    "the number": ("intent", ITEM, lambda r: r.update(number=1), "is"),
    "a number beyond the plan": ("done", ITEM, lambda r: r.update(number=999), "the plan has no write 999"),
    "the state after": (
        "done",
        ITEM,
        lambda r: r["after"]["properties"].update(policyId=policy_id("x")),
        "'after' is not what",
    ),
    "the command": ("run", "", lambda r: r.update(command="rollback"), "is the journal of 'rollback'"),
    "the plan": ("run", "", lambda r: r.update(plan_fingerprint="sha256:1"), "belongs to the plan"),
}


@pytest.mark.parametrize("case", JOURNAL_EDITS)
def test_an_edited_journal_is_refused(files: Files, case: str) -> None:
    """Neither ``rollback`` nor ``apply --resume`` sends anything; the message says which line is wrong and how."""
    kind, of, edit, expected = JOURNAL_EDITS[case]
    assert files.apply().complete
    files.service.accepted.clear()
    edit_records(files.journal, kind, edit, of=of)
    for command in (files.take_back, lambda: files.apply(resume=True)):
        with pytest.raises(JournalError, match=expected) as caught:
            command()
        assert str(files.journal) in str(caught.value)
    assert not files.service.accepted


@pytest.mark.parametrize(
    "options",
    [{"only": "vm=x"}, {"only": [1]}, {"max_moves": "many"}, {"max_moves": 0}, {"wave": 200}, {"wave": True}],
    ids=str,
)
def test_options_that_no_run_records_are_refused(files: Files, options: dict[str, object]) -> None:
    """A malformed scope in the journal gets a message, not a traceback or a wider run."""
    assert files.apply().complete
    edit_records(files.journal, "run", lambda record: record.update(options=options))
    with pytest.raises(JournalError, match="options that no run records"):
        files.apply(resume=True)


@pytest.mark.parametrize("case", ["the policy before", "the object", "the body", "the state after"])
def test_an_edited_journal_of_the_rollback_is_refused(files: Files, case: str) -> None:
    """The rollback's own journal is not believed either when it is resumed."""
    kind, of, edit, expected = JOURNAL_EDITS[case]
    assert files.apply().complete
    files.take_back()
    edit_records(files.folder / "plan.rollback.jsonl", kind, edit, of=of)
    files.service.accepted.clear()
    with pytest.raises(JournalError, match=expected):
        files.take_back(resume=True)
    assert not files.service.accepted


@pytest.mark.parametrize("kind", ["done", "intent"])
def test_a_journal_that_lost_lines_still_leads_back(files: Files, kind: str) -> None:
    """Where the end or the beginning of every item's write is missing, what is in Azure decides."""
    assert files.apply().complete
    lines = [json.loads(line) for line in files.journal.read_text(encoding="utf-8").splitlines()]
    items = {line["number"] for line in lines if line.get("kind") == ITEM}
    kept = [line for line in lines if line["record"] != kind or line["number"] not in items]
    files.journal.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    files.take_back()
    assert files.differences() == ()


def test_the_way_back_does_not_need_the_estate(files: Files) -> None:
    """With the estate folder gone, plan, rollback file and journal restore everything; a lost ``--estate`` is told."""
    assert files.apply().complete
    assert files.differences()
    shutil.rmtree(files.folder / "estate")
    remarks: list[str] = []
    plan, gone = read_plan(files.plan), files.folder / "gone"
    known = known_estate(plan, files.plan, gone, remark=remarks.append)
    assert known.fingerprint() == plan.estate.objects
    (said,) = remarks
    assert f"plan.rollback.json takes the place of --estate {gone}" in said
    files.take_back()
    assert files.differences() == ()


def test_the_way_back_does_not_mind_a_later_pull(files: Files) -> None:
    """An estate that was pulled again after the change has another fingerprint; the rollback file stands in."""
    assert files.apply().complete
    pulled_again(files)
    with pytest.raises(StalePlanError):
        open_estate_of(read_plan(files.plan), files.plan)
    files.take_back()
    assert files.differences() == ()


def pulled_again(files: Files) -> None:
    """Replace the estate by what the service holds now."""
    path = files.folder / "estate" / "estate.json"
    path.write_text(files.service.snapshot().to_json(), encoding="utf-8")


def of_older_version(files: Files) -> None:
    """Turn plan and rollback file into ones of the version before estates were kept."""
    edit_plan(files, lambda plan: plan["estate"].pop("objects"))
    edit_json(files.back, lambda back: back.pop("estate"))


def test_files_of_the_version_before_stay_usable(files: Files) -> None:
    """A plan and a rollback file without the kept estate are applied, and taken back also after a later pull."""
    of_older_version(files)
    assert files.apply().complete
    pulled_again(files)
    files.take_back()
    assert files.differences() == ()


def test_files_of_the_version_before_lead_back_without_the_estate(files: Files) -> None:
    """What an older rollback file lacks is read from Azure and from the plan's schedule."""
    of_older_version(files)
    assert files.apply().complete
    shutil.rmtree(files.folder / "estate")
    with pytest.raises(OptimizerError, match="--estate"):
        known_estate(read_plan(files.plan), files.plan)
    files.take_back()
    assert files.differences() == ()


def test_an_old_policy_with_another_time_is_no_way_back(files: Files) -> None:
    """Without any estate, a policy whose time was changed since is found by what the plan says of its VMs."""
    of_older_version(files)
    assert files.apply().complete
    shutil.rmtree(files.folder / "estate")
    plan = read_plan(files.plan)
    today = next(change.policy_today_id for change in plan.changes if change.kind == "reassign_item").lower()
    for schedule in ("schedulePolicy", "retentionPolicy"):
        moved = json.dumps(files.service.policies[today]["properties"][schedule]).replace("T23:00", "T11:00")
        files.service.policies[today]["properties"][schedule] = json.loads(moved)
    files.service.accepted.clear()
    with pytest.raises(PlanFormatError, match="start_today = '23:00'"):
        files.take_back()
    assert not files.service.accepted


@pytest.mark.parametrize(
    "rule",
    [
        Rule(name="gold", where=Selector(tag={"tier": "gold"}), freeze=FREEZE),
        Rule(name="gold", separate=("app-*", Selector(os="Windows"))),
    ],
    ids=["where", "set"],
)
def test_rules_that_only_the_estate_can_answer_need_the_estate(files: Files, rule: Rule) -> None:
    """A freeze for VMs with a tag is not forgotten because the tags are lost with the estate."""
    of_older_version(files)
    edit_plan(files, lambda plan: plan["rules"].update(rule=[rule.model_dump(mode="json")]))
    shutil.rmtree(files.folder / "estate")
    with pytest.raises(OptimizerError, match="by which rule 'gold' selects"):
        files.take_back()


def test_the_fixture_has_no_rules_but_its_prices(planned: Ready) -> None:
    """The edits above start from a plan without rules."""
    assert planned.plan.rules == Rules(prices=planned.plan.rules.prices)


def test_without_a_rollback_file_a_lost_estate_is_an_error(files: Files) -> None:
    """Whether named or not; the message says what could stand in for it."""
    files.back.unlink()
    shutil.rmtree(files.folder / "estate")
    for named in (None, files.folder / "gone"):
        with pytest.raises(EstateError, match=r"or restore \S+plan\.rollback\.json"):
            known_estate(read_plan(files.plan), files.plan, named)


@pytest.mark.parametrize("written_by", ["nobody", "apply"])
def test_rules_that_nothing_vouches_for_are_reported(files: Files, written_by: str) -> None:
    """Edited rules with a fitting fingerprint pass if the rollback file is gone; the summary says so.

    A rollback file that ``apply`` made from such a plan does not hide it from the next run.
    """
    edit_plan(files, lambda plan: plan["rules"]["policies"].update(max_writes_per_day=1000), also_rollback=False)
    plan = read_plan(files.plan)
    with pytest.raises(PlanFormatError, match="belongs to the plan with fingerprint"):
        files.apply()
    files.back.unlink()
    if written_by == "apply":
        write_rollback(plan, files.document, files.back, written_by="apply")
    prepared = files.prepared()
    (said,) = [remark for remark in prepared.remarks if "could not be checked" in remark]
    assert plan.fingerprint in said
    text = " ".join(to_text(render_apply_summary(prepared), 200).split())
    assert said in text
    assert f"plan: {plan.fingerprint}" in text
    assert "at most 1,000 policy writes in any 24 hours per vault" in text


def test_a_sound_rollback_file_vouches_for_the_rules(files: Files) -> None:
    """No remark where ``plan`` wrote the file."""
    assert not [remark for remark in files.prepared().remarks if "could not be checked" in remark]

"""Small roll-outs and runs, built from their own classes, for the tests of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.estate import EstateDocument
from optimizer.journal import Commands, RunRecord
from optimizer.ports import Resource
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.timed_writes import Blocked, Rollout, TimedWrite
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.scope import Approval, RunScope
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.prepare.vm_filter import VmFilter
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, item, policy_id, standard_policy, vm_id
from tests.report.small_estate import make_inventory, make_plan, make_risk

BEGAN = datetime(2026, 2, 17, 12, 0, tzinfo=UTC)
INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def create(number: int, start: str) -> Write:
    """Build the creation of a twin of ``nightly``."""
    name = f"nightly-{start.replace(':', '')}"
    body = standard_policy(name, start)["properties"]
    return Write(number, "create_policy", VAULT, policy_id(name), name, body, None, start_after=start)


def edit(number: int, start: str, vms: tuple[str, ...]) -> Write:
    """Build the edit of ``nightly``."""
    before, body = standard_policy("nightly", "23:00"), standard_policy("nightly", start)["properties"]
    ids = tuple(vm_id(vm) for vm in vms)
    return Write(number, "edit_policy", VAULT, before["id"], "nightly", body, before, ids, "23:00", start)


def reassign(number: int, vm: str, start: str, needs: tuple[int, ...] = ()) -> Write:
    """Build the move of a VM from ``nightly`` to a twin."""
    before, target = item(vm, "nightly"), policy_id(f"nightly-{start.replace(':', '')}")
    body = {"policyId": target, "sourceResourceId": vm_id(vm)}
    places = {"policy_before": policy_id("nightly"), "policy_after": target}
    return Write(
        number,
        "reassign_item",
        VAULT,
        before["id"],
        vm,
        body,
        before,
        (vm_id(vm),),
        "23:00",
        start,
        **places,
        needs=needs,
    )


def timed(write: Write, hours: float, *, day: int = 1, wave: int = 1) -> TimedWrite:
    """Give a write its time, so many hours after the beginning."""
    at = BEGAN + timedelta(hours=hours)
    return TimedWrite(write, at, at, at + timedelta(hours=2), day, wave)


WRITES = (
    create(1, "03:00"),
    *(reassign(number, f"app-{number:02d}", "03:00", needs=(1,)) for number in range(2, 14)),
    edit(14, "04:30", ("web-1", "web-2", "web-3")),
)
BLOCKED = Blocked(
    reassign(15, "ledger-db", "03:00"), "rule 'year end' freezes its vault until 2026-12-31, longer than a year"
)


def make_rollout(*, blocked: bool = True, waves: bool = False) -> Rollout:
    """Build a calendar of two days."""
    laid_out = [timed(write, 0.25 * number) for number, write in enumerate(WRITES[:-1])]
    laid_out.append(timed(WRITES[-1], 25.5, day=2, wave=2 if waves else 1))
    notes = ("vault rsv-one: 4 of 50 policy writes of these 24 hours are used up already",)
    return Rollout(BEGAN, tuple(laid_out), (BLOCKED,) if blocked else (), notes)


def make_prepared(writes: Sequence[Write] | None = None, **changes: Any) -> Prepared:
    """Build a run before its first write."""
    path = Path("plans/my plan.json")
    whole = Prepared(
        case=PlanCase(PLAN, path, EstateDocument(created_at=BEGAN, as_of=BEGAN, source="azure")),
        journal=RunJournal(Path("plans/my plan.journal.jsonl")),
        baseline=Baseline(INVENTORY, PLAN.rules),
        selection=Selection((*WRITES, BLOCKED.write) if writes is None else tuple(writes)),
        rollout=make_rollout(),
        commands=Commands(Path("plans/my plan.json"), Path("plans/my plan.journal.jsonl")),
        remarks=("vault rsv-one is immutable (Locked): only changes of time are allowed",),
    )
    return replace(whole, **changes)


PART = {
    "scope": RunScope((VmFilter("vault", "rsv-*"),), 20, 10.0),
    "limits": RolloutLimits(pilot=frozenset({vm_id("app-02")})),
    "approval": Approval("Change board", "CHG0042"),
}


def make_outcome(**changes: Any) -> RunOutcome:
    """Build the end of a run in which every kind of trouble occurred."""
    whole = RunOutcome(
        done=tuple(range(1, 12)),
        failed=(12,),
        skipped=(13,),
        pending={14: "opens at 2026-02-18 13:30 UTC"},
        blocked=(BLOCKED,),
        reasons={
            12: "app-12 cannot be assigned to nightly-0300: the service refused (BMSUserErrorInvalidInput)",
            13: "app-13 was changed by somebody else since the plan was made; make the plan again",
        },
        resume_at=datetime(2026, 2, 18, 13, 30, tzinfo=UTC),
    )
    return replace(whole, **changes)


COMPLETE = RunOutcome(done=tuple(range(1, 15)), failed=(), skipped=(), pending={})


def run_record(run: int = 1, **changes: Any) -> RunRecord:
    """Build the beginning of a run."""
    values: dict[str, Any] = {
        "run": run,
        "command": "apply",
        "at": BEGAN,
        "plan_fingerprint": "sha256:" + "ab" * 32,
        "plan": "plan.json",
        "who": "kim@host",
        "program": "backup-schedule-optimizer 0.2",
        "approved_by": "Change board",
        "ticket": "CHG0042",
    }
    return RunRecord(**{**values, **changes})


def after(write: Write) -> Resource:
    """The object as it is read after a write."""
    before = (write.before or {"id": write.object_id, "name": write.name, "properties": {}})["properties"]
    return {"id": write.object_id, "name": write.name, "properties": {**before, **write.body}}

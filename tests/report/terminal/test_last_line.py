"""The line that sums up the output of a command."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from optimizer.documents import WatchReport
from optimizer.documents.audit_document import BrokenRule
from optimizer.documents.plan_document import PlanDocument
from optimizer.intake import LoadHole
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rules
from optimizer.plan.audits.audit import TodaysSchedule, audit
from optimizer.report.terminal.last_line import last_line
from tests.report.rollouts import COMPLETE, make_outcome
from tests.report.small_estate import make_inventory, make_plan, make_risk
from tests.report.terminal.test_pull import REPORT as PULLED
from tests.report.terminal.test_rollout import FLAWED, FLAWLESS
from tests.report.terminal.test_watch import ALARM, REPORT, WELL

INVENTORY = make_inventory()
RISK = make_risk(INVENTORY)
PLAN = make_plan(INVENTORY, RISK)


def changed(**figures: int) -> PlanDocument:
    return PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=figures)})


def test_the_line_of_a_plan_counts_its_changes() -> None:
    """Policies to create, policies to edit, and VMs to move are those of the changes."""
    kinds = Counter(change.kind for change in PLAN.changes)
    moved = sum(entry.start != entry.start_today for entry in PLAN.schedule)
    assert last_line(PLAN) == (
        f"Plan: {kinds['create_policy']} policies to create, {kinds['edit_policy']} to edit, {moved} VMs to move"
    )
    single = changed(policies_created=1, policies_edited=1234, moved=1)
    assert last_line(single) == "Plan: 1 policy to create, 1,234 to edit, 1 VM to move"
    assert last_line(PLAN.model_copy(update={"changes": ()})) == "Plan: no changes"


@pytest.mark.parametrize("num_broken", [None, 0, 1, 2])
def test_the_line_of_an_audit_counts_what_is_wrong(num_broken: int | None) -> None:
    """Broken rules are counted where rules were given."""
    found = audit(TodaysSchedule(INVENTORY, RISK, Rules(), history_days=np.arange(30)))
    rule = BrokenRule(rule="nights", demands=("allow",), vms=("a",), never_written=0)
    told = last_line(found.model_copy(update={"broken_rules": None if num_broken is None else (rule,) * num_broken}))
    together = sum(one.at_once is None for one in found.services_together)
    words = f"{together} service{'' if together == 1 else 's'}"
    assert told.startswith(
        f"Audit: {found.totals.vms} VMs, {found.totals.busy_vms} often busy when backed up, {words} backed up all at "
        "once"
    )
    ending = {None: "all at once", 0: ", 0 rules broken", 1: ", 1 rule broken", 2: ", 2 rules broken"}
    assert told.endswith(ending[num_broken])


def test_the_line_of_a_run_counts_its_writes() -> None:
    """Writes that are left are those that are pending or blocked; failed and skipped ones are added."""
    assert last_line(COMPLETE, "apply") == "Apply: 14 writes made, 0 left"
    assert last_line(make_outcome(), "apply") == "Apply: 11 writes made, 2 left, 1 failed, 1 skipped"
    assert last_line(replace(COMPLETE, done=(1,)), "rollback") == "Rollback: 1 write made, 0 left"


def test_the_line_of_a_watch_counts_its_verdicts() -> None:
    """VMs of every verdict are counted, unknown ones where there are any."""
    assert last_line(REPORT) == "Watch: 1 VM backed up at the new time, 2 waiting, 2 alarms, 1 unknown"
    report = WatchReport(at=datetime(2026, 3, 1, tzinfo=UTC), vms=(WELL, WELL, ALARM))
    assert last_line(report) == "Watch: 2 VMs backed up at the new time, 0 waiting, 1 alarm"


def test_the_line_of_a_rehearsal_tells_whether_it_was_flawless() -> None:
    """The writes of the rehearsal, and its verdict."""
    assert last_line(FLAWLESS) == "Rehearsal: 14 writes made, 0 left, flawless"
    assert last_line(FLAWED) == "Rehearsal: 11 writes made, 2 left, 1 failed, 1 skipped, not flawless"


def test_the_line_of_a_pull_counts_what_is_missing() -> None:
    """VMs with holes and failures are added if there are any."""
    assert last_line(PULLED) == "Pull: 120 VMs, 31 days of load"
    hole = LoadHole((ArmId("a"), ArmId("b")), "load", date(2026, 2, 1), date(2026, 2, 3), "off")
    again = LoadHole((ArmId("b"),), "memory", date(2026, 2, 1), date(2026, 2, 1), "off")
    holed = replace(PULLED, holes=(hole, again), failed={"c": "throttled", "d": "throttled"})
    assert last_line(holed) == "Pull: 120 VMs, 31 days of load, 2 VMs with holes in it, 2 failed"

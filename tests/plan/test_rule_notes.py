"""What a plan and an audit say of rules about changes."""

from __future__ import annotations

import re

import numpy as np

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan.rule_notes import notes_on_rpo
from optimizer.report.text import render_audit
from optimizer.report.typeset import to_text
from optimizer.rollout.recovery import rpo_of_items
from optimizer.workflow import audit_case, make_plan, prepare
from tests.plan.conftest import Planned

TIGHT = Rule(name="points", where=Selector(name="web-*"), rpo_hours=1)
TOLD = (
    "rule 'points' asks for at most 1 h between recovery points; 4 VMs are backed up every 24 h, for them a change "
    "may leave 26 h; 2 VMs have backups up to 96 h apart, for them a change may leave 98 h"
)


def test_recovery_points_that_no_schedule_gives_are_said(imported: Planned) -> None:
    """The plan and the audit name the rule, what it asks for, and what the roll-out allows instead, of how many."""
    rules = Rules(rule=(TIGHT,))
    assert TOLD in make_plan(imported.estate, rules, effort=1).notes
    found = audit_case(prepare(imported.estate, rules))
    assert found.notes == (TOLD,)
    assert "asks for at most 1 h between recovery points" in to_text(render_audit(found))


def test_the_said_limit_is_the_one_that_the_roll_out_keeps(imported: Planned) -> None:
    """For each limit round those of the schedules, it is said exactly where the roll-out allows more than asked."""
    inventory = imported.estate.inventory(())
    movable = np.ones(len(inventory.items), dtype=np.bool_)
    for hours in (25.5, 26, 97.5, 98, 169.5, 170):
        rules = Rules(rule=(Rule(name="points", rpo_hours=hours),))
        raised = {f"{rpo.minutes / 60:g}" for rpo in rpo_of_items(inventory, rules) if rpo.minutes > hours * 60}
        said = re.findall(r"may leave ([0-9.]+) h", " ".join(notes_on_rpo(inventory, rules, movable)))
        assert set(said) == raised, hours


def test_vms_that_stay_have_no_change_to_speak_of(imported: Planned) -> None:
    """Of VMs that a rule keeps where they are nothing is said."""
    rules = Rules(rule=(TIGHT, Rule(name="stay", where=Selector(name="web-*"), pin=True)))
    assert audit_case(prepare(imported.estate, rules)).notes == ()

"""What a plan and an audit say of rules about changes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import prepare
from optimizer.plan.notes.rule_notes import notes_on_freeze, notes_on_rpo
from optimizer.report.terminal.audit import render_audit
from optimizer.report.terminal.sheet import to_text
from optimizer.rollout.calendar.recovery import rpo_of_items
from optimizer.workflow import audit_case, make_plan
from tests.plan.planned import Planned

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


FROZEN = {
    # ranges of freeze -> what the note says of when, None: no note; the estate is taken on 2026-02-22
    "59 days": ([{"from": "2026-02-01", "to": "2026-04-22"}], None),
    "60 days": ([{"from": "2026-02-01", "to": "2026-04-23"}], "before 2026-04-24, the first day that is free"),
    "in two parts": (
        [{"from": "2026-03-20", "to": "2026-05-01"}, {"from": "2026-02-01", "to": "2026-03-19"}],
        "05-02",
    ),
    "a day between": ([{"from": "2026-03-20", "to": "2026-05-01"}, {"from": "2026-02-01", "to": "2026-03-18"}], None),
    "one within another": ([{"from": "2026-02-01", "to": "2026-06-01"}, "2026-02-25"], "before 2026-06-02"),
    "for good": ([{"from": "2026-02-01", "to": "9999-12-31"}], "nothing is ever written for them"),
    "over": ([{"from": "2025-02-01", "to": "2026-02-01"}], None),
}


@pytest.mark.parametrize(("ranges", "when"), FROZEN.values(), ids=FROZEN)
def test_changes_that_are_frozen_for_all_of_a_roll_out_are_said(
    imported: Planned, ranges: list[object], when: str | None
) -> None:
    """Where every day that a roll-out looks ahead is frozen, the note counts the VMs and names the first free day."""
    rules = Rules(rule=(Rule(name="quiet", where=Selector(service="erp"), freeze=ranges),))
    inventory = imported.estate.inventory(rules.service_from)
    assert str(inventory.horizon.start.date()) == "2026-02-23"
    notes = notes_on_freeze(inventory, rules, imported.plan.changes)
    if when is None:
        assert notes == []
        return
    moved = {entry.vm for entry in imported.plan.schedule if entry.start != entry.start_today}
    erp = sum(entry.vm in moved and entry.service == "erp" for entry in imported.plan.schedule)
    (note,) = notes
    assert note.startswith(
        f"rule 'quiet' freezes every day of the 60 from 2026-02-23 on for {erp} of the {len(moved)}"
    )
    assert when in note


def test_a_freeze_by_two_rules_is_said_in_the_plan(imported: Planned) -> None:
    """Rules that only together leave no day are named together, in the notes of the plan."""
    halves = ([{"from": "2026-02-01", "to": "2026-03-19"}], [{"from": "2026-03-20", "to": "2026-05-01"}])
    frozen = [Rule(name=f"half {number}", freeze=half) for number, half in enumerate(halves, 1)]
    rules = Rules(rule=(Rule(name="long over", freeze=("2025-12-24",)), *frozen))
    notes = make_plan(imported.estate, rules, effort=1).notes
    assert any(note.startswith("rules 'half 1' and 'half 2' freeze every day of the 60 from") for note in notes)

"""A plan says which of its moves can never be made, and agrees with the calendar about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from optimizer.documents.fingerprint import fingerprint_of
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.never import notes_on_writes
from optimizer.workflow import make_plan
from tests.plan.estates import arm_estate
from tests.prices import fixed_prices
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import Ready
from tests.rollout.random_worlds import random_ready
from tests.rollout.small_rollouts import NOW, weekly_policy, world

TIGHT = Rules(rule=(Rule(name="tight", rpo_hours=27),), prices=fixed_prices())


def blocked_vms(ready: Ready) -> set[str]:
    """VMs for which the calendar finds no time."""
    rollout = build_rollout(ready.writes, ready.baseline, now=NOW)
    return {vm for one in rollout.blocked for vm in one.write.vms}


def told(notes: list[str]) -> int:
    """Number of VMs that the notes count."""
    return sum(int(note.split()[0]) for note in notes)


def test_a_plan_says_that_no_time_keeps_its_rpo(tmp_path: Path) -> None:
    """The first note counts the VMs, names some and the rule, and stands in the text; the fingerprint covers it."""
    estate = arm_estate(tmp_path / "estate")
    plan = make_plan(estate, TIGHT, effort=5, path=tmp_path / "plan.json")
    ready = Ready(estate, plan, tmp_path / "plan.json")
    count = len(blocked_vms(ready))
    assert count
    total = len({vm for write in ready.writes for vm in write.vms})
    assert plan.notes[0].startswith(f"{count} of the {total} VMs that the plan moves can never be moved (")
    assert "the limit is 27 h by rule 'tight'" in plan.notes[0]
    assert plan.fingerprint == fingerprint_of(plan)
    assert "can never be moved" in " ".join(to_text(render_plan(plan)).split())


def test_a_plan_whose_moves_can_all_be_made_says_nothing(planned: Ready) -> None:
    """With the default limits there is no such note."""
    assert notes_on_writes(planned.plan, planned.document, planned.inventory) == []


@pytest.mark.parametrize("hours", [26, 30, 34, 40])
def test_notes_and_calendar_agree(hours: int) -> None:
    """For any limit, as many VMs are said to stay for ever as the calendar blocks for the same reason."""
    some = 0
    for seed in (*range(10), 17, 44):
        ready = random_ready(seed)
        rules = Rules(policies=ready.plan.rules.policies, rule=(Rule(name="rpo", rpo_hours=hours),))
        ready = replace(ready, plan=ready.plan.model_copy(update={"rules": rules}))
        notes = notes_on_writes(ready.plan, ready.document, ready.inventory)
        assert told(notes) == len(blocked_vms(ready)), seed
        some += bool(notes)
    assert some or hours == 40


def test_days_that_a_freeze_leaves_but_no_gate_are_said() -> None:
    """A weekly VM that may be moved on few days only, all of which are frozen, can never be moved."""
    free = date(2026, 2, 21)  # a Saturday
    frozen = (
        DateRange(first=date(2026, 1, 1), last=free - timedelta(days=1)),
        DateRange(first=free + timedelta(days=1), last=date(2026, 12, 31)),
    )
    rule = Rule(name="quiet", where=Selector(name="*"), freeze=frozen)
    policies = [weekly_policy("weekly", "06:00", ["Monday", "Thursday"])]
    found = world(policies, {"vm": "weekly"}, {"vm": "17:00"}, Rules(rule=(rule,)))
    ready = ready_of(found)
    rollout = build_rollout(ready.writes, ready.baseline, now=NOW)
    notes = notes_on_writes(ready.plan, ready.document, ready.inventory)
    assert [one.write.name for one in rollout.blocked] == ["weekly"]
    assert told(notes) == 1
    assert "every time that admits it is frozen" in notes[0]

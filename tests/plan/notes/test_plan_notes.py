"""All notes of a plan, in their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan.notes.plan_notes import notes_on_plan
from tests.plan.three_vms import the_case
from tests.whatif.small import A, case_of, estate_of, item, standard_policy


def test_a_plan_with_nothing_unusual_has_no_notes() -> None:
    """Daily VMs in UTC, default rules, no history."""
    assert list(notes_on_plan(the_case(), (), 0, None)) == []


def test_notes_come_from_every_source_in_their_order() -> None:
    """Recent moves, weights, and policies that only make room."""
    case = the_case().changed(rules=Rules(rule=(Rule(name="heavy", weight=2),)))
    case = replace(case, recently_moved={case.inventory.items[0].vm_id: date(2026, 2, 20)})
    notes = list(notes_on_plan(case, (), 1, None))
    assert [note.split(" ", 2)[:2] for note in notes] == [["1", "VM"], ["rule", "'heavy':"], ["1", "extra"]]


def test_zones_that_change_their_clocks_are_named() -> None:
    """Start windows there count under both UTC offsets."""
    policy = standard_policy("nightly", "23:00", zone="W. Europe Standard Time", vault=A)
    estate = estate_of([policy], [item("one", "nightly", vault=A)])
    (note,) = notes_on_plan(case_of(estate), (), 0, None)
    assert note.startswith("clocks change in W. Europe Standard Time: ")


def test_a_rule_that_an_immovable_vm_breaks_is_named() -> None:
    """A pinned VM stays where it is, although a rule forbids its start."""
    rules = Rules(
        rule=(
            Rule.model_validate({"name": "by day", "allow": [{"from": "08:00", "to": "16:00"}]}),
            Rule(name="pin", where=Selector(name="*"), pin=True),
        )
    )
    notes = list(notes_on_plan(the_case().changed(rules=rules), (), 0, None))
    assert "rule 'by day' is broken today by 3 VMs that are never changed and stay where they are" in notes

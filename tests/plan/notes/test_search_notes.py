"""Notes on what ended the search, and on what spreading costs."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import Prices, Rule, Rules
from optimizer.plan.notes.search_notes import notes_on_order, notes_on_search, notes_on_spreading
from tests.plan.three_vms import the_plan

RESULT = the_plan().result


def test_a_search_that_the_order_of_writes_ended_names_the_rules() -> None:
    """Only rules between VMs can leave no order."""
    stopped = replace(RESULT, bound=RESULT.cost.total - 2, ended_by="order")
    rules = Rules(
        rule=(Rule(name="one", max_concurrent=1), Rule(name="two", separate=True), Rule(name="pin", pin=True))
    )
    (note,) = notes_on_order(rules, stopped)
    assert "that keeps rules 'one', 'two' after every single write" in note
    assert "the gap of 2.00 may be impossible to close" in note
    assert "that keeps every limit after" in notes_on_order(Rules(), stopped)[0]
    assert notes_on_order(rules, RESULT) == []


def test_what_spreading_costs_is_stated_from_half_a_hundredth_on() -> None:
    """Texts round to 0.01; with a moves curve, the note says that the curve leaves the costs out."""
    prices = Prices(all_at_once=2)
    assert notes_on_spreading(prices, 0.004) == []
    (note,) = notes_on_spreading(prices, 0.25)
    assert note.startswith("0.25 of the plan's cost is for spreading services")
    assert note.endswith("prices.all_at_once (2) to spread")
    assert notes_on_spreading(prices, 0.25, with_curve=True) == [
        f"{note}; the gain by number of moves leaves this out"
    ]


def test_both_kinds_of_notes_come_in_this_order() -> None:
    """First what ended the search, then what spreading costs."""
    result = replace(RESULT, bound=RESULT.cost.total - 2, ended_by="order", spreading_costs=1.0)
    first, second = notes_on_search(Rules(), result, with_curve=False)
    assert first.startswith("the search found cheaper schedules")
    assert second.startswith("1.00 of the plan's cost")

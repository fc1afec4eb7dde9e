"""Notes in the explanation of one VM."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from optimizer.model.rules import Prices, Rule, Rules
from optimizer.plan import Case
from optimizer.plan.explanations.reasons import Solution
from optimizer.plan.explanations.vm_notes import notes_on_companions, notes_on_vm
from tests.plan.three_vms import DB, WEB_1, the_case

CASE = the_case()
TODAY = CASE.problem.instance.today
ANY = np.ones(48, dtype=np.bool_)


def notes(case: Case, v: int = WEB_1) -> str:
    return " ".join(notes_on_vm(Solution(case, TODAY), v, Prices()))


def test_a_vm_with_nothing_unusual_has_no_notes() -> None:
    """A daily VM without weight, with full credit and its own history."""
    table = replace(CASE.table, credit=np.ones(3))
    assert list(notes_on_vm(Solution(replace(CASE, table=table), TODAY), WEB_1, Prices())) == []


def test_a_recent_move_has_a_price() -> None:
    """The day and the price of another move are stated."""
    moved = replace(CASE, recently_moved={CASE.inventory.items[WEB_1].vm_id: date(2026, 2, 20)})
    assert notes(moved).startswith("moved on 2026-02-20, which is within ")


def test_a_weight_is_explained() -> None:
    """Costs count it, at-risk figures do not."""
    weighted = CASE.changed(rules=Rules(rule=(Rule(name="important", weight=3),)))
    assert "the rules give it the weight 3: its at-risk backups and overlaps count 3 times" in notes(weighted)


def test_the_credit_of_a_gain_is_stated() -> None:
    """Part of it, none of it, and none because the load of the VM says nothing."""
    for own, credit, expected in (
        (True, 0.5, "Of a gain in risk, 50% counts"),
        (True, 0.0, "the start that looked best was no better than today's"),
        (False, 1.0, "Its risk is estimated from the load of all VMs"),
    ):
        table = replace(CASE.table, own=np.full(3, own), credit=np.full(3, credit))
        assert expected in notes(replace(CASE, table=table))


def test_observed_figures_are_compared_with_the_estimates() -> None:
    """Only where the VM's own history is the evidence."""
    observed = np.zeros((3, 48))
    told = " ".join(notes_on_vm(Solution(CASE, TODAY, observed), WEB_1, Prices()))
    assert "observed in its 28 days of history: 0.00 at today's start" in told
    borrowed = replace(CASE, table=replace(CASE.table, own=np.zeros(3, dtype=np.bool_)))
    assert "observed" not in " ".join(notes_on_vm(Solution(borrowed, TODAY, observed), WEB_1, Prices()))


def test_companions_at_the_same_start_are_named_with_the_cheapest_way_apart() -> None:
    """``web-2`` starts together with ``web-1``; the database has nobody beside it."""
    costs = CASE.problem.marginals(TODAY)
    (note,) = notes_on_companions(Solution(CASE, TODAY), costs.of(WEB_1), ANY, WEB_1)
    assert note.startswith("web-2 of the same service starts at the same time. Of the starts with fewer overlaps, ")
    assert "risk -15.00" in note
    assert notes_on_companions(Solution(CASE, TODAY), costs.of(DB), ANY, DB) == []


def test_no_start_apart_is_said() -> None:
    """The rules leave only today's start."""
    only = np.arange(48) == 46
    (note,) = notes_on_companions(Solution(CASE, TODAY), CASE.problem.marginals(TODAY).of(WEB_1), only, WEB_1)
    assert note.endswith("The rules and limits allow no start with fewer overlaps.")

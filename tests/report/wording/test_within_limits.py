"""What is proven of a plan names the limits that the proof depends on."""

from __future__ import annotations

import pytest

from optimizer.documents.plan_document import PlanDocument
from optimizer.model.rules import Rules
from optimizer.report.page.html import render_html
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.within_limits import within_limits
from tests.report.small_estate import make_inventory, make_plan, make_risk
from tests.report.terminal.test_plan import unchanged

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def limited(plan: PlanDocument, status: str = "feasible", reference: str = "today", **limits: int) -> PlanDocument:
    """The plan as if it had been made under some limits, with another status and reference."""
    summary = plan.summary.model_copy(update={"status": status, "reference": reference})
    return plan.model_copy(update={"summary": summary, "rules": plan.rules.model_copy(update=limits)})


def text_of(plan: PlanDocument) -> str:
    """Text of a plan on one line."""
    return " ".join(to_text(render_plan(plan)).split())


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, ""),
        ({"max_moves": 30}, ""),
        ({"max_moves": 29}, "with at most 29 moves"),
        ({"max_moves": 1}, "with at most 1 move"),
        ({"max_moves": 0}, "with no moves"),
        ({"max_policy_writes": 2}, "with at most 2 policy writes"),
        ({"max_policy_writes": 0}, "with no policy writes"),
        ({"budget_days": 1}, "with policy writes that fit in 1 day"),
        ({"max_moves": 4, "max_policy_writes": 1}, "with at most 4 moves and at most 1 policy write"),
    ],
)
def test_limits_are_named(limits: dict[str, int], words: str) -> None:
    """Every limit of the whole plan is named; one that lets all 30 VMs move is none."""
    assert within_limits(Rules(**limits), 30) == words  # type: ignore[arg-type]  # all limits are numbers


def test_an_optimal_plan_is_optimal_within_its_limits() -> None:
    """Nothing says that no gain is left where more moves could bring some; without a limit it is said."""
    text = text_of(limited(PLAN, "optimal", max_moves=4))
    assert "Proven optimal with at most 4 moves: the plan costs" in text
    assert "and no such schedule costs less than" in text
    assert "nothing is left to gain" not in text
    assert "Proven optimal, nothing is left to gain: the plan costs" in text_of(limited(PLAN, "optimal"))


def test_captured_and_certified_shares_name_the_limits() -> None:
    """The share of all possible improvement is of what the limits allow."""
    text = text_of(limited(PLAN, max_policy_writes=2))
    assert "improvement over today's schedule with at most 2 policy writes, certified: the plan costs" in text
    assert "and no such schedule costs less than" in text
    assert "Certified with at most 4 moves: the plan costs" in text_of(limited(PLAN, reference="greedy", max_moves=4))


def test_a_schedule_that_stays_names_the_limits() -> None:
    """Where no move is allowed this is the reason; else the proof is of the schedules within the limits."""
    same = unchanged(PLAN)
    text = text_of(limited(same, "optimal", max_policy_writes=0))
    assert "Nothing to change for 30 VMs with no policy writes" in text
    assert "it is proven that no other schedule with no policy writes saves more than" in text
    text = text_of(limited(same, "optimal", max_moves=0))
    assert "Today's schedule stays: max_moves is 0, so no VM may move" in text
    assert "proven that no other" not in text


def test_the_page_names_the_limits() -> None:
    """Each kind of tile about what is proven."""

    def page(plan: PlanDocument) -> str:
        return " ".join(render_html(plan, INVENTORY, None).replace("&#39;", "'").split())

    assert "No schedule with at most 4 moves costs less: the gap is" in page(limited(PLAN, "optimal", max_moves=4))
    assert "No schedule costs less: the gap is" in page(limited(PLAN, "optimal"))
    of_today = page(limited(PLAN, max_moves=4))
    assert "improvement over today's schedule with at most 4 moves that this plan takes" in of_today
    assert "no such schedule costs less than" in of_today
    of_greedy = page(limited(PLAN, reference="greedy", max_policy_writes=1))
    assert "that any schedule with at most 1 policy write could save over this one" in of_greedy
    same = unchanged(PLAN)
    assert "no other with at most 4 moves would save more than this" in page(limited(same, max_moves=4))
    assert "Today's schedule stays: max_moves is 0, so no VM may move." in page(limited(same, max_moves=0))

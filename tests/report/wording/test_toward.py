"""A first step toward the rules, in words."""

from __future__ import annotations

from optimizer.documents.toward_document import RuleToward, Toward
from optimizer.report.wording.toward import toward_sentence, toward_table

RULES = (RuleToward(rule="nights", today=1200, left=4), RuleToward(rule="in turns", today=1, left=0))


def step(today: int, left: int, *, moves: int = 30, months: int = 3) -> Toward:
    """Return a first step."""
    return Toward(
        violations_today=today, violations_left=left, moves_needed=moves, months=months, rules=RULES, later=()
    )


def test_a_step_that_reaches_the_rules_is_done() -> None:
    """One VM and several have their own words."""
    assert (
        toward_sentence(step(1, 0), 5) == "Today's schedule breaks rules for 1 VM; after this plan, every rule holds"
    )
    assert toward_sentence(step(1200, 0), None).startswith("Today's schedule breaks rules for 1,200 VMs;")


def test_a_step_on_the_way_says_how_far_it_is() -> None:
    """What is left, how many moves that takes, the limit, and what to do next."""
    assert toward_sentence(step(5, 2), 20) == (
        "Today's schedule breaks rules for 5 VMs; this plan leaves 2. Keeping every rule takes 30 moves, and at "
        "most 20 are allowed at once (max_moves): this is the first of 3 monthly plans. After it is applied, pull "
        "the estate again and run 'plan --toward --from' this plan"
    )
    last = toward_sentence(step(5, 2, moves=1, months=1), None)
    assert "takes 1 move: this is the first of 1 monthly plan." in last


def test_each_rule_has_what_it_leaves() -> None:
    """VMs today and after the plan."""
    assert toward_table(step(5, 2)).cells == [("nights", "1,200", "4"), ("in turns", "1", "0")]

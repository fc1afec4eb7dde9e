"""One sentence for each VM: each kind of reason on the three VMs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import Case
from optimizer.plan.explanations.reasons import Solution, format_start_utc, reasons
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case

CASE = the_case()
TODAY = CASE.problem.instance.today
FORBID_23 = Rules(
    rule=(Rule(name="not at 23", forbid=(Window(start=23 * 60, end=24 * 60, zone="UTC"),), where={"name": "db-1"}),)
)


def at(**options: int) -> IntArray:
    found = TODAY.copy()
    for name, option in options.items():
        found[{"db": DB, "web_1": WEB_1, "web_2": WEB_2}[name]] = option
    return found


def reason(v: int, case: Case, options: IntArray) -> str:
    return reasons(Solution(case, options))[v]


def test_a_move_states_what_the_vm_gains() -> None:
    """Risk, overlaps and the vault's peak fall."""
    assert reason(WEB_1, CASE, at(web_1=2)) == (
        "moves: at-risk backups 15.00 -> 0.00 per 30 days; fewer expected overlaps with VMs of its service: 6.90 -> "
        "0.00 per 30 days; a less crowded half hour in its vault"
    )


def test_a_move_without_a_gain_serves_others() -> None:
    """The database gains nothing by starting at 05:00."""
    assert reason(DB, CASE, at(db=10)) == "moves: makes room for others or spares a policy"


def test_a_forbidden_start_is_why_a_vm_moves() -> None:
    """The rule is named."""
    assert reason(DB, CASE.changed(rules=FORBID_23), at(db=10)) == "moves: 23:00 is forbidden by 'not at 23'"


def test_a_vm_that_stays_on_a_forbidden_start_waits() -> None:
    """Only a step toward the rules leaves it there."""
    assert reason(DB, CASE.changed(rules=FORBID_23), at()) == (
        "stays for now: 23:00 breaks 'not at 23', and other moves come first"
    )


def test_a_pinned_vm_stays_because_of_its_rule() -> None:
    """The rule is named."""
    rules = Rules(rule=(Rule(name="hands off", pin=True, where=Selector(name="db-1")),))
    assert reason(DB, CASE.changed(rules=rules), at()).startswith("stays: ")
    assert "hands off" in reason(DB, CASE.changed(rules=rules), at())


def test_a_limit_on_moves_leaves_no_room() -> None:
    """``web-1`` would gain, but the only move is used up by the database."""
    case = CASE.changed(rules=Rules(max_moves=1))
    text = reason(WEB_1, case, at(db=10))
    assert text.startswith("stays: ")
    assert "max_moves leaves no room" in text


def test_a_shared_limit_stands_in_the_way_of_less_risk() -> None:
    """The safest start lies within two hours of ``web-2``, and the rule keeps the two apart."""
    rules = Rules(rule=(Rule(name="one by one", separate=True, per="service"),))
    case = CASE.changed(rules=rules)
    text = reason(WEB_1, case, at(web_2=16))
    assert text == (
        "stays: 08:00 has less risk (0.00 instead of 15.00), but with the others where they are rule 'one by one' "
        "forbids it"
    )


def test_a_vm_moved_lately_says_when_and_what_it_would_gain() -> None:
    """A gain below the price of another move is not enough."""
    vm = CASE.inventory.items[DB].vm_id
    price = CASE.problem.instance.move_price.copy()
    costs = CASE.problem.marginals(at()).of(DB)
    assert costs.total[46] <= costs.total.min() + price[DB]
    moved = replace(CASE, recently_moved={vm: CASE.inventory.as_of.date()})
    assert reason(DB, moved, at()) == "stays: no other start is worth the move"


@pytest.mark.parametrize(
    ("own", "credit", "expected"),
    [
        (False, 1.0, "its own load history is too short or too uniform to predict a gain"),
        (True, 0.0, "its busy hours have not been shown to repeat, so no gain in risk is counted for it"),
    ],
)
def test_a_gain_that_is_not_credited_is_no_reason(own: bool, credit: float, expected: str) -> None:
    """A VM of a service of its own, busy at its start, has nothing to move for."""
    table = replace(
        CASE.table,
        own=np.full(3, own),
        credit=np.full(3, credit),
        risk=np.where(np.arange(48) == 46, 5.0, 5.0) * np.ones((3, 1)),
    )
    assert reason(DB, replace(CASE, table=table), at()) == f"stays: {expected}"


def test_a_start_in_utc_is_that_of_the_beginning_of_the_horizon() -> None:
    """In February, Berlin is an hour ahead of UTC; before 01:00 it is the evening before."""
    assert format_start_utc(CASE.inventory, "W. Europe Standard Time", 46) == "22:00"
    assert format_start_utc(CASE.inventory, "W. Europe Standard Time", 0) == "23:00"

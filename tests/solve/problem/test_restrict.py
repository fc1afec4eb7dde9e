"""What rules and limits on single VMs leave: each of them alone, and how the limit on risk gives way to windows.

The default limit on the increase of risk gives way, VM by VM; a limit that is written does not.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.plan.notes.rule_notes import notes_on_prices, notes_on_raised_risk
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.restrict import AZURE_GRID, NO_HISTORY, RISK_INCREASE, Restrictions
from optimizer.solve.search.solved import Unsolvable
from optimizer.solve.search.solver import solve
from tests.prices import fixed_prices
from tests.solve.examples import HOURLY, Problem, flat_risk, inventory, only, policy

DAYTIME = Rule(name="daytime", allow=(Window(start=10 * 60, end=14 * 60),))
"""Starts from 10:00 to 11:30."""


def _busy_by_day(credited: bool = True, **rules: object) -> Problem:
    """Two VMs at 23:00 that have to go to the day: the first is busy then, most of all at 11:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    risk = flat_risk(2)
    risk[0, 20:24] = [0.75, 0.8, 3.0, 0.86]
    risk[1, 20] = 0.2
    return Problem(found, Rules(rule=(DAYTIME,), **rules), risk, np.array([credited, True]))


def test_the_default_gives_way_to_a_window() -> None:
    """The busy VM may go where its risk is within the limit of the least that is left; the other is held to it."""
    problem = _busy_by_day()
    assert problem.restrictions.raised == {0: pytest.approx(0.75)}
    assert [np.flatnonzero(row).tolist() for row in problem.restrictions.allowed] == [[20, 21], [21, 22, 23]]
    result = solve(problem.instance(), Search(effort=5))
    assert result.is_optimal
    (note,) = notes_on_raised_risk(problem.inventory, problem.rules, problem.restrictions.raised)
    assert note == (
        "the windows of the rules leave 1 VM only starts at which its risk grows by more than 0.1, the default of "
        "max_risk_increase: vm0 (+0.75); write max_risk_increase in the rules to enforce a limit"
    )


def test_a_vm_without_history_goes_where_least_is_known_against_it() -> None:
    """Without credit there is no allowance: only the start with the least risk is left."""
    problem = _busy_by_day(credited=False)
    assert np.flatnonzero(problem.restrictions.allowed[0]).tolist() == [20]
    assert solve(problem.instance(), Search(effort=5)).is_optimal


@pytest.mark.parametrize("credited", [True, False])
def test_a_limit_that_is_written_holds(credited: bool) -> None:
    """The same value, written by the planner, leaves the busy VM no start: the limit is named as the reason."""
    problem = _busy_by_day(credited, max_risk_increase=0.1)
    assert problem.restrictions.raised == {}
    assert not problem.restrictions.allowed[0].any()
    assert problem.restrictions.forbidden_by[RISK_INCREASE if credited else NO_HISTORY][0, 20]
    assert isinstance(solve(problem.instance(), Search(effort=5)), Unsolvable)


def test_a_limit_holds_where_a_window_leaves_it_a_start() -> None:
    """Where one start is within the limit, the riskier ones stay forbidden."""
    problem = _busy_by_day()
    problem.risk[0, 20] = 0.05
    assert np.flatnonzero(problem.restrictions.allowed[0]).tolist() == [20]
    assert problem.restrictions.raised == {}


@pytest.mark.parametrize("written", [{}, {"max_risk_increase": 0.1}])
def test_rules_read_back_from_a_plan_give_way_as_before(written: dict[str, float]) -> None:
    """Dumped and read again, rules still know whether the planner wrote the limit."""
    rules = Rules.model_validate(written)
    again = Rules.model_validate(json.loads(rules.model_dump_json()))
    assert again.writes_max_risk_increase == rules.writes_max_risk_increase == bool(written)
    assert again.max_risk_increase == 0.1


def test_a_recent_move_never_makes_the_next_one_cheaper() -> None:
    """The price of moving a VM again is raised to that of any move, with a note where the file sets less."""
    assert fixed_prices(move=0.3).move_again == 0.3
    assert fixed_prices(move=0.3, move_recent=0.5).move_again == 0.5
    assert notes_on_prices(Rules(prices=fixed_prices(move=0.3))) == []
    assert notes_on_prices(Rules(prices=fixed_prices(move=0.3, move_recent=0.5))) == []
    (note,) = notes_on_prices(Rules(prices=fixed_prices(move=0.3, move_recent=0.1)))
    assert note.startswith("prices.move_recent (0.1) is less than prices.move (0.3): moving a VM again costs 0.3 too")


def restrictions(*rules: Rule, risk: np.ndarray | None = None, **more: object) -> Restrictions:
    """What rules leave to two VMs at 23:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")], **more)
    return Problem(found, Rules(rule=rules), flat_risk(2) if risk is None else risk).restrictions


def test_without_rules_every_start_is_allowed() -> None:
    """Nobody stays, and nothing is forbidden."""
    found = restrictions()
    assert found.allowed.all() and found.movable.all()
    assert (found.stays_because, found.exempt, found.raised) == ({}, (), {})


def test_each_rule_forbids_in_its_own_name() -> None:
    """Two windows on one VM: what each forbids is kept apart, and both together decide."""
    night = Rule(name="night", allow=(Window(start=22 * 60, end=4 * 60),))
    quiet = Rule(name="quiet", where={"service": "web"}, forbid=(Window(start=0, end=2 * 60),))
    found = restrictions(night, quiet)
    assert not found.forbidden_by["night"][0, 46] and found.forbidden_by["night"][0, 20]
    assert found.forbidden_by["quiet"][0, 1] and not found.forbidden_by["quiet"][1].any()
    assert np.array_equal(found.allowed[1], ~found.forbidden_by["night"][1])
    assert np.array_equal(found.allowed[0], ~(found.forbidden_by["night"][0] | found.forbidden_by["quiet"][0]))
    assert found.rule_of["quiet"] == "quiet"


@pytest.mark.parametrize(("kind", "word"), [("pin", "pinned"), ("exclude", "excluded")])
def test_a_vm_that_a_rule_holds_stays_where_it_is(kind: str, word: str) -> None:
    """The reason names the rule, behind which the planner finds it."""
    found = restrictions(Rule(name="hold", where={"name": "vm1"}, **{kind: True}))
    reason = f"{word} by rule 'hold'"
    assert found.movable.tolist() == [True, False]
    assert found.stays_because == {1: reason}
    assert np.flatnonzero(found.allowed[1]).tolist() == [46]
    assert found.allowed[0].all()
    assert found.rule_of[reason] == "hold"


def test_the_first_reason_to_stay_counts() -> None:
    """Azure's state comes before a rule, and the first rule before the second."""
    first, second = (Rule(name=name, where={"name": "vm*"}, pin=True) for name in ("first", "second"))
    found = restrictions(first, second, vm0={"unwritable": "soft-deleted"})
    assert found.stays_because == {0: "soft-deleted", 1: "pinned by rule 'first'"}
    assert found.forbidden_by["soft-deleted"][0].sum() == 47
    assert not found.forbidden_by["soft-deleted"][1].any()
    assert "soft-deleted" not in found.rule_of


def test_an_immovable_vm_may_stay_outside_of_windows() -> None:
    """It is exempt from the window, which is noted; the other VM has to keep it."""
    pin = Rule(name="pin", where={"name": "vm0"}, pin=True)
    found = restrictions(pin, only("01:00"))
    assert found.exempt == ((0, "only 01:00"),)
    assert np.flatnonzero(found.allowed[0]).tolist() == [46]
    assert np.flatnonzero(found.allowed[1]).tolist() == [2]


def test_hourly_policies_keep_to_the_starts_that_azure_offers() -> None:
    """Every start that the recurrence does not offer is forbidden, whatever the rules say."""
    hourly = policy("h", "v", 16, HOURLY)
    found = Problem(inventory([hourly], [("web", "h")]), Rules(), flat_risk(1)).restrictions
    offered = list(hourly.recurrence.options(16))
    assert np.flatnonzero(~found.forbidden_by[AZURE_GRID][0]).tolist() == sorted(offered)
    assert np.flatnonzero(found.allowed[0]).tolist() == sorted(offered)


def test_what_is_allowed_at_any_risk() -> None:
    """The limit on the increase of risk is left out, the window is not."""
    risk = flat_risk(2, 5.0)
    risk[:, 46] = 0.0
    found = restrictions(Rule(name="late", where={"name": "vm0"}, allow=only("22:00").allow), risk=risk)
    assert np.flatnonzero(found.allowed_at_any_risk[0]).tolist() == [44]
    assert found.allowed_at_any_risk[1].all()
    assert np.flatnonzero(found.allowed[1]).tolist() == [46]
    assert found.raised == {0: pytest.approx(5.0)}

"""Rules that contradict each other are found and named."""

from __future__ import annotations

import numpy as np

from optimizer.model.rules import Rule, Rules, Window
from optimizer.solve.conflicts import Conflict, find_conflicts
from optimizer.solve.cpsat import Outcome
from optimizer.solve.solver import solve
from tests.solve.examples import Problem, flat_risk, inventory, only, policy

NIGHT = Window(start=20 * 60, end=6 * 60)
DAY = Window(start=6 * 60, end=20 * 60)


def _conflicts(rules: Rules, num_vms: int = 3, start: int = 46, risk: np.ndarray | None = None) -> list[Conflict]:
    found = inventory([policy("p", "v", start)], [("web", "p")] * num_vms)
    problem = Problem(found, rules, flat_risk(num_vms) if risk is None else risk)
    instance = problem.instance()
    assert solve(instance, effort=20).outcome is Outcome.INFEASIBLE
    return find_conflicts(instance, problem.restrictions, 20)


def test_windows_that_exclude_each_other() -> None:
    """Only at night, never at night: both rules are named, a third that plays no part is not."""
    rules = Rules(
        rule=(
            Rule(name="night only", allow=(NIGHT,)),
            Rule(name="harmless", forbid=(Window(start=720, end=780),)),
            Rule(name="never at night", forbid=(NIGHT,)),
        )
    )
    (conflict,) = _conflicts(rules)
    assert set(conflict.names) == {"night only", "never at night"}
    assert conflict.vms == (0, 1, 2)


def test_pin_outside_an_allowed_window() -> None:
    """A pinned VM that may only run elsewhere: the pin and the window are named."""
    rules = Rules(rule=(Rule(name="stay", where={"name": "vm1"}, pin=True), Rule(name="daytime", allow=(DAY,))))
    (conflict,) = _conflicts(rules)
    assert set(conflict.names) == {"pinned by rule 'stay'", "daytime"}
    assert conflict.vms == (1,)


def test_window_in_which_everything_is_busier() -> None:
    """All that a window leaves would harm the VM: the limit on risk is named beside it."""
    risk = flat_risk(1, 4.0)
    risk[0, 46] = 0.0
    (conflict,) = _conflicts(Rules(rule=(Rule(name="daytime", allow=(DAY,)),)), 1, risk=risk)
    assert set(conflict.names) == {"daytime", "max_risk_increase"}


def test_cap_that_a_window_has_no_room_for() -> None:
    """Two VMs one at a time, both in the same two hours: cap and window are named, the idle rule is not."""
    rules = Rules(
        rule=(
            Rule(name="idle", forbid=(Window(start=720, end=780),)),
            Rule(name="one at a time", max_concurrent=1),
            only("23:00"),
        )
    )
    (conflict,) = _conflicts(rules, 2)
    assert set(conflict.names) == {"one at a time", "only 23:00"}
    assert conflict.irreducible


def test_cap_that_a_day_has_no_room_for() -> None:
    """Ten start windows of five half hours do not fit into a day one at a time: shown by counting, at any effort."""
    (conflict,) = _conflicts(Rules(rule=(Rule(name="one at a time", max_concurrent=1),)), 10)
    assert conflict.names == ("one at a time",)
    assert conflict.irreducible


def test_moves_that_would_be_needed() -> None:
    """Today breaks a window for three VMs, but only two may move."""
    rules = Rules(rule=(Rule(name="daytime", allow=(DAY,)),), max_moves=2)
    (conflict,) = _conflicts(rules)
    assert set(conflict.names) == {"daytime", "max_moves"}


def test_policies_that_would_be_needed() -> None:
    """Two VMs that may not meet, one policy, and no room in the vault for another."""
    rules = Rules(rule=(Rule(name="one at a time", max_concurrent=1),), policies={"max_policies_per_vault": 1})
    (conflict,) = _conflicts(rules, 2)
    assert set(conflict.names) == {"one at a time", "the limit of policies per vault"}

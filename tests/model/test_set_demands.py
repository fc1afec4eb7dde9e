"""What rules demand between sets of VMs: the groups, the sides, and what immovable VMs break among themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_demands import demands, in_several_sets, least_within, standing_clashes
from tests.solve.examples import SUNDAYS, inventory, policy

AT_20, AT_21, AT_23 = 40, 42, 46


def estate(*starts: int, services: Sequence[str] = ()) -> Inventory:
    """VMs with a policy each, in one vault; all of one service unless stated."""
    policies = [policy(f"p{row}", "v", start) for row, start in enumerate(starts)]
    return inventory(policies, [(services[row] if services else "s", one.name) for row, one in enumerate(policies)])


def staying(*rows: int, num_vms: int = 2) -> np.ndarray:
    """Which VMs are immovable."""
    stays = np.zeros(num_vms, dtype=np.bool_)
    stays[list(rows)] = True
    return stays


def rules(*order: str, **more: object) -> Rules:
    """Rules with one order of sets."""
    return Rules(rule=(Rule(name="order", order=order, **more),))  # type: ignore[arg-type]  # keys of a rule


def test_a_rule_demands_something_of_each_group_with_two_sets() -> None:
    """Groups with VMs of one set are skipped; a VM belongs to the first set that it matches."""
    found = estate(AT_20, AT_20, AT_20, services=("a", "a", "b"))
    demanded = list(demands(found, rules("vm0", "vm*", per="service"), staying(num_vms=3)))
    assert [[(side.number, side.rows) for side in one.sides] for one in demanded] == [[(0, [0]), (1, [1])]]
    assert list(demands(found, Rules(), staying(num_vms=3))) == []


def test_sides_are_cut_by_pattern_and_by_what_may_move() -> None:
    """VMs of one set that run on other days, or that stay, are sides of their own."""
    policies = [policy("p", "v", AT_20), policy("q", "v", AT_20, SUNDAYS)]
    found = inventory(policies, [("s", "p"), ("s", "q"), ("s", "p"), ("s", "p")])
    (demanded,) = demands(found, rules("vm0", "vm*"), staying(3, num_vms=4))
    assert [(side.number, side.standing, side.rows) for side in demanded.sides] == [
        (0, False, [0]),
        (1, False, [1]),
        (1, False, [2]),
        (1, True, [3]),
    ]


def test_within_is_a_demand_of_its_own() -> None:
    """The order itself, and the hours, so that the clashes of each are nested."""
    demanded = list(demands(estate(AT_20, AT_23), rules("vm0", "vm1", within=4.0), staying()))
    assert [one.within for one in demanded] == [None, 4.0]
    assert all(one.ordered for one in demanded)


def test_separate_sets_have_no_direction() -> None:
    """They are kept apart whichever comes first; an order says which comes first."""
    separate = Rules(rule=(Rule(name="apart", separate=("vm0", "vm1")),))
    (apart,) = demands(estate(AT_20, AT_23), separate, staying())
    one, other = apart.sides
    assert (apart.demand(one, other), apart.demand(other, one)) == ("apart", "apart")
    (ordered,) = demands(estate(AT_20, AT_23), rules("vm0", "vm1"), staying())
    assert (ordered.demand(one, other), ordered.demand(other, one)) == ("before", "after")


def test_opposed_sides_are_listed_in_both_directions_unless_both_stay() -> None:
    """Immovable VMs constrain movable ones, and not each other."""
    found = estate(AT_20, AT_20, AT_20)
    for stays, pairs in ((staying(num_vms=3), 6), (staying(0, num_vms=3), 6), (staying(0, 1, num_vms=3), 4)):
        (demanded,) = demands(found, rules("vm0", "vm1", "vm2"), stays)
        opposed = list(demanded.opposed())
        assert len(opposed) == pairs
        assert {(b, a) for a, b in opposed} == set(opposed)
        assert len(list(demanded.standing_pairs())) == 6 - pairs


def test_within_compares_neighbors_only() -> None:
    """With a VM of the second set in the group, the first and the third need not follow closely."""
    found = estate(AT_20, AT_21, AT_23)
    _, close = demands(found, rules("vm0", "vm1", "vm2", within=4.0), staying(num_vms=3))
    first, second, third = close.sides
    assert close.compares(first, second)
    assert not close.compares(first, third)
    assert not close.compares(first, first)
    _, without = demands(found, rules("vm0", "nobody", "vm2", within=4.0), staying(num_vms=3))
    assert without.compares(*without.sides)


@pytest.mark.parametrize(
    ("sets", "several"),
    [(("vm0", "vm*"), 0), (("vm0", "vm[01]", "*"), 0), (("*0", "vm0", "vm1"), 1), (("vm?", "*0", "vm2"), 2)],
)
def test_vms_in_several_sets_are_counted(sets: tuple[str, ...], several: int) -> None:
    """A last set that takes everyone means "all others", and does not count."""
    found = estate(AT_20, AT_20, AT_20)
    assert in_several_sets(found, rules(*sets).rule[0]) == several


def test_immovable_vms_that_clash_are_named_with_their_rule() -> None:
    """Only if both stay: at 20:00 and 21:00 they overlap, at 20:00 and 23:00 they do not."""
    separate = Rules(rule=(Rule(name="apart", separate=("vm0", "vm1")),))
    for starts, stays, found in (
        ((AT_20, AT_21), (0, 1), [(0, "apart"), (1, "apart")]),
        ((AT_20, AT_21), (0,), []),
        ((AT_20, AT_23), (0, 1), []),
    ):
        assert standing_clashes(estate(*starts), separate, staying(*stays)) == found


def test_immovable_vms_over_a_cap_are_named() -> None:
    """Those whose windows touch a half hour with more immovable VMs than the cap; others are not blamed."""
    capped = Rules(rule=(Rule(name="two", max_concurrent=2),))
    found = estate(AT_20, AT_20, AT_21, 0)
    every = staying(0, 1, 2, 3, num_vms=4)
    assert standing_clashes(found, capped, every) == [(0, "two"), (1, "two"), (2, "two")]
    assert standing_clashes(found, capped, staying(0, 1, num_vms=4)) == []
    apart = estate(AT_20, AT_20, AT_21, services=("a", "b", "c"))
    assert standing_clashes(apart, capped, staying(0, 1, 2, num_vms=3)) == []


def test_the_smallest_possible_within_is_a_quarter_of_an_hour() -> None:
    """Windows last 2 h 15 min and begin on the half hour; immovable pairs do not count."""
    found = estate(AT_20, AT_20)
    assert least_within(found, rules("vm0", "vm1", within=4.0), staying()) == {"order": 0.25}
    assert least_within(found, rules("vm0", "vm1", within=4.0), staying(0, 1)) == {}
    assert least_within(found, rules("vm0", "vm1"), staying()) == {}

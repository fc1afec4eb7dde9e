"""Clashes between sets of VMs while they move one by one."""

from __future__ import annotations

from optimizer.model.rules import Rule, Rules
from optimizer.ordering.clash_counts import ClashCounts
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case
from tests.whatif.small import A, B, estate_of, item, standard_policy

SETS = Rules(rule=(Rule(name="sets", separate=("db-*", "web-*")),))


def test_what_clashes_today_may_clash_again_but_nothing_else_may() -> None:
    """All start at 23:00, so any two may meet; a database that starts at 08:00 today keeps the shop away."""
    together = ClashCounts(the_case().inventory, SETS)
    together.move([WEB_1], 16)
    assert together.in_the_way([DB], 16) is None
    policies = [standard_policy("nightly", "23:00", vault=A), standard_policy("nightly", "08:00", vault=B)]
    items = [item("db-1", "nightly", vault=B), item("web-1", "nightly", vault=A)]
    apart = ClashCounts(estate_of(policies, items).inventory(), SETS)
    stand = apart.in_the_way([1], 16)
    assert stand is not None
    assert apart.describe(stand) == "rule 'sets' would be broken: db-1 at 08:00"
    assert apart.in_the_way([1], 24) is None


def test_a_move_within_a_set_never_clashes() -> None:
    """Both VMs of the shop are in one set."""
    clashes = ClashCounts(the_case().inventory, SETS)
    clashes.move([WEB_1], 16)
    assert clashes.in_the_way([WEB_2], 16) is None


def test_the_places_that_a_vm_leaves_are_returned() -> None:
    """Writes that wait for them can be tried again; VMs without sets leave none."""
    clashes = ClashCounts(the_case().inventory, SETS)
    left = clashes.move([WEB_1], 16)
    assert left
    assert {start for _, start in left} == {46}
    assert ClashCounts(the_case().inventory, Rules()).move([WEB_1], 16) == []

"""Counts of start windows while VMs move one by one."""

from __future__ import annotations

from optimizer.model.rules import Rule, Rules
from optimizer.ordering.cap_counts import CapCounts
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case

INVENTORY = the_case().inventory


def counts(*rules: Rule) -> CapCounts:
    return CapCounts(INVENTORY, Rules(rule=rules))


def test_a_move_may_not_take_a_half_hour_above_its_cap() -> None:
    """Two VMs of the shop meet today; at 08:00 there is room for one, and not for the second."""
    caps = counts(Rule(name="one", max_concurrent=1))
    assert caps.overfull([WEB_1], 46, 16) is None
    freed = caps.move([WEB_1], 46, 16)
    assert len(freed) == 7 * 5
    place = caps.overfull([WEB_2], 46, 16)
    assert place is not None
    assert caps.describe(place) == "rule 'one' has no room in 'shop' at Monday 08:00 UTC"
    assert caps.overfull([WEB_2], 46, 21) is None


def test_an_excess_of_today_may_stay_but_not_grow() -> None:
    """Both VMs may come back to the start that they share today."""
    caps = counts(Rule(name="one", max_concurrent=1))
    caps.move([WEB_1], 46, 16)
    assert caps.overfull([WEB_1], 16, 46) is None


def test_separate_counts_all_vms_as_a_cap_of_one() -> None:
    """The message says that there is one already."""
    caps = counts(Rule(name="apart", separate=True))
    caps.move([WEB_1], 46, 16)
    place = caps.overfull([DB], 46, 16)
    assert place is not None
    assert caps.describe(place) == "rule 'apart' keeps windows separate, and there is one at Monday 08:00 UTC already"
    assert caps.groups_of[DB] == (0,)
    assert caps.room(0).min() == 0


def test_without_caps_nothing_is_counted() -> None:
    """Every move is possible."""
    caps = counts()
    assert caps.groups == ()
    assert caps.overfull([DB, WEB_1, WEB_2], 46, 16) is None


def test_a_move_may_leave_a_half_hour_above_its_cap_as_it_is() -> None:
    """Both VMs meet at 08:00 although the cap is one; one moves by half an hour, and they still overlap."""
    caps = counts(Rule(name="one", max_concurrent=1))
    for row in (WEB_1, WEB_2):
        caps.move([row], 46, 16)
    (shop,) = caps.groups_of[WEB_1]
    assert caps.room(shop).min() < 0
    assert caps.overfull([WEB_1], 16, 17) is None

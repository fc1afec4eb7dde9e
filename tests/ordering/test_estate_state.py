"""Moves are made as soon as they are possible."""

from __future__ import annotations

from optimizer.documents import ReassignItem
from optimizer.model.arm_id import ArmId
from optimizer.model.policy_limits import VmLimit
from optimizer.model.rules import Rule, Rules
from optimizer.ordering.cap_counts import CapCounts
from optimizer.ordering.clash_counts import ClashCounts
from optimizer.ordering.estate_state import EstateState, PlannedMove
from tests.plan.three_vms import WEB_1, WEB_2, the_case
from tests.whatif.small import A

INVENTORY = the_case().inventory
HOME, NEW, OTHER = (
    ArmId(f"{A}/backupPolicies/nightly"),
    ArmId(f"{A}/backupPolicies/new"),
    ArmId(f"{A}/backupPolicies/other"),
)


def todays_state(limit: VmLimit, *rules: Rule, edited: tuple[ArmId, ...] = ()) -> EstateState:
    twins = {HOME: [HOME], NEW: [NEW, OTHER], OTHER: [NEW, OTHER]}
    all_rules = Rules(rule=rules)
    counts = CapCounts(INVENTORY, all_rules), ClashCounts(INVENTORY, all_rules)
    return EstateState(INVENTORY, *counts, limit, twins, edited)


def move(row: int, target: ArmId = NEW, after: int = 16) -> PlannedMove:
    item = INVENTORY.items[row]
    change = ReassignItem(
        vault_id=item.vault_id, item_id=item.id, vm=item.vm_id, policy_today=HOME.name, policy_today_id=HOME,
        policy=target.name, policy_id=target,
    )  # fmt: skip
    return PlannedMove(change, (row,), 46, after, HOME, target)


def test_an_item_goes_to_a_twin_if_its_own_policy_is_full() -> None:
    """A new policy holds one VM, so the second VM goes to the other policy of that start."""
    estate = todays_state(VmLimit(new=1, existing=10))
    assert estate.admit([move(WEB_1), move(WEB_2)]) == []
    assert [taken.target for taken in estate.taken] == [NEW, OTHER]


def test_moves_without_room_are_left_and_reported_as_stuck() -> None:
    """Neither policy takes a VM."""
    estate = todays_state(VmLimit(new=0, existing=10))
    left = estate.admit([move(WEB_1)])
    assert [waiting.rows for waiting in left] == [(WEB_1,)]
    estate.finish(left)
    assert estate.stuck == left
    assert estate.taken == left


def test_a_cap_holds_after_every_move() -> None:
    """The second VM of the shop may not follow the first to one start under a cap of one."""
    estate = todays_state(VmLimit(new=10, existing=10), Rule(name="one", max_concurrent=1))
    assert [waiting.rows for waiting in estate.admit([move(WEB_1), move(WEB_2)])] == [(WEB_2,)]


def test_nothing_joins_a_policy_before_its_edit() -> None:
    """Its start is still that of today."""
    estate = todays_state(VmLimit(new=10, existing=10), edited=(NEW, OTHER))
    assert [waiting.rows for waiting in estate.admit([move(WEB_1)])] == [(WEB_1,)]

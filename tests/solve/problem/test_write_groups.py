"""All limits on policy writes of an instance: those of the rules, and the room of its vaults."""

from __future__ import annotations

import pytest

from optimizer.solve.problem.instance import WriteLimit
from optimizer.solve.problem.write_groups import write_groups
from tests.solve.small_instances import Shape, small_instance

OF_THE_RULES = WriteLimit("max_policy_writes", (0, 1), 1)


def limits_of(*, room: tuple[int, int], editable: bool = False, immovable: tuple[int, ...] = ()) -> list[WriteLimit]:
    """Limits of three VMs in two vaults: VMs 0 and 1 in the first one, VM 2 in the second one."""
    policies = [(0, 4, (0, 1), editable), (1, 4, (2,), editable)]
    shape = Shape(
        key=[0, 0, 1],
        key_vault=(0, 1),
        policies=policies,
        immovable=immovable,
        room=room,
        write_limits=(OF_THE_RULES,),
    )
    return write_groups(small_instance([4, 4, 4], shape=shape))


def test_limits_of_the_rules_come_first() -> None:
    """They count whatever room the vaults have."""
    assert limits_of(room=(100, 100)) == [OF_THE_RULES]


def test_a_vault_with_less_room_than_vms_is_a_limit() -> None:
    """At most one policy is created for each VM, so more room is never reached."""
    first, second = WriteLimit("policies of vault 0", (0,), 1), WriteLimit("policies of vault 1", (1,), 0)
    assert limits_of(room=(1, 1)) == [OF_THE_RULES, first]
    assert limits_of(room=(2, 0)) == [OF_THE_RULES, second]
    assert limits_of(room=(2, 1)) == [OF_THE_RULES]


@pytest.mark.parametrize(("room", "limit"), [(0, 1), (1, None)])
def test_policies_that_can_be_edited_are_room_as_well(room: int, limit: int | None) -> None:
    """An edit takes the place of a creation."""
    found = [one.limit for one in limits_of(room=(room, 100), editable=True) if one.keys == (0,)]
    assert found == ([] if limit is None else [limit])


def test_only_vms_that_may_move_need_policies() -> None:
    """The room of a vault without such VMs is no limit."""
    assert limits_of(room=(0, 100), immovable=(0, 1)) == [OF_THE_RULES]

"""State of the service: reads that end operations, callbacks, and locks."""

from __future__ import annotations

import pytest

from optimizer.emulator.refusal import Refusal
from optimizer.emulator.settings import EmulatorSettings
from optimizer.emulator.state import CloudState
from optimizer.model.clock import VirtualClock
from tests.emulator.cloud import NOW, assignment, estate, item_id, properties_of, serving, state_of
from tests.plan.estates import policy_id


def test_until_it_is_through_the_object_reads_as_before() -> None:
    """Reads of the object bring the operation to its end as reads of the operation do."""
    state = state_of(operation_reads=2)
    state.put_item(item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")})
    policies = []
    for _ in range(4):
        item = state.item(item_id("vm-1"))
        assert item is not None
        policies.append(item["properties"]["policyName"])
    assert policies == ["daily-2000", "daily-2000", "daily-2200", "daily-2200"]


def test_an_operation_ends_by_itself() -> None:
    """An operation takes effect after some minutes, even if no request asks about it."""
    state = state_of(operation_reads=1000, operation_seconds=60)
    state.put_item(item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")})
    state.clock.sleep(59)
    state.advance()
    assert state.writes == []
    state.clock.sleep(3600)
    state.advance()
    assert [write.at.minute for write in state.writes] == [1]


def test_the_object_is_locked_meanwhile() -> None:
    """Another write on the same object is refused with ObjectLocked, one on another is not."""
    state = state_of()
    for _ in range(2):
        state.put_item(item_id("vm-2"), {"properties": assignment("vm-2", "daily-2200")})
        with pytest.raises(Refusal, match="409 BMSUserErrorObjectLocked: Another operation is in progress"):
            state.put_item(item_id("VM-2"), {"properties": assignment("vm-2", "daily-2000")})
        state.put_item(item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")})
        state.clock.sleep(3600)
        state.advance()


def test_every_write_is_told() -> None:
    """The callbacks see the state after each write that took effect; what they raise comes out at the end."""
    seen = []

    def look() -> None:
        seen.append(
            (len(cloud.emulator.writes), cloud.emulator.snapshot().protected_items[0]["properties"]["policyName"])
        )

    def complain() -> None:
        raise ValueError("not allowed")

    with pytest.raises(ValueError, match="not allowed"), serving() as cloud:  # noqa: PT012  # the end raises
        cloud.emulator.on_write.append(look)
        cloud.put_item("vm-1", "daily-2200")
        cloud.emulator.on_write.append(complain)
        cloud.put_item("vm-2", "daily-2200")
    assert seen == [(1, "daily-2200"), (2, "daily-2200")]


def test_a_write_without_properties_is_refused() -> None:
    """A body needs properties, whatever else it contains."""
    state = CloudState(estate(), VirtualClock(NOW))
    for write, object_id in ((state.put_policy, policy_id("p-1")), (state.put_item, item_id("vm-1"))):
        with pytest.raises(Refusal, match="400 BadRequest: The request has no properties"):
            write(object_id, {"id": object_id})


def test_equal_seeds_give_equal_ids() -> None:
    """Operations, jobs and tags of versions follow from the seed, so that a run can be repeated."""
    ids = []
    for seed in (1, 1, 2):
        state = CloudState(estate(), VirtualClock(NOW), settings=EmulatorSettings(seed=seed))
        written = state.put_policy(policy_id("new-policy"), {"properties": properties_of("p", "21:00")})
        operation = state.put_item(item_id("vm-1"), {"properties": assignment("vm-1", "daily-2200")}).operation
        assert written.resource is not None and operation is not None
        ids.append((written.resource["eTag"], operation.id))
    assert ids[0] == ids[1]
    assert len(set(ids)) == 2

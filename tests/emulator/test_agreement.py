"""The emulator accepts what the planner writes, and the planner reads what the emulator accepts."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optimizer.arm.vm_policy import is_vm_policy, read_schedule, with_start
from optimizer.emulator import CloudState
from optimizer.emulator.policies import check_policy
from optimizer.emulator.refusal import Refusal
from optimizer.model.raw import MALFORMED, properties_of
from optimizer.model.timegrid import WEEKDAYS, format_start
from optimizer.rollout.rehearse.state_judge import check_items
from optimizer.rollout.writes.states import item_body, item_state
from tests.emulator.cloud import estate, state_of
from tests.plan.estates import item, policy_id, vm_id

AS_OF = datetime(2026, 11, 2, 12, tzinfo=UTC)
UNITS = {"daily": "Days", "weekly": "Weeks", "monthly": "Months", "yearly": "Years"}
ODD = [None, "", 0, -1, 1, 3, 5, 7, 18, 23, 31, 10_000, 2.5, "7", True, [], {}, "Weekly", ["2024-01-01T20:15:00Z"]]
"""Values that do not belong into most fields."""


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """VM policies of every sub-type, frequency and kind of retention, most of them at a limit of some row."""
    often = draw(st.sampled_from(["Daily", "Weekly", "Hourly"]))
    enhanced = often == "Hourly" or draw(st.booleans())
    day = draw(st.sampled_from(["2019-05-01", "2026-11-01", "2026-11-02", "2027-01-01"]))
    spelling = draw(st.sampled_from([":00Z", ":00+00:00", "Z", ":00.000Z", ""]))
    at = f"{day}T{format_start(draw(st.integers(0, 47)))}{spelling}"
    part: dict[str, Any] = {"scheduleRunTimes": [at]}
    if often == "Weekly":
        part["scheduleRunDays"] = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True))
    if often == "Hourly":
        interval = draw(st.sampled_from([4, 6, 8, 12, 24]))
        duration = draw(st.integers(interval, 24))
        part = {"interval": interval, "scheduleWindowStartTime": at, "scheduleWindowDuration": duration}
    schedule: dict[str, Any] = {
        "schedulePolicyType": "SimpleSchedulePolicyV2" if enhanced else "SimpleSchedulePolicy",
        "scheduleRunFrequency": often,
        **({f"{often.lower()}Schedule": part} if enhanced else part),
    }
    kinds = {
        "weekly" if often == "Weekly" else "daily",
        *draw(st.sets(st.sampled_from(["weekly", "monthly", "yearly"]))),
    }
    retention: dict[str, Any] = {"retentionPolicyType": "LongTermRetentionPolicy"}
    for kind in sorted(kinds):
        count = draw(st.integers(7, 40)) if kind == "daily" else draw(st.integers(1, 60))
        duration_type = UNITS[kind]
        retention[f"{kind}Schedule"] = {
            "retentionTimes": [at],
            "retentionDuration": {"count": count, "durationType": duration_type},
        }
    properties: dict[str, Any] = {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": schedule,
        "retentionPolicy": retention,
        "timeZone": draw(st.sampled_from(["UTC", "W. Europe Standard Time", "Hawaiian Standard Time"])),
    }
    snapshots = draw(st.sampled_from([None, 1, 2, 5, 6, 17, 18, 20, 22, 23, 30, 31]))
    return properties if snapshots is None else {**properties, "instantRpRetentionRangeInDays": snapshots}


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every field and entry, as its container and key."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [(value, key) for key, _ in inside] + [place for _, inner in inside for place in _places(inner)]


@st.composite
def damaged_policies(draw: st.DrawFn) -> dict[str, Any]:
    """The same with up to two fields taken out or filled with what does not belong there."""
    properties = copy.deepcopy(draw(policies()))
    for _ in range(draw(st.integers(0, 2))):
        container, key = draw(st.sampled_from(_places(properties)))
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return properties


def planner_writes(properties: dict[str, Any]) -> bool:
    """Whether the planner reads a policy and would create or change one like it."""
    try:
        return is_vm_policy({"properties": properties}) and not read_schedule(properties, AS_OF).refused
    except MALFORMED:
        return False


def emulator_accepts(properties: dict[str, Any]) -> bool:
    """Whether the emulator creates or changes a policy with this body."""
    try:
        check_policy(properties, AS_OF)
    except Refusal:
        return False
    return True


def hourly_without_retention_times(interval: int, start: str = "08:00") -> dict[str, Any]:
    """Cases C16 and C03b: no retention times, and an interval of 24 hours."""
    return {
        "backupManagementType": "AzureIaasVM",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {
                "interval": interval,
                "scheduleWindowStartTime": f"2022-03-01T{start}:00Z",
                "scheduleWindowDuration": 24,
            },
        },
        "retentionPolicy": {"dailySchedule": {"retentionDuration": {"count": 30, "durationType": "Days"}}},
    }


@settings(max_examples=300)
@given(damaged_policies(), st.integers(0, 39))
@example(hourly_without_retention_times(8), 20)
@example(hourly_without_retention_times(24), 20)
@example(hourly_without_retention_times(8, "22:00"), 20)
def test_planner_and_emulator_agree_on_every_policy(properties: dict[str, Any], option: int) -> None:
    """The emulator takes what the planner would send, and nothing else: as it stands, or at another past time."""
    if planner_writes(properties):
        assert emulator_accepts(with_start(properties, option, AS_OF))
        if not read_schedule(properties, AS_OF).one_way:
            assert emulator_accepts(properties)
    else:
        assert not emulator_accepts(properties)


@settings(max_examples=100)
@given(policies())
def test_generated_policies_are_refused_for_their_snapshots_alone(properties: dict[str, Any]) -> None:
    """Without a word on snapshots each is written, so that the property above sees both answers."""
    assert planner_writes({key: value for key, value in properties.items() if key != "instantRpRetentionRangeInDays"})


@pytest.mark.parametrize("interval", [8, 24])
def test_an_hourly_policy_without_retention_times_is_written(interval: int) -> None:
    """Cases C16 and C03b: both sides accept it as it stands."""
    assert planner_writes(hourly_without_retention_times(interval))
    assert emulator_accepts(hourly_without_retention_times(interval))


STATES = [
    "Protected",
    "protected",
    "IRPending",
    "ProtectionError",
    "ProtectionStopped",
    "ProtectionPaused",
    "BackupsSuspended",
    "Invalid",
    "SomethingOfTheFuture",
    "",
    None,
    5,
]
"""Documented states, spellings of them, and what no page tells of."""


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """Protected items in every documented state, some fields of which are missing or null."""
    properties: dict[str, Any] = {
        "protectionState": draw(st.sampled_from(STATES)),
        "policyId": draw(
            st.sampled_from([policy_id("daily-2000")] * 4 + ["", None, policy_id("gone"), policy_id("sql")])
        ),
        "isScheduledForDeferredDelete": draw(st.sampled_from([False, False, None, True])),
        "containerName": draw(st.sampled_from(["iaasvmcontainerv2;rg-app;vm-1", None])),
        "friendlyName": draw(st.sampled_from(["vm-1", None])),
        "sourceResourceId": draw(st.sampled_from([vm_id("vm-1"), vm_id("vm-1").upper(), None])),
        "protectedItemType": draw(st.sampled_from(["Microsoft.Compute/virtualMachines", None])),
        "extendedProperties": draw(st.sampled_from([None, {}, {"diskExclusionProperties": {"diskLunList": [1]}}])),
        "lastBackupStatus": draw(st.sampled_from(["Completed", "Failed", None])),
    }
    left_out = draw(st.sets(st.sampled_from(sorted(properties.keys() - {"policyId"}))))
    one = item("vm-1", "daily-2000", **properties)
    kept = {name: value for name, value in one["properties"].items() if name not in left_out}
    return {**one, "properties": kept}


def emulated(one: dict[str, Any]) -> CloudState:
    """Serve an estate with the item, an ordinary one beside it, and a twin of their policy."""
    document = estate(items=[item("vm-1", "daily-2000"), item("vm-2", "daily-2000")])
    return state_of(document.model_copy(update={"protected_items": (one, document.protected_items[1])}))


@settings(max_examples=200)
@given(items())
def test_the_emulator_takes_every_item_that_the_planner_writes(one: dict[str, Any]) -> None:
    """An item that may be written is accepted as it stands, ends on its new policy, and keeps everything else."""
    state = emulated(one)
    inventory = state.snapshot().inventory(())
    planned = {found.id: found for found in inventory.items if not found.unwritable}
    if one["id"] not in planned:
        return
    body = item_body(one, policy_id("daily-2200"))
    operation = state.put_item(one["id"], {"properties": body}).operation
    assert operation is not None
    while operation.status == "InProgress":
        state.operation(operation.id)
    written = state.item(one["id"])
    assert written is not None
    assert item_state(properties_of(written)) == item_state({**one["properties"], **body})
    (after,) = [found for found in state.snapshot().inventory(()).items if found.id == one["id"]]
    assert after.policy_id == policy_id("daily-2200")


@settings(max_examples=100)
@given(items())
def test_what_the_emulator_does_by_itself_is_no_finding(one: dict[str, Any]) -> None:
    """After three days of backups nothing that a roll-out must not change has changed, and no VM came or went."""
    state = emulated(one)
    before = state.snapshot()
    state.advance(state.clock.now() + timedelta(days=3))
    now = state.snapshot()
    assert check_items(before.protected_items, now.protected_items) == []
    scheduled, later = (document.inventory(()).items for document in (before, now))
    assert [found.id for found in scheduled] == [found.id for found in later]

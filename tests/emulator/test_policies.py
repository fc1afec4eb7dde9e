"""Which policies the emulated service takes."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from optimizer.emulator.refusal import INVALID_POLICY, Refusal
from tests.emulator.cloud import NOW, VAULT, estate, properties_of, serving, state_of, vault
from tests.plan.estates import hourly_policy, item, policy_id, standard_policy
from tests.rollout.small_rollouts import weekly_policy


def refused(properties: dict[str, Any], name: str = "new-policy", **settings: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        state_of(**settings).put_policy(policy_id(name), {"properties": properties})
    return raised.value


def put_at(properties: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Change one field of a policy."""
    changed = copy.deepcopy(properties)
    *folders, last = path.split("/")
    target: Any = changed
    for folder in folders:
        target = target[folder]
    target[last] = value
    return changed


DAILY = properties_of("p", "21:00")
WEEKLY = weekly_policy("p", "21:00", ["Sunday"])["properties"]
HOURLY = hourly_policy("p", "08:00", 0)["properties"]
WINDOW = "schedulePolicy/hourlySchedule"
KEPT = "retentionPolicy/dailySchedule/retentionTimes"
TOMORROW = f"{NOW + timedelta(days=1):%Y-%m-%d}T21:00:00Z"


@pytest.mark.parametrize(
    ("properties", "path", "value"),
    [
        (DAILY, "schedulePolicy/scheduleRunTimes", ["2019-05-01T21:15:00Z"]),
        (DAILY, "schedulePolicy/scheduleRunTimes", ["2019-05-01T21:00:00Z", "2019-05-01T22:00:00Z"]),
        (DAILY, "schedulePolicy/scheduleRunTimes", []),
        (DAILY, "schedulePolicy/scheduleRunTimes", ["nine o'clock"]),
        (DAILY, "schedulePolicy/scheduleRunTimes", ["2019-05-01T21:30:00Z"]),
        (DAILY, KEPT, ["2019-05-01T21:30:00Z"]),
        (DAILY, KEPT, []),
        (DAILY, "schedulePolicy/scheduleRunFrequency", "Monthly"),
        (DAILY, "schedulePolicy/scheduleRunFrequency", "Hourly"),
        (DAILY, "schedulePolicy/schedulePolicyType", "LongTermSchedulePolicy"),
        (DAILY, "timeZone", "Middle Earth Standard Time"),
        (DAILY, "instantRpRetentionRangeInDays", 6),
        (DAILY, "backupManagementType", "AzureWorkload"),
        (HOURLY, f"{WINDOW}/interval", 5),
        (DAILY, "instantRpRetentionRangeInDays", "2"),
        (DAILY, "retentionPolicy/dailySchedule/retentionDuration/count", 6),
        (DAILY, "retentionPolicy/dailySchedule", None),
        (WEEKLY, "instantRpRetentionRangeInDays", 2),
        (WEEKLY, "retentionPolicy/weeklySchedule", None),
        (HOURLY, "instantRpRetentionRangeInDays", 15),
        (HOURLY, f"{WINDOW}/scheduleWindowDuration", 3),
        (HOURLY, f"{WINDOW}/scheduleWindowDuration", 25),
        (HOURLY, f"{WINDOW}/scheduleWindowStartTime", "2022-03-01T20:00:00+00:00"),
        (HOURLY, f"{WINDOW}/scheduleWindowStartTime", "2022-03-01T08:30:00+00:00"),
    ],
)
def test_what_is_not_in_proper_format_is_refused(properties: dict[str, Any], path: str, value: Any) -> None:
    """A time off the grid, several times, differing retention times and the like: 400 with the recorded message."""
    refusal = refused(put_at(properties, path, value))
    assert (refusal.status, refusal.code) == (400, "BMSUserErrorInvalidPolicyInput")
    assert refusal.message == INVALID_POLICY


@pytest.mark.parametrize(
    ("zone", "past_from"), [("UTC", 33.5), ("Hawaiian Standard Time", 43.5), ("Tokyo Standard Time", 33.5)]
)
def test_dates_and_times_to_come_are_refused(zone: str, past_from: float) -> None:
    """Tomorrow 21:00 is refused until date and time are past, read as UTC and in the zone of the policy."""
    properties = put_at(put_at(DAILY, "schedulePolicy/scheduleRunTimes", [TOMORROW]), KEPT, [TOMORROW])
    properties = put_at(properties, "timeZone", zone)
    for hours, accepted in ((0, False), (past_from - 1, False), (past_from, True)):
        state = state_of(now=NOW + timedelta(hours=hours))
        if accepted:
            state.put_policy(policy_id("new-policy"), {"properties": properties})
        else:
            with pytest.raises(Refusal, match="BMSUserErrorInvalidPolicyInput"):
                state.put_policy(policy_id("new-policy"), {"properties": properties})


@pytest.mark.parametrize("name", ["1st", "ab", "a" * 151, "with space", "semi;colon"])
def test_new_names_follow_the_rules(name: str) -> None:
    """A policy cannot be created under a name that Azure does not take."""
    assert refused(DAILY, name).status == 400


def test_the_window_may_begin_at_half_past_seven() -> None:
    """19:30 is the last start of an hourly window."""
    text = "2022-03-01T19:30:00+00:00"
    properties = put_at(put_at(HOURLY, f"{WINDOW}/scheduleWindowStartTime", text), KEPT, [text])
    assert state_of().put_policy(policy_id("late"), {"properties": properties}).status == 200


def test_the_sub_type_stays() -> None:
    """A Standard policy cannot become an Enhanced one."""
    refusal = refused(HOURLY, "daily-2200")
    assert (refusal.status, refusal.code) == (400, "BMSUserErrorPolicySubTypeChangeNotSupported")


def test_a_change_of_frequency_is_taken_and_flagged() -> None:
    """Azure lets a policy go from daily to weekly; the state remembers that somebody did it."""
    state = state_of()
    properties = weekly_policy("p", "21:00", ["Sunday"])["properties"]
    state.put_policy(policy_id("daily-2200"), {"properties": properties})
    assert state.flags == [f"{policy_id('daily-2200')}: from daily to weekly"]


def test_the_vault_is_full_with_its_last_policy() -> None:
    """No policy beyond the limit is created, while those that are there can be edited."""
    state = state_of(max_policies_per_vault=6)
    state.put_policy(policy_id("sixth"), {"properties": DAILY})
    with pytest.raises(Refusal, match="BMSUserErrorMaxPolicyLimitReached"):
        state.put_policy(policy_id("seventh"), {"properties": DAILY})
    assert state.put_policy(policy_id("sixth"), {"properties": DAILY}).status == 200


@pytest.mark.parametrize(("scope", "elsewhere"), [("vault", 200), ("subscription", 429)])
def test_policy_writes_are_counted_over_24_hours(scope: str, elsewhere: int) -> None:
    """The 51st write in 24 hours is turned away, in the vault or in the subscription, and taken a day later."""
    state = state_of(policy_writes_scope=scope)
    for number in range(50):
        state.put_policy(policy_id(f"new-{number}"), {"properties": DAILY})
        state.clock.sleep(60)
    with pytest.raises(Refusal) as raised:
        state.put_policy(policy_id("new-50"), {"properties": DAILY})
    assert raised.value.status == 429
    other = {"properties": properties_of("p", "21:00")}
    try:
        status = state.put_policy(policy_id("there", VAULT.replace("one", "two")), other).status
    except Refusal as refusal:
        status = refusal.status
    assert status == elsewhere
    state.clock.sleep(24 * 3600 - 50 * 60 + 1)
    assert state.put_policy(policy_id("new-50"), {"properties": DAILY}).status == 200


def test_what_is_refused_costs_nothing_of_the_budget() -> None:
    """Only writes that were accepted are counted."""
    state = state_of(policy_writes_per_day=1)
    with pytest.raises(Refusal):
        state.put_policy(policy_id("bad name"), {"properties": DAILY})
    assert state.put_policy(policy_id("good-name"), {"properties": DAILY}).status == 200


def test_immutability_forbids_less_retention_and_nothing_else() -> None:
    """In an immutable vault the time of a policy can be changed, and its retention only grow."""
    locked = vault(securitySettings={"immutabilitySettings": {"state": "Unlocked"}})
    state = state_of(estate(policies=[standard_policy("p-1", "20:00")], items=[], vaults=[locked]))
    state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00")})
    state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00", count=60)})
    with pytest.raises(Refusal, match="UserErrorOperationDeniedOnImmutableItem"):
        state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00")})


def test_a_policy_of_items_cannot_be_deleted() -> None:
    """A policy goes only when it protects nothing; deleting it again is no error."""
    state = state_of()
    with pytest.raises(Refusal, match="400 BMSUserErrorPolicyInUse"):
        state.delete_policy(policy_id("daily-2000"))
    assert state.delete_policy(policy_id("daily-2200")).status == 200
    assert state.delete_policy(policy_id("daily-2200")).status == 204
    assert [write.method for write in state.writes] == ["DELETE"]


def test_the_service_keeps_count_etag_and_unknown_fields() -> None:
    """A written policy shows its own count of items, a new eTag, and what was sent that nobody knows."""
    state = state_of(estate(policies=[standard_policy("p-1", "20:00", items=9)], items=[item("vm-1", "p-1")]))
    for time in ("21:00", "21:30"):
        body = {"properties": {**properties_of("p-1", time, items=400), "newField": {"a": None}}}
        operation = state.put_policy(policy_id("p-1"), body).operation
        assert operation is not None
        state.operation(operation.id)
        state.operation(operation.id)
    policy = state.policy(policy_id("P-1"))
    assert policy is not None and policy["eTag"]
    assert policy["properties"]["protectedItemsCount"] == 9
    assert policy["properties"]["newField"] == {"a": None}
    assert policy["properties"]["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T21:30:00Z"]


def test_a_new_policy_is_there_at_once() -> None:
    """Over the wire: a policy without items is written with 200, and read back by the real client."""
    with serving() as cloud:
        status, _ = cloud.put_policy("new-policy", DAILY)
        read = cloud.backup.protection_policies.get(
            "rsv-one", cloud.emulator.state.contents.vaults[VAULT.lower()]["id"].split("/")[4], "NEW-policy"
        )
    assert status == 200
    assert read.as_dict()["properties"] == {**DAILY, "protectedItemsCount": 0}
    assert read.id == policy_id("new-policy")


def test_an_unknown_vault_holds_no_policy() -> None:
    """Writing into a vault that is not there is a 404."""
    with pytest.raises(Refusal) as raised:
        state_of().put_policy(policy_id("p-1", VAULT + "x"), {"properties": DAILY})
    assert raised.value.status == 404

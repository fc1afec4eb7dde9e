"""Contents of policies, and the format that the service requires."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from optimizer.emulator.policies import frequency, keeps_less, kept_days, run_time, sub_type, tidied
from optimizer.emulator.refusal import INVALID_POLICY, Refusal
from tests.emulator.cloud import NOW, properties_of, state_of
from tests.plan.estates import hourly_policy, policy_id
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


def test_retentions_are_compared_in_days() -> None:
    """Weeks, months and years are converted; a kind that is no longer kept counts as shorter."""
    length = {"count": 2, "durationType": "weeks"}
    kept = {"retentionPolicy": {"dailySchedule": {"retentionDuration": length}, "weeklySchedule": None}}
    assert kept_days(kept) == {"daily": 14}
    longer = {"retentionPolicy": {"dailySchedule": {"retentionDuration": {"count": 1, "durationType": "Months"}}}}
    assert not keeps_less(kept, longer) and keeps_less(longer, kept)
    assert keeps_less(kept, {}) and not keeps_less({}, kept)


def test_the_kind_of_a_policy_is_read_from_its_schedule() -> None:
    """The frequency is in lower case, and policies of other workloads have no sub-type."""
    assert sub_type(DAILY) != sub_type(HOURLY) != ""
    assert sub_type({"schedulePolicy": {"schedulePolicyType": "LongTermSchedulePolicy"}}) == "" == sub_type({})
    assert (frequency(DAILY), frequency(WEEKLY), frequency(HOURLY)) == ("daily", "weekly", "hourly")
    assert (run_time(DAILY), run_time(HOURLY)) == ("21:00", "08:00")


def test_a_tidied_policy_is_spelled_as_current_answers() -> None:
    """Missing fields are filled in, fractions of seconds are dropped, and the original is not changed."""
    written = put_at(DAILY, "schedulePolicy/scheduleRunTimes", ["2019-05-01T21:00:00.0000000Z"])
    tidy = tidied(written)
    assert tidy["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T21:00:00Z"]
    assert (tidy["policyType"], tidy["schedulePolicy"]["scheduleWeeklyFrequency"]) == ("V1", 0)
    assert tidied(HOURLY)["policyType"] == "V2"
    assert written["schedulePolicy"]["scheduleRunTimes"] == ["2019-05-01T21:00:00.0000000Z"]

"""Gaps between recovery points round a change of start, against a slow loop over real dates; limits of VMs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.inventory import Policy
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import Frequency, Recurrence, parse_start, resolve_zone
from optimizer.ports import Resource
from optimizer.rollout.calendar.recovery import Rpo, Shift, rpo_of_items
from tests.plan.estates import hourly_policy, standard_policy
from tests.rollout.small_rollouts import NOW, World, inventory_of, longest_gap_hours, weekly_policy, world

POLICIES = [
    standard_policy("daily", "23:00"),
    standard_policy("berlin", "23:00", zone="W. Europe Standard Time"),
    standard_policy("nepal", "23:00", zone="Nepal Standard Time"),
    weekly_policy("weekly", "23:00", ["Sunday"]),
    weekly_policy("twice", "23:00", ["Wednesday", "Saturday"], zone="W. Europe Standard Time"),
    hourly_policy("hourly", "08:00", 0),
]
STARTS = st.integers(0, 39).map(lambda option: f"{option // 2:02d}:{option % 2 * 30:02d}")


def one_vm(policy: Resource, rules: Rules | None = None) -> World:
    return world([policy], {"a": str(policy["name"])}, {}, rules or Rules(), a="shop")


def shift_of(policy: Policy, before: str, after: str) -> Shift:
    offsets = inventory_of(one_vm(POLICIES[0]).document).horizon.offsets(resolve_zone(policy.timezone))
    return Shift(policy.recurrence, offsets, parse_start(before), parse_start(after), 135)


def policy_of(resource: Resource) -> Policy:
    (policy,) = one_vm(resource).inventory.policies.values()
    return policy


@given(st.sampled_from(POLICIES), STARTS, STARTS, st.integers(0, 7 * 24 * 60 - 1))
def test_gaps_are_those_of_a_slow_loop(resource: Resource, before: str, after: str, minute: int) -> None:
    """Last run, first run and gap are what real dates and both readings of the clock give."""
    policy, at = policy_of(resource), NOW + timedelta(minutes=minute)
    shift = shift_of(policy, before, after)
    assert shift.gap_hours(at) == pytest.approx(longest_gap_hours(policy, before, after, at))
    span = shift.first_run_after(at) - shift.last_run_before(at)
    assert span + timedelta(hours=2) == timedelta(hours=shift.gap_hours(at))


WORKED = [
    # from, to, written at, hours: last old run to first new run, and 2 h
    ("23:00", "06:00", "2026-02-18T02:00", 7 + 2),
    ("23:00", "06:00", "2026-02-18T12:00", 31 + 2),
    ("23:00", "01:00", "2026-02-18T12:00", 26 + 2),
    ("23:00", "22:00", "2026-02-18T12:00", 23 + 2),
    ("23:00", "22:00", "2026-02-18T22:30", 47 + 2),
]


@pytest.mark.parametrize(("before", "after", "at", "hours"), WORKED)
def test_worked_examples(before: str, after: str, at: str, hours: float) -> None:
    """The side of the old start decides how long a VM is without a recovery point."""
    shift = shift_of(policy_of(POLICIES[0]), before, after)
    assert shift.gap_hours(datetime.fromisoformat(at + "+00:00")) == hours


def test_an_actual_recovery_point_counts_instead_of_the_schedule() -> None:
    """A missed backup makes the gap longer by a day, and a limit that allows for it is still kept."""
    shift = shift_of(policy_of(POLICIES[0]), "23:00", "01:00")
    at = NOW
    missed = at - timedelta(hours=34)
    assert shift.gap_hours(at, missed) == 52
    assert shift.keeps(Rpo(60 * 60), at, missed)
    assert not shift.keeps(Rpo(51 * 60), at, missed)


def test_a_vm_that_fails_anyway_may_be_moved() -> None:
    """Where the last recovery point is so old that staying breaks the limit as well, only the schedule counts."""
    shift = shift_of(policy_of(POLICIES[0]), "23:00", "01:00")
    assert shift.keeps(Rpo(36 * 60), NOW, NOW - timedelta(days=10))
    assert not shift.keeps(Rpo(27 * 60), NOW, NOW - timedelta(days=10))


@pytest.mark.parametrize(
    ("recurrence", "hours"),
    [
        (Recurrence(Frequency.DAILY), 24),
        (Recurrence(Frequency.WEEKLY, (6,)), 168),
        (Recurrence(Frequency.WEEKLY, (2, 5)), 96),
        (Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=12), 12),
        (Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=24), 4),
    ],
)
def test_the_widest_spacing(recurrence: Recurrence, hours: int) -> None:
    """The longest time between two runs, over the week's end and through the night of an hourly window."""
    assert recurrence.widest_spacing == hours * 60


def limits(resource: Resource, *hours: float) -> list[str]:
    rules = [Rule(name=f"rule {n}", rpo_hours=h, where=Selector(service="shop")) for n, h in enumerate(hours)]
    given = one_vm(resource, Rules(rule=tuple(rules)))
    return [str(rpo) for rpo in rpo_of_items(given.inventory, given.rules)]


def test_limits_of_vms() -> None:
    """The smallest rule counts, else spacing + 12 h; nobody is asked for more than the schedule itself can keep."""
    assert limits(POLICIES[0]) == ["36 h by default"]
    assert limits(POLICIES[3]) == ["180 h by default"]
    assert limits(POLICIES[0], 40, 30) == ["30 h by rule 'rule 1'"]
    assert limits(POLICIES[0], 4) == ["26 h by rule 'rule 0'"]

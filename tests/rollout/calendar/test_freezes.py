"""Frozen days of VMs and vaults."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from optimizer.model.arm_id import ArmId
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.calendar.freezes import Freezes
from optimizer.rollout.calendar.spans import Span, to_seconds
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.small_rollouts import world

DAY = DateRange(first=date(2026, 2, 19), last=date(2026, 2, 19))
NEXT = DateRange(first=date(2026, 2, 20), last=date(2026, 2, 20))
RULES = (
    Rule(name="a stands still", where=Selector(name="a"), freeze=(DAY,)),
    Rule(name="b stands still", where=Selector(name="b"), freeze=(DAY, NEXT)),
)
BEGIN = datetime(2026, 2, 18, tzinfo=UTC)
WEEK = [(to_seconds(BEGIN), to_seconds(BEGIN + timedelta(days=7)))]
HERE = ArmId(VAULT)


def freezes(*rules: Rule, zone: str = "UTC") -> Freezes:
    """Freezes of VMs a and b, which are rows 0 and 1."""
    given = world([standard_policy("daily", "23:00", zone=zone)], {"a": "daily", "b": "daily"}, {}, Rules(rule=rules))
    return Freezes(given.inventory, given.rules)


def days(spans: list[Span]) -> list[tuple[float, float]]:
    """Spans in days since the begin."""
    return [((first - WEEK[0][0]) / 86400, (last - WEEK[0][0]) / 86400) for first, last in spans]


def test_a_write_is_frozen_on_the_days_of_any_of_its_vms() -> None:
    """VM a is frozen on one day, b on two; an edit that moves both waits for both."""
    frozen = freezes(*RULES)
    assert days(frozen.thawed(WEEK, HERE, [0])) == [(0, 1), (2, 7)]
    assert days(frozen.thawed(WEEK, HERE, [0, 1])) == [(0, 1), (3, 7)]


def test_a_write_without_vms_is_frozen_only_while_all_vms_of_its_vault_are() -> None:
    """Both VMs are frozen on the first day only; a vault without VMs is never frozen."""
    frozen = freezes(*RULES)
    assert days(frozen.thawed(WEEK, HERE, [])) == [(0, 1), (2, 7)]
    assert days(freezes(RULES[0]).thawed(WEEK, HERE, [])) == [(0, 7)]
    assert days(frozen.thawed(WEEK, ArmId("/elsewhere"), [])) == [(0, 7)]


def test_a_frozen_day_is_one_of_the_policys_zone() -> None:
    """A day in Berlin ends at 23:00 UTC in winter."""
    noon = to_seconds(datetime(2026, 2, 19, 12, tzinfo=UTC))
    frozen = freezes(*RULES, zone="W. Europe Standard Time")
    assert frozen.ends(HERE, [0], noon) == datetime(2026, 2, 19, 23, tzinfo=UTC)
    assert frozen.ends(HERE, [0], WEEK[0][0]) is None


def test_rules_are_named_once() -> None:
    """Without VMs, every rule that freezes is named."""
    frozen = freezes(*RULES, Rule(name="no freeze", pin=True))
    assert frozen.rules_of([0, 0]) == ["a stands still"]
    assert frozen.rules_of([]) == ["a stands still", "b stands still"]


def test_equal_keys_mean_equal_freezes() -> None:
    """Without a rule, both VMs have the same key; with different rules, they do not."""
    assert freezes().key([0]) == freezes().key([1])
    assert freezes(*RULES).key([0]) != freezes(*RULES).key([1])

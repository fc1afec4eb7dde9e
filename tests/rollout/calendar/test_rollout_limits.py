"""Limits of a roll-out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from tests.plan.estates import vm_id
from tests.rollout.small_rollouts import item_write


def test_the_first_wave_has_the_pilot_and_what_its_writes_need() -> None:
    """VM ids are compared without regard to case; needs outside the list do not count."""
    creation = replace(item_write("new", "23:00", "02:00", 1), vms=())
    pilot = replace(item_write("a", "23:00", "02:00", 2), needs=(1, 7))
    other = item_write("b", "23:00", "02:00", 3)
    limits = RolloutLimits(pilot=frozenset({vm_id("A").upper()}))
    assert limits.first_wave([creation, pilot, other]) == {1, 2}
    assert RolloutLimits().first_wave([creation, pilot, other]) == frozenset()


def test_the_calendar_ends_after_its_days() -> None:
    """Days have 24 hours, whatever the clocks do."""
    assert RolloutLimits(horizon_days=3).end(100) == 100 + 3 * 86_400


@pytest.mark.parametrize("name", ["workers", "seconds_per_write"])
def test_limits_below_one_are_refused(name: str) -> None:
    """The message names the limit and its value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        RolloutLimits(**{name: 0})

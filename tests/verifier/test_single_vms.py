"""Checks of one VM at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.model.rules import Rule, Rules
from optimizer.verifier.checked import Checked
from optimizer.verifier.single_vms import check_single_vms, open_starts, usable_options
from optimizer.verifier.window_clock import WindowClock
from tests.plan.three_vms import WEB_1
from tests.verifier.three_vms_checked import checked

BY_NIGHT = Rule.model_validate({"name": "by night", "allow": [{"from": "20:00", "to": "04:00", "zone": "UTC"}]})


def faults(found: Checked) -> str:
    return " ".join(check_single_vms(found, WindowClock(found.before)))


def test_a_start_outside_the_windows_of_a_rule_is_a_fault() -> None:
    """01:30 ends at 03:45; 02:00 ends after 04:00."""
    assert faults(checked(Rules(rule=(BY_NIGHT,)), web_1="01:30")) == ""
    assert "02:00 breaks rule 'by night'" in faults(checked(Rules(rule=(BY_NIGHT,)), web_1="02:00"))


def test_a_step_toward_the_rules_may_leave_vms_where_they_are() -> None:
    """A VM that moves must keep the rule."""
    by_day = Rules(
        rule=(Rule.model_validate({"name": "by day", "allow": [{"from": "08:00", "to": "20:00", "zone": "UTC"}]}),)
    )
    assert faults(replace(checked(by_day, web_1="10:00"), left={})) == ""
    assert "02:00 breaks rule 'by day'" in faults(replace(checked(by_day, web_1="02:00"), left={}))


def test_a_pinned_vm_may_not_move() -> None:
    """And it has only one start that is open."""
    found = checked(Rules(rule=(Rule(name="pin", pin=True),)), web_1="02:00")
    assert "moves although it must stay" in faults(found)
    assert open_starts(found, WindowClock(found.before), WEB_1) == [46]


def test_risk_may_grow_only_as_far_as_the_limit_allows() -> None:
    """An increase of 2 is more than 1; a VM without evidence of its own may not have any."""
    found = checked(Rules(max_risk_increase=1.0), web_1="02:00")
    risk = np.zeros((3, 48))
    risk[WEB_1, 4] = 2.0
    assert "its risk grows by more than 1" in faults(replace(found, risk=risk))
    assert faults(replace(found, risk=risk / 2)) == ""
    assert "its risk grows by more than 0" in faults(replace(found, risk=risk / 2, own=np.zeros(3, dtype=np.bool_)))
    assert 4 not in usable_options(replace(found, risk=risk), WindowClock(found.before), WEB_1)

"""Caps are counted window by window."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import Rule, Rules
from optimizer.verifier.caps import check_caps
from optimizer.verifier.checked import Checked
from optimizer.verifier.window_clock import WindowClock
from tests.verifier.three_vms_checked import checked

ONE = Rule(name="one", max_concurrent=1)
APART = Rule(name="apart", separate=True)


def faults(found: Checked) -> list[str]:
    return list(check_caps(found, WindowClock(found.before)))


def test_windows_that_overlap_are_counted_within_the_service() -> None:
    """Windows last two hours and a snapshot: 23:00 and 01:00 overlap by it, 23:00 and 01:30 do not."""
    rules = Rules(rule=(ONE,))
    assert faults(checked(rules, web_1="01:00")) == ["rule 'one': 2 windows meet, allowed are 1"]
    assert faults(checked(rules, web_1="01:30")) == []


def test_separate_counts_all_vms_of_the_rule() -> None:
    """The database and ``web-2`` start together, and are not of one service."""
    assert faults(checked(Rules(rule=(APART,)), web_1="08:00")) == ["rule 'apart': 2 windows meet, against 'separate'"]
    assert faults(checked(Rules(rule=(APART,)), web_1="08:00", db="12:00")) == []


def test_immovable_vms_may_overlap_among_themselves() -> None:
    """A third VM beside two pinned ones is one too many."""
    pinned = Rules(
        rule=(
            APART,
            Rule(name="pin db", pin=True, where={"name": "db-1"}),
            Rule(name="pin web", pin=True, where={"name": "web-2"}),
        )
    )
    assert faults(checked(pinned, web_1="08:00")) == []
    assert faults(checked(pinned, web_1="23:30")) == ["rule 'apart': 3 windows meet, against 'separate'"]


def test_a_step_toward_the_rules_may_leave_todays_excess() -> None:
    """But it may not add to it."""
    step = replace(checked(Rules(rule=(APART,)), web_1="23:00"), left={})
    assert faults(step) == []

"""Room that is kept for writes that come earlier in the plan."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.rollout.calendar.reserve import Reservations
from optimizer.rollout.writes.transition import Transition
from tests.plan.estates import policy_id, standard_policy
from tests.rollout.small_rollouts import world

POLICIES = [standard_policy("one", "23:00"), standard_policy("two", "05:00")]


def test_a_later_write_must_leave_room_in_a_policy() -> None:
    """Policy two has one place left: the first write of the plan may take it, the second waits for its release."""
    rules = Rules(policies=PolicyLimits(edit=False, max_vms_per_policy=3))
    places = {"a": "one", "b": "one", "c": "two", "d": "two"}
    given = world(POLICIES, {**places, "e": "one"}, {"a": "05:00"}, rules)
    (first,) = given.writes()
    second = replace(first, number=9, vms=(first.vms[0].replace("/a", "/b"),))
    kept = Reservations([first, second], Transition(given.inventory, given.rules))
    assert kept.against(0) is None
    assert kept.against(1) == ("policy", policy_id("two"))
    kept.made(0)
    assert kept.against(1) is None


def test_a_later_write_must_leave_room_under_a_cap() -> None:
    """At most two VMs at once, of which one is there: an earlier write needs the second place."""
    rules = Rules(policies=PolicyLimits(edit=False), rule=(Rule(name="few", max_concurrent=2),))
    places = {"a": "one", "b": "one", "c": "two"}
    given = world(POLICIES, places, {"a": "05:00", "b": "05:00"}, rules, **dict.fromkeys(places, "shop"))
    first, second = given.writes()
    kept = Reservations([first, second], Transition(given.inventory, given.rules))
    assert kept.against(0) is None
    key = kept.against(1)
    assert key is not None
    assert key[0] == "cap"
    kept.made(0)
    assert kept.against(1) is None

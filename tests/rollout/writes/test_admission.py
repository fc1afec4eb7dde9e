"""Which writes can be made next when only a part of all writes is made."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.writes.admission import Admission, is_in_order
from optimizer.rollout.writes.baseline import Baseline
from tests.plan.estates import policy_id, standard_policy
from tests.rollout.small_rollouts import World, world


def chain() -> World:
    """VM b must leave its policy of one place before a can take that place; c goes to a new policy."""
    policies = [standard_policy("one", "23:00"), standard_policy("two", "22:00"), standard_policy("far", "12:00")]
    limits = PolicyLimits(edit=False, max_vms_per_policy=1, max_policies_per_vault=3)
    return world(policies, {"a": "one", "b": "two"}, {"a": "22:00", "b": "12:00"}, Rules(policies=limits))


def new_policy() -> World:
    """One VM of two goes to a policy that the plan creates."""
    return world([standard_policy("one", "23:00")], {"a": "one", "b": "one"}, {"a": "02:00"}, Rules())


def test_a_full_policy_is_an_obstacle_until_a_vm_leaves_it() -> None:
    """Taking the write that makes way reports what it loosens, and the other write has no obstacle any more."""
    given = chain()
    first, second = given.writes()
    admission = Admission(given.writes(), Baseline(given.inventory, given.rules))
    obstacle = admission.obstacle(second)
    assert obstacle is not None
    assert obstacle.key == ("policy", policy_id("two"))
    assert obstacle.key in list(admission.take(first))
    assert admission.obstacle(second) is None


def test_a_policy_is_created_with_the_first_vm_that_needs_it() -> None:
    """Asking leaves no trace; taking the move also takes the creation, before it."""
    given = new_policy()
    creation, move = given.writes()
    admission = Admission(given.writes(), Baseline(given.inventory, given.rules))
    assert admission.obstacle(move) is None
    assert admission.obstacle(creation) is None
    admission.take(move)
    assert admission.picked == [creation, move]
    assert admission.has_taken([creation.number, move.number])


def test_a_write_waits_for_an_edit_or_a_move_that_it_needs() -> None:
    """Only a creation comes along by itself; the obstacle names what must come first."""
    creation, move = new_policy().writes()
    for kind, text in (("edit_policy", f"policy '{creation.name}' must be edited first"), ("reassign_item", "x")):
        first = replace(creation, kind=kind)
        given = new_policy()
        obstacle = Admission([first, move], Baseline(given.inventory, given.rules)).obstacle(move)
        assert obstacle is not None
        assert obstacle.key == ("write", creation.number)
        assert obstacle.text == (text if kind == "edit_policy" else f"{creation.name} must move first")


def test_writes_of_earlier_runs_are_part_of_the_state() -> None:
    """What is made already is not picked, but makes way."""
    given = chain()
    first, second = given.writes()
    admission = Admission(given.writes(), Baseline(given.inventory, given.rules), {first.number})
    assert admission.obstacle(second) is None
    assert admission.picked == []


def test_an_order_is_possible_or_not() -> None:
    """The plan's own order is possible; the reverse is not, unless the first write is made already."""
    given = chain()
    first, second = given.writes()
    baseline = Baseline(given.inventory, given.rules)
    assert is_in_order([first, second], given.writes(), baseline)
    assert not is_in_order([second, first], given.writes(), baseline)
    assert is_in_order([second], given.writes(), baseline, {first.number})

"""What stands in the way of single writes in the state that is reached: limits, caps, rules, what comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.writes.transition import NEVER, Transition
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import World, inventory_of, world

POLICIES = [standard_policy("one", "01:00"), standard_policy("two", "05:00"), standard_policy("far", "12:00")]
PLACES = {"a": "one", "b": "one", "c": "two", "d": "two"}
LIMITS = PolicyLimits(max_vms_per_policy=3, max_policies_per_vault=4)


def given_by(*rules: Rule, limits: PolicyLimits = LIMITS) -> tuple[World, Transition]:
    found = world(POLICIES, PLACES, {}, Rules(policies=limits, rule=rules), **dict.fromkeys(PLACES, "shop"))
    return found, Transition(found.inventory, found.rules)


def move(vm: str, source: str, target: str, number: int = 1, **more: object) -> Write:
    starts = {"one": "01:00", "two": "05:00", "far": "12:00", "new": "20:00"}
    write = Write(
        number=number,
        kind="reassign_item",
        vault_id=VAULT,
        object_id=f"item of {vm}",
        name=vm,
        body={},
        before=None,
        vms=(vm_id(vm),),
        start_before=starts[source],
        start_after=starts[target],
        policy_before=policy_id(source),
        policy_after=policy_id(target),
    )
    return replace(write, **more)  # type: ignore[arg-type]  # fields of a write


def creation(name: str = "new", number: int = 1) -> Write:
    body = standard_policy(name, "20:00")["properties"]
    return Write(number, "create_policy", VAULT, policy_id(name), name, body, None, start_after="20:00")


def edit(name: str, before: str, after: str, *vms: str, number: int = 1) -> Write:
    ids = tuple(vm_id(vm) for vm in vms)
    return Write(number, "edit_policy", VAULT, policy_id(name), name, {}, None, ids, before, after)


def deletion(name: str, number: int = 1) -> Write:
    return Write(number, "delete_policy", VAULT, policy_id(name), name, {}, None)


def test_a_full_policy_takes_nobody_until_one_leaves() -> None:
    """The limit of VMs per policy holds after each write, and a leaver is named as what opens the way."""
    _, state = given_by()
    state.make(move("a", "one", "two"))
    assert state.blockers(move("b", "one", "two")) == ("policy 'two' is full: it protects 3 VMs",)
    loosened = state.make(move("c", "two", "far", 2))
    assert state.obstacles(move("b", "one", "two")) == ()
    assert ("policy", policy_id("two").lower()) in loosened


def test_a_policy_that_is_over_its_limit_today_may_stay_and_not_grow() -> None:
    """A policy of two where one is allowed refuses a third, and takes one back to today's two."""
    _, state = given_by(limits=PolicyLimits(max_vms_per_policy=1))
    assert "is full" in state.blockers(move("a", "one", "two"))[0]
    state.make(move("c", "two", "far"))
    assert state.blockers(move("c", "far", "two")) == ()


def test_new_policies_take_fewer_than_those_of_an_estate_with_a_large_one() -> None:
    """Where one policy holds 150 VMs, one of today takes as many and a created one 100; an explicit limit wins."""
    policies = [standard_policy("one", "01:00", items=150), standard_policy("two", "05:00")]
    found = world(policies, {"a": "one"}, {}, Rules())
    state = Transition(found.inventory, found.rules)
    assert (state.room(policy_id("two").lower()), state.room(policy_id("new").lower())) == (150, 100)
    explicit = Transition(found.inventory, Rules(policies=PolicyLimits(max_vms_per_policy=120)))
    assert (explicit.room(policy_id("two").lower()), explicit.room(policy_id("new").lower())) == (120, 120)


def test_a_default_policy_is_not_edited_but_goes_back() -> None:
    """An edit of ``DefaultPolicy`` in a plan of an older version is blocked for good; a rollback may undo it."""
    policies = [standard_policy("defaultPOLICY", "01:00"), standard_policy("two", "05:00")]
    found = world(policies, {"a": "defaultPOLICY"}, {}, Rules())
    write = edit("defaultPOLICY", "01:00", "20:00", "a")
    (obstacle,) = Transition(found.inventory, found.rules).obstacles(write)
    assert obstacle.key == NEVER
    assert "one of Azure's default policies" in obstacle.text
    assert Transition(found.inventory, found.rules, tolerated=found.inventory).obstacles(write) == ()


def test_a_vault_takes_as_many_policies_as_it_may_hold() -> None:
    """One more policy has room, a second only when another is deleted, which must protect nothing."""
    _, state = given_by()
    assert state.blockers(creation()) == ()
    state.make(creation())
    assert state.blockers(creation()) == ("there is a policy 'new' already",)
    assert state.blockers(creation("newer")) == ("the vault holds 4 policies, which is the maximum",)
    assert state.blockers(deletion("one")) == ("policy 'one' still protects 2 VMs",)
    assert ("vault", VAULT.lower()) in state.make(deletion("new"))
    assert state.blockers(creation("newer")) == ()
    assert state.blockers(deletion("new")) == ("there is no policy 'new'",)


def test_what_a_write_needs_comes_first() -> None:
    """A VM goes to a new policy when that is made."""
    _, state = given_by()
    arrival = move("a", "one", "new", 2, needs=(1,))
    assert state.blockers(arrival) == ("it needs write 1 first",)
    assert state.blockers(move("a", "one", "new", 2)) == ("there is no policy 'new'",)
    state.make(creation())
    assert state.blockers(arrival) == ()


def test_a_target_that_starts_at_another_time_is_not_the_one_meant() -> None:
    """An arrival waits for the edit of its policy."""
    _, state = given_by()
    arrival = move("a", "one", "far", 2, start_after="05:30")
    assert state.blockers(arrival) == ("policy 'far' starts at 12:00, not at 05:30",)
    state.make(edit("far", "12:00", "05:30"))
    assert state.blockers(arrival) == ()


def test_only_twins_and_only_from_where_the_vm_is() -> None:
    """A policy with another retention, another source than planned and an unknown VM are refused."""
    odd = standard_policy("odd", "05:00", count=7)
    found = world([*POLICIES, odd], PLACES, {}, Rules())
    state = Transition(found.inventory, found.rules)
    wrong = replace(move("a", "one", "two"), policy_after=policy_id("odd"))
    assert state.obstacles(wrong)[0].key == NEVER
    assert state.blockers(wrong) == ("policy 'odd' is not a twin of 'one'",)
    assert state.blockers(move("a", "far", "two")) == ("a is in another policy than planned: 'one'",)
    assert state.blockers(move("z", "one", "two")) == ("z is not among the VMs with scheduled backups",)
    with pytest.raises(ValueError, match="not in the inventory"):
        state.make(move("z", "one", "two"))


def test_an_edit_is_for_exactly_the_vms_that_it_names() -> None:
    """A policy that has got another VM in the meantime is not edited."""
    _, state = given_by()
    assert state.blockers(edit("one", "01:00", "02:00", "a", "b")) == ()
    assert "protects other VMs than planned" in state.blockers(edit("one", "01:00", "02:00", "a"))[0]
    state.make(move("a", "one", "two"))
    assert "protects other VMs than planned" in state.blockers(edit("one", "01:00", "02:00", "a", "b"))[0]


def test_a_cap_refuses_an_arrival_until_there_is_room() -> None:
    """Windows of two VMs at 05:00 fill the cap; one that leaves makes room; the rule and the place are named."""
    cap = Rule(name="two at once", max_concurrent=2)
    _, state = given_by(cap)
    (text,) = state.blockers(move("a", "one", "two"))
    assert text == "rule 'two at once' has no room in 'shop' at Monday 05:00 UTC"
    state.make(move("c", "two", "far"))
    assert state.blockers(move("a", "one", "two")) == ()


def test_an_edit_moves_all_its_vms_toward_a_cap() -> None:
    """An edit brings both VMs of a policy to half hours where only one more may be."""
    _, state = given_by(Rule(name="three at once", max_concurrent=3))
    assert "three at once" in state.blockers(edit("one", "01:00", "04:30", "a", "b"))[0]
    state.make(move("c", "two", "far"))
    assert state.blockers(edit("one", "01:00", "04:30", "a", "b")) == ()


def test_what_is_over_a_cap_today_may_stay_but_not_grow() -> None:
    """Two VMs where one is allowed: nobody joins them, and one may come back."""
    _, state = given_by(Rule(name="one at once", max_concurrent=1))
    assert "one at once" in state.blockers(move("a", "one", "two"))[0]
    state.make(move("c", "two", "far"))
    assert state.blockers(move("c", "far", "two")) == ()


def test_rules_on_windows_are_never_broken_on_the_way() -> None:
    """A VM never goes to a start that its rules forbid, nor one that is pinned, excluded or unwritable anywhere."""
    morning = Rule(name="no noon", forbid=(Window(start=720, end=780, zone="UTC"),), where=Selector(name="a"))
    _, state = given_by(morning, Rule(name="stays", pin=True, where=Selector(name="b")))
    assert state.obstacles(move("a", "one", "far"))[0].key == NEVER
    assert state.blockers(move("a", "one", "far")) == ("a at 12:00: against rule 'no noon'",)
    assert state.blockers(move("a", "one", "two")) == ()
    assert state.blockers(move("b", "one", "two")) == ("b at 05:00: rule 'stays' requires it to stay",)


def test_a_rollback_may_go_back_to_what_was() -> None:
    """What was over a cap or against a rule before the plan is tolerated on the way back to it."""
    rules = (Rule(name="one at once", max_concurrent=1), Rule(name="late", forbid=(Window(start=300, end=360),)))
    found, _ = given_by(*rules)
    moved = apply_in_memory(found.document, world(POLICIES, PLACES, {"c": "12:00"}, Rules()).diff().changes)
    after = inventory_of(moved)
    back = move("c", "far", "two")
    assert len(Transition(after, found.rules).blockers(back)) == 2
    assert Transition(after, found.rules, tolerated=found.inventory).blockers(back) == ()


def test_a_write_that_is_there_already_changes_nothing() -> None:
    """Writes that the state shows as made can be made once more, as when a journal is replayed."""
    _, state = given_by()
    for write in (creation(), move("a", "one", "two", 2), edit("far", "12:00", "13:00", number=3)):
        state.make(write)
        state.make(write)
    assert state.blockers(move("b", "one", "two")) == ("policy 'two' is full: it protects 3 VMs",)
    state.make(deletion("new"))
    state.make(deletion("new"))
    assert state.blockers(creation()) == ()

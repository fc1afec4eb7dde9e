"""Sets that are kept apart or in order stay so after every single write, in whatever order the writes are made."""

from __future__ import annotations

import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.rehearse.state_judge import StateJudge
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.transition import Transition
from optimizer.rollout.writes.write import Write
from tests.plan.estates import standard_policy
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, World, inventory_of, world

STARTS = {"early": "20:00", "late": "23:00", "night": "02:00", "dawn": "05:00"}
POLICIES = [standard_policy(name, start) for name, start in STARTS.items()]
A_FIRST = Rule(name="a first", order=("a", "b"))
KEEP = PolicyLimits(edit=False)


def given(places: dict[str, str], targets: dict[str, str], *rules: Rule, limits: PolicyLimits = KEEP) -> World:
    """VMs by policy, and the starts that they are to get."""
    return world(POLICIES, places, targets, Rules(rule=rules, policies=limits), **dict.fromkeys(places, "shop"))


def writes_by_vm(found: World) -> dict[str, Write]:
    """The writes, by the VMs that they move."""
    return {",".join(vm.rpartition("/")[2] for vm in write.vms): write for write in found.writes()}


def test_who_comes_first_moves_last_where_both_go_later() -> None:
    """The first of two would run into the second: it waits for that one, the rule and the VM in the way are named."""
    found = given({"a": "early", "b": "late"}, {"a": "23:00", "b": "02:00"}, A_FIRST)
    assert [write.name for write in found.writes()] == ["b", "a"]
    writes, state = writes_by_vm(found), Transition(found.inventory, found.rules)
    (obstacle,) = state.obstacles(writes["a"])
    assert obstacle.text == "rule 'a first' would be broken: b at 23:00"
    assert state.blockers(writes["b"]) == ()
    assert obstacle.key in state.make(writes["b"])
    assert state.blockers(writes["a"]) == ()


def test_the_roll_out_finds_the_order_of_writes() -> None:
    """Four tiers that all go later are moved from the last to the first, and the judge is silent after each."""
    rule = Rule(name="tiers", order=("a", "b", "c"))
    found = given({"a": "early", "b": "late", "c": "night"}, {"a": "23:00", "b": "02:00", "c": "05:00"}, rule)
    rollout = build_rollout(found.writes(), Baseline(found.inventory, found.rules), now=NOW)
    assert [one.write.name for one in rollout.writes] == ["c", "b", "a"]
    judge = StateJudge(found.inventory, found.rules)
    assert [judge.faults(inventory_of(document)) for document in found.states(rollout.writes)] == [[], [], []]


def test_a_half_way_state_that_breaks_an_order_is_a_fault() -> None:
    """The judge, who knows nothing of the order of writes, finds what the transition refuses."""
    found = given({"a": "early", "b": "late"}, {"a": "23:00", "b": "02:00"}, A_FIRST)
    moves_b, moves_a = found.plan().changes
    bad, good = (inventory_of(apply_in_memory(found.document, [change])) for change in (moves_a, moves_b))
    assert StateJudge(found.inventory, found.rules).faults(bad)[0].endswith("against 'order'")
    assert StateJudge(found.inventory, found.rules).faults(good) == []


@pytest.mark.parametrize("first", ["a", "b"])
def test_what_today_breaks_may_stay_broken_until_both_have_moved(first: str) -> None:
    """Two VMs in the wrong order change places, whichever is written first."""
    found = given({"a": "late", "b": "early"}, {"a": "20:00", "b": "23:00"}, A_FIRST)
    writes, state = writes_by_vm(found), Transition(found.inventory, found.rules)
    for vm in (first, {"a": "b", "b": "a"}[first]):
        assert state.blockers(writes[vm]) == ()
        state.make(writes[vm])


def test_what_today_breaks_is_no_license_for_others() -> None:
    """One pair in the wrong order does not let a third VM break the same rule."""
    rule = Rule(name="a first", order=("a", "*"))
    found = given({"a": "late", "b": "early", "c": "night"}, {"c": "23:00"}, rule)
    (text,) = Transition(found.inventory, found.rules).blockers(writes_by_vm(found)["c"])
    assert text == "rule 'a first' would be broken: a at 23:00"


def test_an_edit_that_meets_another_set_waits_until_that_has_left() -> None:
    """All VMs of a policy go at once: those of one set may be together, one of another set may not be there."""
    rule = Rule(name="apart", separate=(Selector(name="c"), Selector(name="*")))
    limits = PolicyLimits(max_policies_per_vault=4)
    targets = {"a": "23:30", "b": "23:30", "c": "02:00"}
    found = given({"a": "early", "b": "early", "c": "late"}, targets, rule, limits=limits)
    move, edit = found.writes()
    assert (move.kind, edit.kind) == ("reassign_item", "edit_policy")
    state = Transition(found.inventory, found.rules)
    assert state.blockers(edit) == ("rule 'apart' would be broken: c at 23:00",)
    state.make(move)
    assert state.blockers(edit) == ()


def test_separate_true_holds_on_the_way() -> None:
    """Nobody comes while another is there; who is in the way is said by rule and half hour."""
    rule = Rule(name="alone", separate=True)
    found = given({"a": "early", "b": "late"}, {"a": "23:00", "b": "02:00"}, rule)
    writes, state = writes_by_vm(found), Transition(found.inventory, found.rules)
    assert state.blockers(writes["a"]) == (
        "rule 'alone' keeps windows separate, and there is one at Monday 00:00 UTC already",
    )
    state.make(writes["b"])
    assert state.blockers(writes["a"]) == ()
    bad = inventory_of(apply_in_memory(found.document, [found.plan().changes[-1]]))
    assert "rule 'alone': 2 windows overlap; the limit is 1" in StateJudge(found.inventory, found.rules).faults(bad)


def test_vaults_under_one_order_are_written_one_after_the_other() -> None:
    """A write in one vault waits for one in another, so that both are laid out in one lane."""
    places = {"a": "early", "b": "other"}
    policies = [*POLICIES, standard_policy("other", "23:00", vault=SECOND_VAULT)]
    found = world(policies, places, {"a": "23:00", "b": "02:00"}, Rules(rule=(A_FIRST,), policies=KEEP))
    rollout = build_rollout(found.writes(), Baseline(found.inventory, found.rules), now=NOW)
    assert rollout.blocked == ()
    moves = [one for one in rollout.writes if one.write.kind == "reassign_item"]
    assert [one.write.name for one in moves] == ["b", "a"]
    assert len({one.lane for one in moves}) == 1


def test_a_rollback_may_go_back_to_a_wrong_order() -> None:
    """What was out of order before the plan is tolerated on the way back to it, and only then."""
    found = given({"a": "late", "b": "early"}, {"a": "20:00", "b": "23:00"}, A_FIRST)
    after = inventory_of(apply_in_memory(found.document, found.plan().changes))
    back = given({"a": "early", "b": "late"}, {"a": "23:00", "b": "20:00"}, A_FIRST)
    (text,) = Transition(after, found.rules).blockers(writes_by_vm(back)["a"])
    assert text == "rule 'a first' would be broken: b at 23:00"
    assert Transition(after, found.rules, tolerated=found.inventory).blockers(writes_by_vm(back)["a"]) == ()

"""Whatever ``--max-moves``, ``--only`` and ``--wave`` ask for is kept exactly, and the part can be carried out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from optimizer.errors import ApplyError
from optimizer.journal import DoneRecord
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.prepare.pilot import choose_pilot
from optimizer.rollout.prepare.selection import Selection, select_writes
from optimizer.rollout.prepare.vm_filter import VmFilter, is_meant, parse_filter
from optimizer.rollout.rehearse.state_judge import StateJudge
from optimizer.rollout.writes.admission import is_in_order
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.transition import Transition
from optimizer.rollout.writes.undo import estate_after, rollback_writes
from optimizer.rollout.writes.write import Write
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import Ready
from tests.rollout.random_worlds import random_ready
from tests.rollout.small_rollouts import NOW, inventory_of, world

SEEDS = range(24)
SCOPES: dict[str, tuple[str, ...]] = {
    "all": (),
    "a vault": ("vault=rsv-one",),
    "a service": ("service=shop",),
    "some VMs": ("vm=*vm0", "vm=*vm1"),
    "a service of a vault": ("service=shop", "vault=rsv-two"),
}


def moved(writes: Sequence[Write]) -> set[str]:
    return {vm.lower() for write in writes for vm in write.vms}


def select(ready: Ready, only: Sequence[VmFilter] = (), **options: object) -> Selection:
    return select_writes(ready.writes, ready.plan, ready.baseline, only=only, **options)  # type: ignore[arg-type]


def faults_on_the_way(ready: Ready, writes: Sequence[Write]) -> list[str]:
    """What a judge that shares no code with the selection finds wrong after any of the writes."""
    judge = StateJudge(ready.inventory, ready.plan.rules)
    made: set[int] = set()
    found = []
    for write in writes:
        made.add(write.number)
        state = estate_after(ready.plan, ready.document, made)
        found += [f"after write {write.number}: {fault}" for fault in judge.faults(inventory_of(state))]
        target = write.policy_after.lower()
        if write.kind == "reassign_item" and target not in {str(p["id"]).lower() for p in state.policies}:
            found.append(f"write {write.number}: its policy is not there")
    return found


def can_all_be_made(ready: Ready, writes: Sequence[Write]) -> bool:
    """Whether a set of writes can be made in any order at all, tried by brute force."""
    state = Transition(ready.inventory, ready.plan.rules)
    left = list(writes)
    while left:
        free = [write for write in left if not state.obstacles(write)]
        if not free:
            return False
        state.make(free[0])
        left.remove(free[0])
    return True


@pytest.mark.parametrize("scope", SCOPES)
def test_a_part_keeps_its_limits_and_can_be_carried_out(scope: str) -> None:
    """No more VMs move than allowed, none outside the selection, and no state on the way breaks a limit or a rule."""
    only = [parse_filter(text) for text in SCOPES[scope]]
    chosen_parts = 0
    for seed in SEEDS:
        ready = random_ready(seed)
        inside = {
            vm_id
            for vm_id, vm in ready.inventory.vms.items()
            for item in ready.inventory.items
            if item.vm_id.lower() == vm_id
            and all(
                any(one.matches(vm, ready.inventory.vault(item)) for one in only if one.kind == kind)
                for kind in {one.kind for one in only}
            )
        }
        for cap in (1, 3):
            try:
                part = select(ready, only, max_moves=cap)
            except ApplyError:
                continue
            chosen_parts += 1
            assert 0 < len(moved(part.writes)) <= cap
            assert moved(part.writes) <= inside
            assert faults_on_the_way(ready, part.writes) == []
    assert chosen_parts > 15


def test_a_part_is_laid_out_whole() -> None:
    """The calendar finds a time for every write of a part: nothing that others stand in the way of is selected."""
    for seed in SEEDS:
        ready = random_ready(seed)
        try:
            part = select(ready, max_moves=3)
        except ApplyError:
            continue
        rollout = build_rollout(part.writes, ready.baseline, now=NOW)
        assert not [one.reason for one in rollout.blocked if "h between" not in one.reason], seed


def test_a_refusal_says_what_it_would_take() -> None:
    """The number in the message is enough, and one less is not."""
    refused = 0
    for seed in SEEDS:
        ready = random_ready(seed)
        try:
            select(ready, max_moves=1)
        except ApplyError as exc:
            found = re.search(r"the smallest part .* moves (\d+) VMs; use --max-moves (\d+) or more", str(exc))
            if found is None:
                continue
            refused += 1
            enough = int(found[2])
            assert len(moved(select(ready, max_moves=enough).writes)) == enough
            with pytest.raises(ApplyError):
                select(ready, max_moves=enough - 1)
    assert refused


def test_a_part_of_the_way_back_can_be_carried_out() -> None:
    """Whatever part of a plan was made, any part of it can be taken back by itself, within the limits."""
    parts = 0
    for seed in SEEDS:
        ready = random_ready(seed)
        try:
            made = [write.number for write in select(ready, max_moves=5).writes]
        except ApplyError:
            continue
        records = [DoneRecord(number=number, at=NOW, how="written", after=None) for number in made]
        back = rollback_writes(records, ready.writes, delete_created=True)
        after = inventory_of(estate_after(ready.plan, ready.document, made))
        baseline = Baseline(after, ready.plan.rules, ready.inventory)
        assert is_in_order(back, back, baseline), seed
        for text in ("vault=rsv-one", "service=data", "vm=*vm0"):
            only = [parse_filter(text)]
            try:
                part = select_writes(back, ready.plan, baseline, only=only)
            except ApplyError:
                continue
            parts += 1
            assert is_in_order(part.writes, back, baseline), (seed, text)
            assert all(is_meant(write, after, only) for write in part.writes if write.vms)
    assert parts > 10


@pytest.mark.parametrize("share", [1, 10, 30, 55, 90])
def test_a_pilot_is_never_larger_than_its_share(share: int) -> None:
    """At most its share moves first, or one VM, and the writes for it need no other VM."""
    chosen = 0
    for seed in SEEDS:
        ready = random_ready(seed)
        writes = [write for write in ready.writes if write.vms]
        if not writes:
            continue
        most = max(1, sum(len(write.vms) for write in writes) * share // 100)
        try:
            pilot = choose_pilot(ready.writes, ready.baseline, share)
        except ApplyError:
            continue
        chosen += 1
        assert 0 < len(pilot) <= most
        first = [write for write in ready.writes if set(write.vms) & pilot]
        needed = {number for write in first for number in write.needs}
        first += [write for write in ready.writes if write.number in needed and write not in first]
        assert moved(first) == {vm.lower() for vm in pilot}
        assert can_all_be_made(ready, sorted(first, key=lambda write: write.number))
        rollout = build_rollout(ready.writes, ready.baseline, now=NOW, limits=RolloutLimits(pilot=pilot))
        assert moved([one.write for one in rollout.writes if one.wave == 1]) <= {vm.lower() for vm in pilot}
    assert chosen > 10


def test_a_pilot_that_is_too_small_is_refused_with_the_share_that_is_enough() -> None:
    """The share in the message is enough for the smallest pilot; for an edit of all VMs there is none."""
    refused = 0
    for seed in SEEDS:
        ready = random_ready(seed)
        try:
            choose_pilot(ready.writes, ready.baseline, 1)
        except ApplyError as exc:
            found = re.search(r"use --wave (\d+) or more", str(exc))
            if found is not None:
                refused += 1
                assert choose_pilot(ready.writes, ready.baseline, int(found[1]))
    assert refused
    whole = edited_policy()
    with pytest.raises(ApplyError, match="3 of the 3 VMs; leave out --wave"):
        choose_pilot(whole.writes, whole.baseline, 50)


FULL = PolicyLimits(max_vms_per_policy=2, max_policies_per_vault=2, edit=False)


def full_swap() -> Ready:
    """A VM goes to a full policy, which another VM has to leave first."""
    policies = [standard_policy("one", "22:00", items=2), standard_policy("two", "02:00", items=1)]
    places = {"a": "one", "b": "one", "c": "two"}
    return ready_of(world(policies, places, {"a": "02:00", "c": "22:00"}, Rules(policies=FULL)))


def edited_policy() -> Ready:
    """A policy of three VMs that is edited, because no other policy may be created."""
    policies = [standard_policy("one", "22:00", items=3)]
    limits = PolicyLimits(max_policies_per_vault=1)
    places = dict.fromkeys("abc", "one")
    return ready_of(world(policies, places, dict.fromkeys("abc", "02:00"), Rules(policies=limits)))


def test_an_edited_policy_counts_with_all_its_vms() -> None:
    """Where only a policy of three VMs can be edited, two moves are refused with the number that is needed."""
    ready = edited_policy()
    assert [write.kind for write in ready.writes] == ["edit_policy"]
    with pytest.raises(ApplyError, match="the smallest part that can be carried out moves 3 VMs; use --max-moves 3"):
        select(ready, max_moves=2)
    assert len(moved(select(ready, max_moves=3).writes)) == 3


def test_an_edited_policy_is_not_edited_for_some_of_its_vms() -> None:
    """With one of three VMs selected the policy is left alone, and the message says how many it is edited for."""
    with pytest.raises(ApplyError, match="policy one is edited for all its 3 VMs, but only 1 is selected"):
        select(edited_policy(), [parse_filter("vm=a")])


def test_a_vm_that_waits_for_another_is_refused_with_the_other() -> None:
    """The message names the full policy and the VM that has to leave it first."""
    ready = full_swap()
    movers = {write.name: write for write in ready.writes if write.vms}
    state = Transition(ready.inventory, ready.plan.rules)
    (waiting,) = [name for name, write in movers.items() if state.obstacles(write)]
    (other,) = movers.keys() - {waiting}
    with pytest.raises(ApplyError, match=f"{waiting}: policy .* is full.*; the plan first moves {other}"):
        select(ready, [parse_filter(f"vm={waiting}")])
    assert moved(select(ready, [parse_filter("vm=*")]).writes) == moved(ready.writes)


def test_a_vm_that_goes_to_an_edited_policy_brings_no_others_along() -> None:
    """An edit of two VMs that a third needs is counted before, and is not made for the third alone."""
    policies = [standard_policy("one", "22:00", items=2), standard_policy("two", "20:00", items=1)]
    places = {"a": "one", "b": "one", "c": "two"}
    limits = PolicyLimits(max_policies_per_vault=2, max_vms_per_policy=3)
    ready = ready_of(world(policies, places, dict.fromkeys("abc", "02:00"), Rules(policies=limits)))
    assert [(write.name, len(write.vms)) for write in ready.writes] == [("one", 2), ("c", 1)]
    assert [len(moved(select(ready, max_moves=cap).writes)) for cap in (2, 3)] == [2, 3]
    with pytest.raises(ApplyError, match="c: policy 'one' must be edited first; the plan first moves a, b; add"):
        select(ready, [parse_filter("vm=c")])


def test_earlier_runs_count_toward_the_maximum() -> None:
    """What the journal shows as moved is part of the number, and stays part of the run."""
    ready = random_ready(3)
    first = select(ready, max_moves=2)
    done = {write.number for write in first.writes}
    again = select(ready, max_moves=2, made=done)
    assert {write.number for write in again.writes} == done
    more = select(ready, max_moves=3, made=done)
    assert done < {write.number for write in more.writes}
    assert len(moved(more.writes)) <= 3


def test_what_earlier_runs_moved_elsewhere_is_part_of_the_state() -> None:
    """A resumed run of another selection knows that a policy was filled by the runs before it."""
    policies = [standard_policy("one", "22:00", items=3), standard_policy("two", "02:00", items=1)]
    places = dict.fromkeys("abc", "one") | {"d": "two"}
    limits = PolicyLimits(max_vms_per_policy=3, edit=False)
    ready = ready_of(world(policies, places, {"a": "02:00", "b": "02:00"}, Rules(policies=limits)))
    first, second = [write for write in ready.writes if write.vms]
    part = select(ready, [parse_filter(f"vm={second.name}")], made={first.number})
    assert [write.number for write in part.writes] == [first.number, second.number]
    assert part.earlier == {first.number}

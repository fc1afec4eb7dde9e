"""From a schedule to changes and back: the fewest writes, limits kept at each step, names that Azure takes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_document import CreatePolicy, EditPolicy, ReassignItem
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.inventory import Inventory
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.timegrid import NUM_OPTIONS, format_start, parse_start
from optimizer.plan.make.diff import Diff, derive_changes
from optimizer.ports import Resource
from optimizer.risk.table import RiskTable
from optimizer.solve.problem.build import build_instance
from optimizer.solve.problem.cost import count_edits, policy_counts, policy_writes
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.restrict import restrict_options
from tests.plan.estates import VAULT, item, policy_id, sql_policy, standard_policy

STARTS = (2, 9, 10, 47)


@dataclass(frozen=True)
class Task:
    """An estate of one vault, and where its items are to go."""

    document: EstateDocument
    rules: Rules
    options: np.ndarray

    @cached_property
    def inventory(self) -> Inventory:
        """What is there today."""
        return inventory_of(self.document)

    @cached_property
    def movable(self) -> np.ndarray:
        """Items that may be written."""
        return np.array([not item.unwritable for item in self.inventory.items], dtype=np.bool_)

    def diff(self) -> Diff:
        """The changes."""
        return derive_changes(self.inventory, self.rules, self.options, self.movable)

    def instance(self) -> Instance:
        """The solver's view of it, all risks equal."""
        inventory, size = self.inventory, len(self.inventory.items)
        table = RiskTable(np.zeros((size, NUM_OPTIONS)), np.zeros(size), np.ones(size), np.ones(size, dtype=np.bool_))
        restrictions = restrict_options(inventory, self.rules, table)
        return build_instance(inventory, table, self.rules, restrictions)


def document_of(policies: list[Resource], items: list[Resource]) -> EstateDocument:
    as_of = datetime(2026, 2, 17, tzinfo=UTC)
    return EstateDocument(
        created_at=as_of,
        as_of=as_of,
        source="azure",
        vaults=({"id": VAULT, "name": "rsv-one"},),
        policies=tuple(policies),
        protected_items=tuple(items),
    )


def inventory_of(document: EstateDocument) -> Inventory:
    return Estate(Path("estate"), document).inventory()


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Two families of twins with up to four policies each, some over the limit, some with items nobody knows."""
    limit = draw(st.integers(1, 4))
    policies, items, options = [], [], {}
    for number in range(draw(st.integers(1, 6))):
        name, start = f"policy-{number}", draw(st.sampled_from(STARTS))
        size = draw(st.integers(0, 5))
        unanimous = draw(st.none() | st.sampled_from(STARTS))
        for place in range(size):
            vm = f"vm-{number}-{place}"
            state = draw(st.sampled_from(["Protected"] * 9 + ["IRPending", "ProtectionStopped"]))
            items.append(item(vm, name, protectionState=state))
            target = unanimous if unanimous is not None else draw(st.sampled_from(STARTS))
            options[vm] = start if state == "IRPending" else target
        reported = draw(st.none() | st.integers(0, 3).map(lambda more, size=size: size + more))
        policies.append(
            standard_policy(name, format_start(start), items=reported, count=draw(st.sampled_from([7, 30])))
        )
    document = document_of(policies, items)
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=limit, edit=draw(st.booleans())))
    chosen = [options[one.vm_id.rpartition("/")[2]] for one in inventory_of(document).items]
    return Task(document, rules, np.array(chosen, dtype=np.int64))


@given(tasks())
def test_the_changes_lead_to_the_schedule(task: Task) -> None:
    """Applied in memory, the changes put every item where the schedule wants it, on a twin, and touch no other."""
    diff = task.diff()
    before, after = task.inventory, inventory_of(apply_in_memory(task.document, diff.changes))
    assert [after.policy(one).start for one in after.items] == task.options.tolist()
    assert tuple(one.policy_id for one in after.items) == diff.policy_ids
    assert tuple(after.policy(one).name for one in after.items) == diff.policy_names
    for old, new in zip(before.items, after.items, strict=True):
        assert before.policy(old).twin_key == after.policy(new).twin_key
        assert not old.unwritable or before.policy(old).start == after.policy(new).start
    assert before.idle_items == after.idle_items
    for one in before.idle_items:
        assert before.policy(one).start == after.policy(one).start


@pytest.mark.thorough
@settings(max_examples=200)
@given(tasks())
def test_as_many_policies_are_written_as_the_solver_pays_for(task: Task) -> None:
    """Creations and edits are what the cost model counts and the detours, and the edits what it expects of them."""
    assume(task.options.size)
    diff, instance = task.diff(), task.instance()
    writes = policy_writes(instance, policy_counts(instance, task.options))
    assert diff.count("create_policy") + diff.count("edit_policy") == writes.sum() + diff.detours
    assert diff.count("edit_policy") == count_edits(instance, task.options).sum()


@settings(max_examples=200)
@given(tasks())
def test_no_policy_overflows_on_the_way(task: Task) -> None:
    """After each single change no policy holds more than the limit, or more than today where that is over it."""
    limit = task.rules.policies.max_vms_per_policy
    inventory = task.inventory
    size = Counter({key: len(rows) + inventory.unknown_items[key] for key, rows in inventory.items_by_policy.items()})
    today = size.copy()
    known, edited = set(size), set()
    to_edit = {change.policy_id.lower() for change in task.diff().changes if isinstance(change, EditPolicy)}
    for change in task.diff().changes:
        key = change.policy_id.lower()
        match change:
            case CreatePolicy():
                assert key not in known
                known.add(key)
            case EditPolicy():
                edited.add(key)
            case ReassignItem():
                assert key in known
                assert key not in to_edit or key in edited
                assert size[key] < limit
                size[key] += 1
                size[change.policy_today_id.lower()] -= 1
    assert all(count <= max(limit, today[key]) for key, count in size.items())


def swap_of_full_policies(**limits: int) -> Task:
    """Two full policies of one VM each, which change places, and a third VM of one of them that stays."""
    policies = [standard_policy("one", "01:00"), standard_policy("two", "05:00")]
    items = [item("a", "one"), item("b", "one"), item("c", "two"), item("d", "two")]
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=2, **limits))
    return Task(document_of(policies, items), rules, np.array([10, 2, 2, 10]))


def test_full_policies_exchange_items_by_a_detour() -> None:
    """One item goes to one more twin at its new start, which is counted; nothing else is created."""
    diff = swap_of_full_policies().diff()
    assert [(change.kind, change.policy) for change in diff.changes] == [
        ("create_policy", "one-0500"),
        ("reassign_item", "one-0500"),
        ("reassign_item", "one"),
    ]
    assert diff.detours == 1


def test_a_detour_uses_a_policy_that_has_room() -> None:
    """A twin at the same start that has room takes the item: nothing is created."""
    policies = [standard_policy(name, start) for name, start in (("one", "01:00"), ("two", "05:00"), ("x", "05:00"))]
    items = [item("a", "one"), item("b", "one"), item("c", "two"), item("d", "two")]
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=2))
    diff = Task(document_of(policies, items), rules, np.array([10, 2, 2, 10])).diff()
    assert [(change.kind, change.policy) for change in diff.changes] == [
        ("reassign_item", "x"),
        ("reassign_item", "one"),
    ]
    assert diff.detours == 0
    assert diff.policy_names == ("x", "one", "one", "two")


def test_no_detour_where_the_vault_is_full() -> None:
    """Where no policy may be created the ring stays as it is: what cannot be done is for the roll-out to say."""
    diff = swap_of_full_policies(max_policies_per_vault=2).diff()
    assert [change.kind for change in diff.changes] == ["reassign_item", "reassign_item"]
    assert diff.detours == 0


def test_leavers_go_first_where_windows_are_capped() -> None:
    """An arrival at a half hour that is full waits until the VM that makes room has left."""
    policies = [standard_policy("one", "01:00"), standard_policy("two", "05:00"), standard_policy("three", "12:00")]
    items = [item("a", "one"), item("b", "two"), item("c", "three")]
    cap = Rule(name="one at a time", max_concurrent=1, per="vault")
    rules = Rules(policies=PolicyLimits(edit=False), rule=(cap,))
    diff = Task(document_of(policies, items), rules, np.array([10, 24, 34])).diff()
    assert [change.vm.rpartition("/")[2] for change in diff.changes if isinstance(change, ReassignItem)] == [*"cba"]


@given(tasks())
def test_only_policies_whose_items_all_go_are_edited(task: Task) -> None:
    """An edited policy has no item that stays, is unknown or must not be written; rules may forbid all edits."""
    inventory = task.inventory
    for change in task.diff().changes:
        if isinstance(change, EditPolicy):
            rows = list(inventory.items_by_policy[change.policy_id.lower()])
            assert task.rules.policies.edit
            assert inventory.unknown_items[change.policy_id.lower()] == 0
            assert task.movable[rows].all()
            assert {format_start(option) for option in task.options[rows].tolist()} == {change.start}
            assert change.start != change.start_today


@given(tasks())
def test_nothing_is_written_without_need(task: Task) -> None:
    """No change where everything stays; an item is reassigned only off a policy that is at another time."""
    today = np.array([task.inventory.policy(one).start for one in task.inventory.items], dtype=np.int64)
    assert Task(task.document, task.rules, today).diff().changes == ()
    start = {policy.id: format_start(policy.start) for policy in task.inventory.policies.values()}
    start |= {change.policy_id: change.start for change in task.diff().changes if not isinstance(change, ReassignItem)}
    for change in task.diff().changes:
        if isinstance(change, ReassignItem):
            assert change.policy_id
            assert change.policy_id.startswith(f"{change.vault_id}/backupPolicies/")
            assert start[change.policy_today_id] != start[change.policy_id]


def test_an_edit_that_saves_a_creation_is_preferred() -> None:
    """A policy all of whose items go to one new time is edited; where edits are not allowed a twin is made."""
    document = document_of(
        [standard_policy("nightly", "23:00", items=2)], [item("a", "nightly"), item("b", "nightly")]
    )
    edited = Task(document, Rules(), np.array([9, 9])).diff()
    assert [(change.kind, change.policy) for change in edited.changes] == [("edit_policy", "nightly")]
    created = Task(document, Rules(policies=PolicyLimits(edit=False)), np.array([9, 9])).diff()
    assert [change.kind for change in created.changes] == ["create_policy", "reassign_item", "reassign_item"]


def test_the_solver_counts_the_edits_that_are_made() -> None:
    """Where not every edit can be made, the same ones count in the solver as in the changes: the largest first."""
    limit = 3
    policies = [
        standard_policy("d", "10:00"),
        standard_policy("a-small", "01:00"),
        standard_policy("a-large", "01:00"),
        standard_policy("x", "14:00"),
    ]
    # The larger policy of 01:00 takes the one edit to 05:00; then 01:00 cannot spare the smaller one as well.
    places = [("d", 10), ("a-small", 12), ("a-large", 10), ("a-large", 10), ("x", 2), ("x", 28)]
    items = [item(f"{number}", policy) for number, (policy, _) in enumerate(places)]
    options = np.array([option for _, option in places])
    task = Task(document_of(policies, items), Rules(policies=PolicyLimits(max_vms_per_policy=limit)), options)
    assert task.diff().count("edit_policy") == count_edits(task.instance(), options).sum()


@st.composite
def crowded_tasks(draw: st.DrawFn) -> Task:
    """A vault in which one policy holds more than the 100 VMs of a new one, its limit left to the estate."""
    sizes = {"huge": draw(st.integers(101, 180)), "mid": draw(st.integers(0, 110)), "tiny": draw(st.integers(0, 3))}
    strangers = draw(st.sampled_from([0, 0, 7]))
    policies = [
        standard_policy("huge", "01:00", items=sizes["huge"] + strangers),
        standard_policy("mid", "04:30"),
        standard_policy("tiny", "05:00"),
    ]
    items = [item(f"{name}-{number:03}", name) for name, size in sizes.items() for number in range(size)]
    today = {"huge": 2, "mid": 9, "tiny": 10}
    shares = {name: draw(st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 1, 1), (0, 1, 2)])) for name in sizes}
    draws = np.random.default_rng(draw(st.integers(0, 2**16)))
    options = []
    for name, size in sizes.items():
        share = np.array(shares[name]) / sum(shares[name])
        options += draws.choice([today[name], 9, 47], size, p=share).tolist()
    rules = Rules(policies=PolicyLimits(edit=draw(st.booleans())))
    document = document_of(policies, items)
    names = (str(one["properties"]["sourceResourceId"]).rpartition("/")[2] for one in items)
    by_name = dict(zip(names, options, strict=True))
    chosen = [by_name[one.vm_id.rpartition("/")[2]] for one in inventory_of(document).items]
    return Task(document, rules, np.array(chosen, dtype=np.int64))


@pytest.mark.thorough
@settings(max_examples=40)
@given(crowded_tasks())
def test_new_policies_stay_small_where_one_of_today_is_large(task: Task) -> None:
    """Policies of today fill up to the largest one, new and edited ones to 100; the solver counts the same writes."""
    largest = max(task.inventory.policy_sizes.values())
    diff, instance = task.diff(), task.instance()
    writes = policy_writes(instance, policy_counts(instance, task.options))
    assert diff.count("create_policy") + diff.count("edit_policy") == writes.sum() + diff.detours
    assert diff.count("edit_policy") == count_edits(instance, task.options).sum()
    after = inventory_of(apply_in_memory(task.document, diff.changes))
    assert [after.policy(one).start for one in after.items] == task.options.tolist()
    for key, size in after.policy_sizes.items():
        of_today = key in task.inventory.policies and after.policies[key].start == task.inventory.policies[key].start
        assert size <= (largest if of_today else 100)


def test_a_policy_of_300_vms_takes_more() -> None:
    """A policy that holds 300 VMs is not over its limit: a twin at its start takes the VMs that come to it."""
    policies = [standard_policy("huge", "01:00"), standard_policy("busy", "04:30"), standard_policy("twin", "01:00")]
    items = [item(f"{number:03}", "huge") for number in range(300)]
    items += [item(f"x{number:03}", "busy") for number in range(150)]
    task = Task(document_of(policies, items), Rules(), np.array([2] * 450))
    diff = task.diff()
    assert diff.count("create_policy") == 0
    assert set(diff.policy_names[300:]) == {"twin"}


@pytest.mark.parametrize("name", ["DefaultPolicy", "enhancedpolicy"])
def test_a_default_policy_is_cloned_and_never_edited(name: str) -> None:
    """All VMs of Azure's own policy go to a new twin; of any other policy the time would be edited."""
    items = [item("a", name), item("b", name)]
    for policy, kinds in (
        (name, ["create_policy", "reassign_item", "reassign_item"]),
        ("other", ["edit_policy"]),
    ):
        named = [{**one, "properties": {**one["properties"], "policyId": policy_id(policy)}} for one in items]
        task = Task(document_of([standard_policy(policy, "01:00")], named), Rules(), np.array([9, 9]))
        assert [change.kind for change in task.diff().changes] == kinds
        assert [one.editable for one in task.instance().policies] == [policy == "other"]


def test_arrivals_wait_for_room_that_an_edit_makes() -> None:
    """A full policy takes a newcomer only after one of its own has gone on to an edited policy."""
    policies = [standard_policy("one", "01:00"), standard_policy("two", "05:00"), standard_policy("three", "23:00")]
    items = [item("a", "one"), item("b", "one"), item("c", "two"), item("d", "three"), item("e", "three")]
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=2))
    # c edits "two" to 23:30 and b joins it; d takes b's place, e goes to a policy of its own.
    task = Task(document_of(policies, items), rules, np.array([2, 47, 47, 2, 46]))
    kinds = [(change.kind, change.policy) for change in task.diff().changes]
    assert kinds == [("edit_policy", "two"), ("reassign_item", "two"), ("reassign_item", "one")]


def properties_but_time(properties: dict[str, object]) -> str:
    kept = {key: value for key, value in properties.items() if key != "protectedItemsCount"}
    return re.sub(r"T\d\d:\d\d:", "T--:--:", repr(kept))


@given(tasks())
def test_the_body_of_a_policy_is_its_twins_but_for_the_time(task: Task) -> None:
    """A created or edited policy differs from its model in times of day and nothing else."""
    properties = {str(one["name"]): one["properties"] for one in task.document.policies}
    for change in task.diff().changes:
        if not isinstance(change, ReassignItem):
            model = change.twin_of if isinstance(change, CreatePolicy) else change.policy
            assert properties_but_time(change.properties) == properties_but_time(properties[model])
            text = repr(change.properties)
            assert set(re.findall(r"T(\d\d:\d\d):", text)) == {change.start}


def test_a_clash_is_numbered_even_with_a_policy_of_another_workload() -> None:
    """A name that an SQL policy of the vault has is not taken from it."""
    policies = [standard_policy("nightly", "23:00"), sql_policy("Nightly-0430"), sql_policy("nightly-0430-2")]
    task = Task(document_of(policies, [item("a", "nightly"), item("b", "nightly")]), Rules(), np.array([9, 46]))
    reserved = [str(policy["id"]) for policy in policies]
    diff = derive_changes(task.inventory, task.rules, task.options, task.movable, reserved)
    assert [change.policy for change in diff.changes] == ["nightly-0430-3", "nightly-0430-3"]


@pytest.mark.parametrize("edit", [True, False])
def test_names_do_not_grow_month_by_month(edit: bool) -> None:
    """After fifty plans with edits and creations, no name has more than two times in it."""
    random = np.random.default_rng(3)
    vms = [f"vm-{number}" for number in range(6)]
    document = document_of([standard_policy("daily-2300", "23:00")], [item(vm, "daily-2300") for vm in vms])
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=4, edit=edit))
    for _ in range(50):
        options = random.choice(STARTS, len(vms)) if random.random() < 0.7 else np.full(len(vms), parse_start("12:30"))
        document = apply_in_memory(document, Task(document, rules, options).diff().changes)
    assert max(len(str(policy["name"])) for policy in document.policies) <= len("daily-2300-0430-10")


def named_task(limits: PolicyLimits) -> Task:
    """A policy whose name states 23:00, and whose two VMs both go to 04:30."""
    policy, items = standard_policy("daily-2300", "23:00", items=2), [item(vm, "daily-2300") for vm in ("a", "b")]
    document = document_of([policy], items)
    return Task(document, Rules(policies=limits), np.array([9, 9]))


def test_a_policy_whose_name_would_be_wrong_is_cloned_where_the_rules_say_so() -> None:
    """With ``clone_misnamed``, a twin with the right name takes the VMs; otherwise the policy is edited."""
    cloned = named_task(PolicyLimits(clone_misnamed=True)).diff()
    assert [(change.kind, change.policy) for change in cloned.changes] == [
        ("create_policy", "daily-0430"),
        ("reassign_item", "daily-0430"),
        ("reassign_item", "daily-0430"),
    ]
    edited = named_task(PolicyLimits()).diff()
    assert [(change.kind, change.policy) for change in edited.changes] == [("edit_policy", "daily-2300")]


def test_a_policy_is_edited_where_its_vault_has_no_place_for_a_clone() -> None:
    """``clone_misnamed`` never takes a place that the vault does not have."""
    diff = named_task(PolicyLimits(clone_misnamed=True, max_policies_per_vault=1)).diff()
    assert [change.kind for change in diff.changes] == ["edit_policy"]


@given(tasks())
def test_clones_lead_to_the_same_schedule_with_as_many_writes(task: Task) -> None:
    """With ``clone_misnamed``, as many policies are written as without it, for the same schedule within the limits."""
    policies = [{**one, "name": f"daily-{_time_of(one)}-{n}", "id": policy_id(f"daily-{_time_of(one)}-{n}")}
                for n, one in enumerate(task.document.policies)]  # fmt: skip
    new_ids = {str(old["id"]): str(new["id"]) for old, new in zip(task.document.policies, policies, strict=True)}
    items = [
        {**one, "properties": {**one["properties"], "policyId": new_ids[str(one["properties"]["policyId"])]}}
        for one in task.document.protected_items
    ]
    named = replace(task, document=document_of(policies, items))
    limits = task.rules.policies.model_copy(update={"clone_misnamed": True})
    edited, cloned = named.diff(), replace(named, rules=Rules(policies=limits)).diff()
    assert sum(change.kind != "reassign_item" for change in cloned.changes) == sum(
        change.kind != "reassign_item" for change in edited.changes
    )
    assert not any(isinstance(change, EditPolicy) for change in cloned.changes)
    after = inventory_of(apply_in_memory(named.document, cloned.changes))
    assert [after.policy(one).start for one in after.items] == task.options.tolist()


def _time_of(policy: Resource) -> str:
    return str(policy["properties"]["schedulePolicy"]["scheduleRunTimes"][0])[11:16].replace(":", "")

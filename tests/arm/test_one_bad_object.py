"""One damaged resource costs only itself, wherever raw resources are read."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.emulator.settings import EmulatorSettings
from optimizer.emulator.state import CloudState
from optimizer.errors import DataError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.clock import VirtualClock
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.raw import id_of, properties_of
from optimizer.model.rules import DEFAULT_SERVICE_FROM, Rules
from optimizer.plan import prepare
from optimizer.plan.notes.estate_notes import notes_on_estate
from optimizer.ports import Resource
from optimizer.rollout.carry_out.running_jobs import running_job
from optimizer.rollout.prepare.freshness import compare_with_service
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.rehearse.state_judge import check_items
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.watch.vault_jobs import read_jobs
from optimizer.rollout.writes.states import item_body
from tests.plan.estates import VAULT, hourly_policy, sql_policy, standard_policy
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, weekly_policy, world


def nested(depth: int) -> list[Any]:
    """Build lists within lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


SOUND = world(
    [
        standard_policy("nightly", "23:00", items=3),
        standard_policy("berlin", "22:00", items=2, zone="W. Europe Standard Time"),
        weekly_policy("sundays", "21:00", ["Sunday"], items=1),
        hourly_policy("every-four", "08:00", 2),
        standard_policy("other", "20:00", items=2, vault=SECOND_VAULT),
        sql_policy("sql"),
    ],
    {"a": "nightly", "b": "nightly", "c": "nightly", "d": "berlin", "e": "berlin", "f": "sundays", "g": "every-four"}
    | {"h": "every-four", "i": "other", "j": "other"},
    {"a": "02:00", "d": "04:00", "i": "03:00"},
    Rules(),
    a="shop",
    b="shop",
    d="shop",
)
KINDS = ("vaults", "policies", "protected_items", "vms")
GONE = object()
WRONG = st.sampled_from(
    [
        GONE,
        None,
        0,
        -1,
        7.5,
        True,
        "",
        "x",
        "/subscriptions",
        [],
        [None],
        {},
        {"id": None},
        {"x": {}},
        nested(5),
        nested(300),
    ]
)


def paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def with_value(resource: Resource, path: tuple[Any, ...], value: object) -> Resource:
    """The resource with another value in one place."""
    made: Any = copy.deepcopy(resource)
    place = made
    for key in path[:-1]:
        place = place[key]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Damage:
    """A wrong value in one place of one resource."""

    kind: str
    number: int
    path: tuple[Any, ...]
    value: object

    @property
    def sound(self) -> Resource:
        """The resource as it was."""
        found: Resource = getattr(SOUND.document, self.kind)[self.number]
        return found

    @property
    def document(self) -> EstateDocument:
        """The estate with the damage."""
        resources = list(getattr(SOUND.document, self.kind))
        resources[self.number] = with_value(self.sound, self.path, self.value)
        return SOUND.document.model_copy(update={self.kind: tuple(resources)})


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Any damage of any resource."""
    kind = draw(st.sampled_from(KINDS))
    resources = getattr(SOUND.document, kind)
    number = draw(st.integers(0, len(resources) - 1))
    return Damage(kind, number, draw(st.sampled_from(sorted(paths(resources[number]), key=repr))), draw(WRONG))


def inventory_of(document: EstateDocument) -> Inventory:
    return document.inventory(DEFAULT_SERVICE_FROM)


def concerns(item: ProtectedItem, kind: str, resource: Resource) -> bool:
    """Whether a damaged resource may change what becomes of an item."""
    key = id_of(resource).lower()
    own = {"policies": item.policy_id, "protected_items": item.id, "vms": item.vm_id, "vaults": ""}
    return own[kind].lower() == key


def as_planned(inventory: Inventory, item: ProtectedItem) -> tuple[object, ...]:
    """Everything that a plan asks of an item."""
    return (
        item,
        inventory.vm(item),
        inventory.policy(item),
        inventory.policy(item).properties,
        inventory.vault(item).id,
    )


WHOLE = inventory_of(SOUND.document)


@settings(max_examples=300)
@given(damages())
def test_a_damaged_resource_costs_only_itself(damage: Damage) -> None:
    """Nothing is raised, every other item is planned as before, and what is not planned has a reason."""
    kind, sound, document = damage.kind, damage.sound, damage.document
    found = inventory_of(document)
    others = [item for item in WHOLE.items if not concerns(item, kind, sound)]
    by_id = {item.id: item for item in found.items}
    for item in others:
        assert as_planned(found, by_id[item.id]) == as_planned(WHOLE, item)
    assert all(item.unwritable for item in found.idle_items)
    lost = {item.id for item in WHOLE.items} - {item.id for item in (*found.items, *found.idle_items)}
    if lost and kind == "protected_items" and id_of(sound) not in {id_of(one) for one in document.protected_items}:
        lost = set()  # the damage is to the id: the item is another one, or left out
    workload = [properties_of(one).get("backupManagementType") for one in document.protected_items]
    if lost and not all(one in (None, "AzureIaasVM") or not isinstance(one, str) for one in workload):
        lost = set()  # it reads as an item of another workload
    assert not lost or found.left_out
    assert all(one.what and one.reason for one in found.left_out)
    assert all(notes_on_estate(found))


@pytest.mark.thorough
@settings(max_examples=150)
@given(damages())
def test_damage_stops_no_service_and_no_comparison(damage: Damage) -> None:
    """The emulator serves it for two days, and freshness, gate and watch go on, whichever side is damaged."""
    document = damage.document
    state = CloudState(document, VirtualClock(NOW), settings=EmulatorSettings())
    state.clock.sleep(timedelta(days=2).total_seconds())
    assert state.jobs
    for vault in (VAULT, SECOND_VAULT):
        state.contents.policies_in(vault)
        state.items_of(vault)
        read_jobs(vault, state.jobs, inventory_of(document).job_owners)
    inventory_of(state.snapshot())
    compare_estates(document, state.snapshot())
    writes = SOUND.writes()
    pending = frozenset(write.number for write in writes)
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        for there, here in ((document, SOUND.document), (SOUND.document, document)):
            session = Session(FakeService(there), VirtualClock(document.as_of), ledger)
            compare_with_service(here, writes, session, pending=pending)
    raw = {id_of(one): one for one in document.protected_items}
    for item in inventory_of(document).items:  # what would be written is what is planned
        assert item_body(raw[item.id], "policy")["sourceResourceId"].lower() == item.vm_id.lower()
    assert check_items(document.protected_items, state.snapshot().protected_items) == []
    service = FakeService(SOUND.document)
    service.jobs = state.jobs
    for write in writes:
        running_job(service, inventory_of(document), write)


@given(st.sampled_from(KINDS), st.integers(0, 4))
def test_a_resource_that_comes_twice_counts_once(kind: str, number: int) -> None:
    """Pages of a list may overlap, and files may be given twice."""
    resources = getattr(SOUND.document, kind)
    again = (*resources, resources[number % len(resources)])
    found = inventory_of(SOUND.document.model_copy(update={kind: again}))
    assert (found.items, found.vms, found.policies, found.vaults) == (
        WHOLE.items,
        WHOLE.vms,
        WHOLE.policies,
        WHOLE.vaults,
    )
    assert not found.left_out


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_id_is_listed_with_its_place(kind: str) -> None:
    """The report says which resource it was: by name where it has one, else by its place in the estate."""
    resources = getattr(SOUND.document, kind)
    document = SOUND.document.model_copy(update={kind: ({"name": "nobody"}, {}, *resources)})
    found = inventory_of(document)
    word = {"vaults": "vault", "policies": "policy", "protected_items": "protected item", "vms": "VM"}[kind]
    assert [(one.what, one.reason) for one in found.left_out] == [
        (f"{word} 'nobody'", "it has no id"),
        (f"{word} 2 of the estate", "it has no id"),
    ]
    (note,) = notes_on_estate(found)
    assert note.startswith(f"2 resources of the estate could not be read: {word} 'nobody': it has no id; ")


def test_notes_name_what_is_left_alone() -> None:
    """Items are grouped by reason; what is part of everyday work, such as stopped protection, is no remark."""
    items = list(SOUND.document.protected_items)
    items[0] = with_value(items[0], ("properties", "policyId"), ["x"])
    items[1] = with_value(items[1], ("properties", "protectionState"), "ProtectionStopped")
    items[2] = with_value(items[2], ("properties", "protectionState"), "Dreaming")
    items[3] = with_value(items[3], ("properties", "protectionState"), "ProtectionError")
    found = inventory_of(SOUND.document.model_copy(update={"protected_items": tuple(items)}))
    mend = "; fix its backup in the portal, then read the estate again"
    assert notes_on_estate(found) == [
        "1 VM (c) is left in place: its protection state is 'Dreaming', which this program does not know",
        f"1 VM (d) is left in place: protection reports an error{mend}",
        "1 VM (a) is not planned and not counted: its policyId is not the id of a policy",
    ]


def test_an_estate_of_which_nothing_can_be_planned_is_still_an_estate() -> None:
    """Every policy is damaged: no item is planned, and each has its reason."""
    policies = tuple(with_value(policy, ("properties",), None) for policy in SOUND.document.policies)
    found = Estate(Path("estate"), SOUND.document.model_copy(update={"policies": policies})).inventory()
    assert not found.items
    assert len(found.idle_items) == len(WHOLE.items)
    assert replace(found, idle_items=()).items == ()


UNPLANNED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "zone": ({"timeZone": "Moon Time"}, {}, "its policy cannot be planned: 'Moon Time' is not a time zone"),
    "two times": (
        {"schedulePolicy": {"scheduleRunTimes": ["2019-05-01T23:00:00Z", "2019-05-01T11:00:00Z"]}},
        {},
        "scheduleRunTimes holds 2 times",
    ),
    "no schedule": (
        {"schedulePolicy": None},
        {},
        "this program does not know (schedulePolicyType is missing)",
    ),
    "new kind": ({"schedulePolicy": {"schedulePolicyType": "New"}}, {}, "(schedulePolicyType is 'New')"),
    "workload": ({"backupManagementType": "AzureStorage"}, {}, "(backupManagementType is 'AzureStorage')"),
    "stopped": ({}, {"protectionState": "ProtectionStopped"}, "3 VMs (a, b, c) are not planned and not counted: prot"),
}


@pytest.mark.parametrize("case", UNPLANNED)
def test_an_estate_without_any_planned_vm_says_why(tmp_path: Path, case: str) -> None:
    """The refusal holds the reasons of the VMs, not a guess."""
    policy_change, item_change, said = UNPLANNED[case]
    one = world([standard_policy("nightly", "23:00", items=3)], dict.fromkeys("abc", "nightly"), {}, Rules())
    document = copy.deepcopy(one.document)
    for policy in document.policies:
        kept = policy["properties"]
        for key, value in policy_change.items():
            kept[key] = {**kept[key], **value} if isinstance(value, dict) else value
    for item in document.protected_items:
        item["properties"].update(item_change)
    with pytest.raises(DataError, match="no VM of the estate has a scheduled backup that can be planned; ") as caught:
        prepare(Estate(tmp_path, document), Rules())
    assert said in str(caught.value)

"""Resources are found in whatever JSON a user saved, and everything else is named with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.resource_files.reading import Reading
from optimizer.model.arm_id import ArmId

GROUP = "/subscriptions/s/resourceGroups/rg/providers"
VAULT = f"{GROUP}/Microsoft.RecoveryServices/vaults/one"
VM = f"{GROUP}/Microsoft.Compute/virtualMachines/web"


def read(value: object) -> Reading:
    reading = Reading()
    reading.walk(value, "f.json")
    reading.take_templates()
    return reading


def kept(reading: Reading) -> list[str]:
    return [str(arm_id) for held in reading.found.values() for arm_id in held]


@pytest.mark.parametrize(
    "value",
    [
        {"id": VAULT},
        [{"id": VAULT}],
        [[{"id": VAULT}]],
        {"value": [{"id": VAULT}]},
        {"data": [{"id": VAULT}], "count": 1},
        {"data": {"columns": [{"name": "id"}, {"name": "tags"}], "rows": [[VAULT, None]]}},
        {"data": {"columns": ["id"], "rows": [[VAULT]]}},
        {"vaults": [{"id": VAULT}], "policies": None},
        {"vaults": {"value": [{"id": VAULT}]}},
        [{"vaults": [{"id": VAULT}]}, {"value": []}],
    ],
)
def test_resources_are_found_in_every_wrapping(value: object) -> None:
    """A resource, a list, a page, a table, and an object of lists hold the same resource."""
    reading = read(value)
    assert kept(reading) == [VAULT]
    assert reading.left_out == {}


@pytest.mark.parametrize(
    ("value", "reason", "place"),
    [
        (5, "it is 5, not a resource", "f.json"),
        (None, "it is null, not a resource", "f.json"),
        ([True], "it is true, not a resource", "f.json, element 1"),
        (["x" * 100], f"it is '{'x' * 56}..., not a resource", "f.json, element 1"),
        ({"id": "web"}, "its id is 'web', which is not the ARM id of a resource", "f.json"),
        ({"id": None}, "its id is null, which is not the ARM id of a resource", "f.json"),
        ({"id": VAULT, "tags": []}, "its tags are list; allowed: an object or null", "f.json"),
        ({"name": "a"}, "it has no id, and none of the keys that hold resources, but 'name'", "f.json"),
        ({}, "it has no id, and none of the keys that hold resources, but nothing", "f.json"),
        (
            {"protectedItems": []},
            "it has no id, and none of the keys that hold resources, but 'protectedItems' (did you mean 'protected_",
            "f.json",
        ),
        ({"value": [], "polices": []}, "the key 'polices' is not known (did you mean 'policies'?)", "f.json"),
        ({"value": [], "others": {}}, "the key 'others' is not known", "f.json"),
        ([[[[[[[[1]]]]]]]], "it is nested too deeply to be a list of resources", "f.json" + ", element 1" * 7),
        (
            {"data": {"columns": ["id", "x"], "rows": [[VAULT]]}},
            "it is '/subscriptions/",
            "f.json, row 1, element 1",
        ),
    ],
)
def test_what_is_no_resource_is_left_out_with_its_place(value: object, reason: str, place: str) -> None:
    """Each entry that is not used is recorded under its reason, with the place in the file."""
    ((why, places),) = read(value).left_out.items()
    assert why.startswith(reason)
    assert places == [place]


@pytest.mark.parametrize("known", ["value", "data", "error", "facets", "count"])
def test_keys_of_answers_are_no_surprise(known: str) -> None:
    """Keys that answers have besides the resources are not reported."""
    assert read({"vaults": [], known: []}).left_out == {}


@pytest.mark.parametrize(
    ("more", "is_cut"),
    [
        ({"nextLink": "https://more"}, True),
        ({"nextLink": None}, False),
        ({"$skipToken": "x"}, True),
        ({"skip_token": "x"}, True),
        ({"resultTruncated": "true"}, True),
        ({"resultTruncated": True}, True),
        ({"resultTruncated": "false"}, False),
        ({}, False),
    ],
)
def test_a_page_of_several_is_noticed(more: dict[str, Any], is_cut: bool) -> None:
    """An answer that says that there is more is recorded."""
    assert read({"value": [], **more}).cut == (["f.json"] if is_cut else [])


def test_other_types_are_counted() -> None:
    """Resources of types that plans do not use are counted by type."""
    disk = {"id": f"{GROUP}/Microsoft.Compute/disks/d"}
    reading = read([disk, disk, {"id": f"{GROUP}/Microsoft.Network/networkInterfaces/n"}])
    assert reading.not_used == {"microsoft.compute/disks": 2, "microsoft.network/networkinterfaces": 1}
    assert kept(reading) == []


def test_a_resource_that_occurs_twice() -> None:
    """Copies that agree are counted; copies that differ are a conflict, with both values and places."""
    first, same = {"id": VM, "tags": {"env": "prod"}}, {"id": VM.upper(), "tags": {"env": "PROD"}}
    other = {"id": VM, "tags": {"env": "test"}}
    reading = read([first, same, other])
    assert reading.repeated == 1
    assert reading.conflicts == [f"{VM}: tags.env is 'prod' in f.json, element 1, and 'test' in f.json, element 3"]
    assert reading.found["vms"][ArmId(VM)] == first


def test_templates_are_read_last() -> None:
    """A template finds the group of a vault in a list that comes after it."""
    policy = {"type": "Microsoft.RecoveryServices/vaults/backupPolicies", "name": "one/daily"}
    template = {"contentVersion": "1.0", "resources": [policy, 5]}
    reading = read([{"template": template}, {"id": VAULT}])
    assert kept(reading) == [VAULT, f"{VAULT}/backupPolicies/daily"]
    assert reading.left_out == {"it is not an object": ["f.json, element 1, resource 2"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(VAULT),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "value", "data", "vaults", "columns", "rows", "tags", "template"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_stops_the_reading(value: object) -> None:
    """Whatever a file holds, every entry is kept, counted, or left out with a reason."""
    reading = read(value)
    assert set(kept(reading)) <= {VAULT}
    assert all(reason and places for reason, places in reading.left_out.items())

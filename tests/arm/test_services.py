"""Each VM gets a service from the first source that it has; two places of one name are two services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.arm.services import assign_services
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Vm


def vm(name: str, group: str = "rg", subscription: str = "s", tags: dict[str, str] | None = None, **sets: str) -> Vm:
    vm_id = ArmId(f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/vms/{name}")
    return Vm(
        id=vm_id,
        name=name,
        subscription=vm_id.subscription,
        resource_group=group,
        location="weu",
        tags=tags or {},
        **sets,
    )


def services(
    *vms: Vm, sources: tuple[str, ...] = ("tag:app", "availability_set", "scale_set", "resource_group")
) -> list[str]:
    return list(assign_services(vms, sources).values())


def set_id(name: str, group: str = "rg", subscription: str = "s", kind: str = "availabilitySets") -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{kind}/{name}"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (vm("a", tags={"app": "shop"}, availability_set=set_id("avail")), "shop"),
        (vm("a", tags={"APP": " shop "}), "shop"),
        (vm("a", tags={"app": " "}, availability_set=set_id("avail")), "avail"),
        (vm("a", availability_set=set_id("avail"), scale_set=set_id("scale")), "avail"),
        (vm("a", scale_set=set_id("scale") + "/"), "scale"),
        (vm("a", tags={"other": "x"}), "rg"),
        (vm("a", group=""), "a"),
    ],
)
def test_the_first_source_decides(machine: Vm, expected: str) -> None:
    """A tag, then sets, then the resource group; a VM without any of these is a service of its own."""
    assert services(machine) == [expected]


def test_the_order_of_the_sources_matters() -> None:
    """The rules name the sources in the order of their choice."""
    machine = vm("a", tags={"app": "shop"})
    assert services(machine, sources=("resource_group", "tag:app")) == ["rg"]
    assert services(machine, sources=("tag:none",)) == ["a"]
    assert services(machine, sources=()) == ["a"]


def test_equal_tags_are_one_service_everywhere() -> None:
    """A tag's value means one service in every group and subscription; Azure compares values with their case."""
    tagged = [
        vm("a", tags={"app": "shop"}),
        vm("b", "other", "t", tags={"APP": "shop"}),
        vm("c", tags={"app": "Shop"}),
    ]
    assert services(*tagged) == ["shop", "shop", "Shop"]


def test_groups_of_one_name_are_two_services() -> None:
    """Groups in two subscriptions are told apart by their subscription; one group is one service."""
    found = services(vm("a", "rg", "s"), vm("b", "RG", "s"), vm("c", "rg", "t"))
    assert found[0] == found[1] == "RG (resource group, s)" and found[2] == "rg (resource group, t)"


def test_sets_of_one_name_are_two_services() -> None:
    """Sets in two groups are told apart by their place."""
    found = services(vm("a", availability_set=set_id("web")), vm("b", availability_set=set_id("web", "other")))
    assert found == ["web (availability set, s/rg)", "web (availability set, s/other)"]


def test_a_set_and_a_group_of_one_name_are_two_services() -> None:
    """Different sources never make one service, even if their names are equal."""
    found = services(vm("a", availability_set=set_id("rg")), vm("b"))
    assert found == ["rg (availability set, s/rg)", "rg (resource group, s)"]


def test_a_tag_keeps_its_name_beside_a_group() -> None:
    """A tag means the same everywhere, so that it needs no place."""
    assert services(vm("a", tags={"app": "rg"}), vm("b")) == ["rg", "rg (resource group, s)"]


def test_vms_of_one_name_without_a_source() -> None:
    """VMs that are services of their own are told apart by their ids."""
    found = services(vm("a", "one"), vm("a", "two"), sources=("tag:none",))
    assert [name.startswith("a (VM /subscriptions/s/resourceGroups/") for name in found] == [True, True]
    assert len(set(found)) == 2


def test_an_explicit_service_goes_before_every_source() -> None:
    """A service that the source of the estate states outright counts."""
    machine = vm("a", tags={"app": "shop"})
    assert list(assign_services([machine], ("tag:app",), {ArmId(machine.id.upper()): "billing"}).values()) == [
        "billing"
    ]


@given(
    st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from("xyXY"), st.sampled_from(["", "t", "T"])), max_size=8)
)
def test_vms_share_a_service_exactly_if_their_source_is_equal(places: list[tuple[str, str, str]]) -> None:
    """Two VMs have one service if their tags, or else their groups without regard to case, are equal."""
    vms = [
        vm(f"v{number}", group, subscription, {"app": tag} if tag else {})
        for number, (group, subscription, tag) in enumerate(places)
    ]
    found = assign_services(vms, ("tag:app", "resource_group"))
    keys = [tag or (group.lower(), subscription.lower()) for group, subscription, tag in places]
    names = list(found.values())
    for left in range(len(vms)):
        for right in range(left):
            assert (names[left] == names[right]) == (keys[left] == keys[right])

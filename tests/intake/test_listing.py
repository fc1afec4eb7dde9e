"""Names in a load file: which VM each of them means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from optimizer.intake.listing import Listing, by_name
from optimizer.model.arm_id import ArmId

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def vm(group: str, name: str) -> str:
    return f"/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"


def listing(*vm_ids: str, namesakes: tuple[str, ...] = ()) -> Listing:
    return Listing("resources", (), (), (), (), tuple(map(ArmId, vm_ids)), namesakes=namesakes)


WEB, OTHER_WEB, DB = vm("rg-a", "web"), vm("rg-b", "web"), vm("rg-a", "db")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (WEB, WEB),
        (WEB.upper(), WEB),
        ("rg-a/web", WEB),
        ("RG-B/WEB", OTHER_WEB),
        ("web", None),
        ("db", DB),
        ("DB", DB),
        ("rg-b/db", None),
        ("plain", "plain"),
        ("rg-x/plain", "plain"),
        (vm("rg-x", "web"), None),
        ("none", None),
        ("", None),
    ],
)
def test_a_name_finds_at_most_one_vm(name: str, expected: str | None) -> None:
    """An id, a name with its group, or a name that only one VM has; a group also fits a VM without a group."""
    found = listing(WEB, OTHER_WEB, DB, "plain").find(name)
    assert found == expected
    assert found is None or str(found) == expected, "the spelling is that of the estate"


def test_a_namesake_makes_a_name_ambiguous() -> None:
    """A VM whose load is not read still shares its name, and is not found itself."""
    both = listing(WEB, DB, namesakes=(OTHER_WEB,))
    assert both.find("web") is None
    assert both.find(OTHER_WEB) is None
    assert both.find("rg-a/web") == WEB
    assert both.ambiguous(["web", "db", "none"]) == ["web"]


def test_two_vms_at_one_place_are_ambiguous() -> None:
    """Groups of one name in two subscriptions do not say which VM is meant."""
    elsewhere = WEB.replace("/subscriptions/s/", "/subscriptions/t/")
    assert listing(WEB, elsewhere).find("rg-a/web") is None


def test_names_that_several_resources_have() -> None:
    """Of resources with one name, neither is found by it; case does not matter."""
    names = by_name([{"id": WEB}, {"id": OTHER_WEB.upper()}, {"id": DB}])
    assert {str(name).lower(): found for name, found in names.items()} == {"web": None, "db": DB}


def test_resources_of_an_estate() -> None:
    """The resources are handed on as they are, with the time of the estate."""
    absent = {ArmId(DB): "gone"}
    made = Listing("import", ({"id": "v"},), ({"id": "p"},), ({"id": "i"},), ({"id": "m"},), (), missing_vms=absent)
    resources = made.resources(NOW)
    assert (resources.as_of, resources.source, resources.missing_vms) == (NOW, "import", absent)
    parts = (resources.vaults, resources.policies, resources.protected_items, resources.vms)
    assert parts == (({"id": "v"},), ({"id": "p"},), ({"id": "i"},), ({"id": "m"},))

"""Ids of resources: which texts are ids, of which type, and how ids are put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.arm_ids import is_group_id, is_vm_id, join_id, segment, type_of_id

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/one"

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("arm_id", "expected"),
    [
        (VAULT, "microsoft.recoveryservices/vaults"),
        (VAULT.upper(), "microsoft.recoveryservices/vaults"),
        (f"{VAULT}/backupPolicies/daily", "microsoft.recoveryservices/vaults/backuppolicies"),
        (f"{GROUP}/providers/Microsoft.Compute/virtualMachines/a", "microsoft.compute/virtualmachines"),
        (f"{VAULT}/providers/Microsoft.Authorization/locks/keep", "microsoft.authorization/locks"),
        ("/subscriptions/s/providers/Microsoft.Authorization/locks/keep", "microsoft.authorization/locks"),
        ("/subscriptions/s/providers/Microsoft.Compute/virtualMachines/a", ""),
        (GROUP, ""),
        (f"{VAULT}/backupPolicies", ""),
        (f"{VAULT}/backupPolicies/", ""),
        (f"{GROUP}/providers/", ""),
        (f"{GROUP}/providers//vaults/one", ""),
        ("vm-1", ""),
        ("", ""),
    ],
)
def test_the_type_is_read_from_the_id(arm_id: str, expected: str) -> None:
    """An id has a type if its names and types come in pairs below a resource group; only locks may be above it."""
    assert type_of_id(arm_id) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{GROUP}/providers/Microsoft.Compute/virtualMachines/a", True),
        (f"{GROUP}/providers/microsoft.compute/VIRTUALMACHINES/a", True),
        (f"{GROUP}/providers/Microsoft.Compute/disks/a", False),
        ("a", False),
    ],
)
def test_vm_ids(text: str, expected: bool) -> None:
    """The id of a VM has the type of a VM, in any case."""
    assert is_vm_id(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(GROUP, True), (GROUP.lower(), True), (f"{GROUP}/", False), (VAULT, False), ("/subscriptions/s", False)],
)
def test_group_ids(text: str, expected: bool) -> None:
    """The id of a resource group has a subscription and a group, and nothing else."""
    assert is_group_id(text) is expected


def test_a_name_with_a_slash_stays_one_segment() -> None:
    """A slash in a name is escaped, so that it does not look like the end of a segment."""
    assert segment("rg/vm") == "rg%2Fvm"
    assert segment("vm") == "vm"


def test_an_id_is_joined_from_type_and_names() -> None:
    """Each part of the type after the first is followed by its name."""
    joined = join_id(GROUP, "Microsoft.RecoveryServices/vaults/backupPolicies", ["one", "daily"])
    assert joined == f"{VAULT}/backupPolicies/daily"
    with pytest.raises(ValueError, match="zip"):
        join_id(GROUP, "Microsoft.RecoveryServices/vaults/backupPolicies", ["one"])


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3))
def test_the_type_of_a_joined_id_is_its_type(pairs: list[tuple[str, str]]) -> None:
    """Whatever type and names an id is made of, its type is read back, in lower case."""
    kind = "/".join(["Microsoft.Some", *(kind for kind, _ in pairs)])
    assert type_of_id(join_id(GROUP, kind, [name for _, name in pairs])) == kind.lower()

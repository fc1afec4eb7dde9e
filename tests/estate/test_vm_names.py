"""A VM is found by its id or its name."""

from __future__ import annotations

import pytest

from optimizer.errors import DataError
from optimizer.estate.vm_names import find_vm, names_of, no_such_vm

IDS = ["/subscriptions/s/a/web-1", "/subscriptions/s/b/web-1", "/subscriptions/s/a/db-1", "plain"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("DB-1", IDS[2]), (IDS[0].upper(), IDS[0]), ("Plain", "plain"), ("web", None), ("a/db-1", None), ("", None)],
)
def test_an_id_or_a_whole_name_finds_its_vm(wanted: str, found: str | None) -> None:
    """Case does not matter; a part of a name finds nothing."""
    assert find_vm(wanted, names_of(IDS)) == found


def test_one_vm_spelled_twice_is_no_ambiguity() -> None:
    """Two spellings of one id are one VM."""
    assert find_vm("db-1", names_of([IDS[2], IDS[2].upper()])) == IDS[2].upper()


def test_the_message_lists_at_most_five_vms() -> None:
    """Of many VMs with one name, five ids are listed and the others counted."""
    many = [f"/subscriptions/s/{number:02d}/web" for number in range(12)]
    with pytest.raises(DataError, match=r"'web' is the name of 12 VMs; .*/04/web and 7 more$"):
        find_vm("web", names_of(many))
    assert str(no_such_vm("x", [f"vm-{number:02d}" for number in range(12)])).endswith(
        "the estate contains vm-00, vm-01, vm-02, vm-03, vm-04 and 7 more"
    )

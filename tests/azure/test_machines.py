"""Single VMs that Resource Graph does not list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optimizer.azure.machines import MachineFinder
from optimizer.errors import DataError, ForbiddenError, UncertainError
from tests.azure.wire import SUBSCRIPTION, VM, Answer, Wire, failure


@pytest.fixture
def find(wire: Wire) -> Iterator[MachineFinder]:
    """Return a reader of VMs on the server."""
    with wire.connection.backup(SUBSCRIPTION) as client:
        yield MachineFinder(lambda _: client)


def test_a_vm_is_read_without_its_secrets(wire: Wire, find: MachineFinder) -> None:
    """Accounts and networks are dropped; everything else is kept as it is."""
    properties = {"hardwareProfile": {"vmSize": "x"}, "osProfile": {"adminUsername": "root"}, "networkProfile": {}}
    wire.on("GET", VM, Answer(200, {"id": VM.upper(), "tags": {"a": None}, "properties": properties}))
    kept = {"hardwareProfile": {"vmSize": "x"}}
    assert find(VM) == {"id": VM.upper(), "tags": {"a": None}, "properties": kept}


def test_a_missing_id_is_filled_in(wire: Wire, find: MachineFinder) -> None:
    """An answer without an id belongs to the VM that was asked for."""
    wire.on("GET", VM, Answer(200, {"properties": None}))
    assert find(VM) == {"id": VM, "properties": {}}


def test_a_vm_that_does_not_exist_is_none(find: MachineFinder) -> None:
    """404 means that the VM is gone."""
    assert find(VM) is None


@pytest.mark.parametrize(("answer", "kind"), [(403, ForbiddenError), (501, UncertainError), (202, Exception)])
def test_a_vm_that_cannot_be_read_is_an_error(
    wire: Wire, find: MachineFinder, answer: int, kind: type[Exception]
) -> None:
    """Without the right or with another failure, the VM may exist, so the answer is never None."""
    wire.on("GET", VM, failure(answer, "Code"))
    with pytest.raises(kind, match="read VM 'vm-1'"):
        find(VM)


def test_only_ids_of_vms_are_sent(wire: Wire, find: MachineFinder) -> None:
    """The id becomes a path, so it must have the form of a VM's id."""
    with pytest.raises(DataError):
        find("/subscriptions/x/../y")
    assert wire.requests == []

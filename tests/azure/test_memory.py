"""Memory of VM sizes, read once for each subscription and region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from optimizer.azure.memory import MemorySizes
from tests.azure.wire import SUBSCRIPTION, Answer, Wire, failure

SKUS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus"
GIB = 1024.0**3


def sku(name: str, memory: Any, kind: str = "virtualMachines") -> dict[str, Any]:
    """Return a row of the answer."""
    return {"name": name, "resourceType": kind, "capabilities": [{"name": "MemoryGB", "value": memory}]}


@pytest.fixture
def sizes(wire: Wire) -> Iterator[MemorySizes]:
    """Return sizes that are read from the server."""
    with wire.connection.backup(SUBSCRIPTION) as client:
        yield MemorySizes(lambda _: client)


def test_a_region_is_read_once_with_all_its_pages(wire: Wire, sizes: MemorySizes) -> None:
    """Sizes of every page are known, in any case of their name; the second question sends no request."""
    pages = [
        Answer(200, {"value": [sku("Standard_D2s_v5", "8")], "nextLink": f"{wire.endpoint}{SKUS}?page=2"}),
        Answer(200, {"value": [sku("Standard_E8s_v5", "64")]}),
    ]
    wire.on("GET", SKUS, *pages)
    assert sizes.bytes_of(SUBSCRIPTION, "westeurope", "standard_d2S_v5") == 8 * GIB
    assert sizes.bytes_of(SUBSCRIPTION.upper(), "westeurope", "Standard_E8s_v5") == 64 * GIB
    assert sizes.bytes_of(SUBSCRIPTION, "westeurope", "Standard_X") is None
    assert [request.query.get("$filter") for request in wire.requests] == ["location eq 'westeurope'", None]


@pytest.mark.parametrize(
    "row",
    [
        sku("a", "8", kind="disks"),
        sku("a", "plenty"),
        {**sku("a", "8"), "capabilities": [{"name": "MemoryGB"}]},
        {**sku("a", "8"), "capabilities": None},
        {**sku("a", "8"), "capabilities": [{"name": "vCPUs", "value": "4"}]},
    ],
)
def test_rows_without_a_memory_are_skipped(wire: Wire, sizes: MemorySizes, row: dict[str, Any]) -> None:
    """Disks, and sizes whose memory is missing or not a number, leave the other rows as they are."""
    wire.on("GET", SKUS, Answer(200, {"value": [row, sku("b", "4.5")]}))
    assert sizes.bytes_of(SUBSCRIPTION, "westeurope", "a") is None
    assert sizes.bytes_of(SUBSCRIPTION, "westeurope", "b") == 4.5 * GIB


def test_a_failed_request_is_recorded_once(wire: Wire, sizes: MemorySizes) -> None:
    """The memory is unknown, the reason is kept, and the region is not asked again."""
    wire.on("GET", SKUS, failure(403, "AuthorizationFailed"))
    assert [sizes.bytes_of(SUBSCRIPTION, "westeurope", "a") for _ in range(2)] == [None, None]
    ((what, reason),) = sizes.failures.items()
    assert "westeurope" in what and "AuthorizationFailed" in reason
    assert len(wire.requests) == 1


@pytest.mark.parametrize(("subscription", "region"), [("a/b", "westeurope"), (SUBSCRIPTION, "west europe'")])
def test_odd_names_are_not_sent(wire: Wire, sizes: MemorySizes, subscription: str, region: str) -> None:
    """A name that could change the request's path or filter sends no request."""
    assert sizes.bytes_of(subscription, region, "a") is None
    assert wire.requests == []

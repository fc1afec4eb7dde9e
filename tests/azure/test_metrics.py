"""Batches of metrics: a VM that makes its batch fail costs only its own load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from optimizer.azure.limiter import AdaptiveLimiter
from optimizer.azure.memory import MemorySizes
from optimizer.azure.metrics import MOST_PARTS, MetricsReader
from optimizer.intake.pull.pull_source import LoadChunk, LoadTarget
from tests.azure.wire import (
    SUBSCRIPTION,
    Answer,
    Request,
    Wire,
    measured,
    vm,
)

DAY = date(2026, 2, 28)
END = datetime(2026, 3, 1, tzinfo=UTC)
RETRIED_BY_THE_CLIENT = {408, 500, 502, 503, 504, 529}
MOST_RETRIES = 6
"""What the client's retries add to the first request of a whole batch."""
PATH = ".*/metrics:getBatch"


def targets(count: int) -> list[LoadTarget]:
    """VMs to be asked for."""
    start = datetime(2026, 2, 28, tzinfo=UTC)
    return [LoadTarget(vm(number), SUBSCRIPTION, "westeurope", "Standard_D2s_v5", start) for number in range(count)]


def spoiled_by(bad: set[str], status: int, body: Any = None) -> Callable[[Request], Answer]:
    """A service at which a batch with one of these VMs fails on every try."""
    error = {"error": {"code": "InternalServerError", "message": "An error."}}

    def respond(request: Request) -> Answer:
        asked = request.json["resourceids"]
        if bad & set(asked):
            return Answer(status, body or error)
        return Answer(200, {"values": [measured(vm_id, request.query["metricnames"].split(",")) for vm_id in asked]})

    return respond


@contextmanager
def reading(wire: Wire, most: int = 1) -> Iterator[MetricsReader]:
    """The reader, connected to the server."""
    with wire.connection.metrics("westeurope") as client, wire.connection.backup(SUBSCRIPTION) as backup:
        client.__enter__()
        reader = MetricsReader(lambda _: client, MemorySizes(lambda _: backup), AdaptiveLimiter(most), most)
        try:
            yield reader
        finally:
            reader.close()


def known(chunks: Sequence[LoadChunk]) -> set[str]:
    """VMs that have a load."""
    return {
        vm_id
        for chunk in chunks
        for row, vm_id in enumerate(chunk.vm_ids)
        if chunk.values and not np.isnan(chunk.values["cpu_percent"][row]).all()
    }


def failed(chunks: Sequence[LoadChunk]) -> dict[str, bool]:
    """VMs that failed, and whether for good."""
    return {vm_id: refusal.final for chunk in chunks for vm_id, refusal in chunk.failed.items()}


@pytest.mark.parametrize("status", [400, 404, 408, 500, 501, 502, 503, 504, 529])
def test_a_vm_that_spoils_its_batch_costs_itself_alone(wire: Wire, status: int) -> None:
    """49 of 50 VMs have their load; the search takes two requests a level, each retried once at most."""
    wire.on("POST", PATH, spoiled_by({vm(17)}, status))
    with reading(wire) as reader:
        chunks = list(reader.read_day(targets(50), DAY, END))
    assert known(chunks) == {vm(number) for number in range(50)} - {vm(17)}
    assert failed(chunks) == {vm(17): status < 500 and status != 408}
    levels = 6
    retried = status in RETRIED_BY_THE_CLIENT
    assert len(wire.requests) <= 1 + MOST_RETRIES * retried + 2 * levels + levels * retried


@pytest.mark.parametrize("status", [500, 501])
def test_a_known_spoiler_is_asked_for_alone(wire: Wire, status: int) -> None:
    """On the next day it spoils no batch, and once it answers again it goes back into one."""
    bad = {vm(17)}
    wire.on("POST", PATH, spoiled_by(bad, status))
    with reading(wire) as reader:
        list(reader.read_day(targets(50), DAY, END))
        before = len(wire.requests)
        chunks = list(reader.read_day(targets(50), DAY, END))
        assert len(known(chunks)) == 49
        assert failed(chunks).keys() == {vm(17)}
        assert len(wire.requests) - before == (3 if status in RETRIED_BY_THE_CLIENT else 2)
        bad.clear()
        assert len(known(list(reader.read_day(targets(50), DAY, END)))) == 50
        before = len(wire.requests)
        assert len(known(list(reader.read_day(targets(50), DAY, END)))) == 50
        assert len(wire.requests) - before == 1


def test_several_spoilers_are_all_found(wire: Wire) -> None:
    """Ten of 500 VMs, wherever they are."""
    bad = {vm(number) for number in range(3, 500, 50)}
    wire.on("POST", PATH, spoiled_by(bad, 501))
    with reading(wire, most=4) as reader:
        chunks = list(reader.read_day(targets(500), DAY, END))
    assert failed(chunks).keys() == bad
    assert len(known(chunks)) == 490


@pytest.mark.parametrize("status", [500, 501, 503])
def test_an_outage_is_not_multiplied(wire: Wire, status: int) -> None:
    """If everything fails, smaller batches are tried as far as the budget goes, and no further."""
    everyone = {vm(number) for number in range(500)}
    wire.on("POST", PATH, spoiled_by(everyone, status))
    with reading(wire, most=4) as reader:
        chunks = list(reader.read_day(targets(500), DAY, END))
    assert failed(chunks) == dict.fromkeys(everyone, False)
    batches, retried = 500 // 50, status in RETRIED_BY_THE_CLIENT
    assert len(wire.requests) <= batches * (1 + MOST_RETRIES * retried) + MOST_PARTS * (1 + retried)
    assert any("too many requests fail" in refusal.reason for chunk in chunks for refusal in chunk.failed.values())


def test_a_passing_failure_loses_nothing(wire: Wire) -> None:
    """A 500 that is over on the second try is retried, and no batch is split for it."""
    seen: set[bytes] = set()

    def respond(request: Request) -> Answer:
        if request.body not in seen:
            seen.add(request.body)
            return Answer(500, {"error": {"code": "x"}})
        return spoiled_by(set(), 500)(request)

    wire.on("POST", PATH, respond)
    with reading(wire) as reader:
        assert len(known(list(reader.read_day(targets(100), DAY, END)))) == 100
    assert len(wire.requests) == 4


@pytest.mark.parametrize("content", [b'{"values": [{"resou', b"<html>no JSON</html>", b'"' + b"[" * 100_000 + b'"'])
def test_an_answer_that_cannot_be_read_is_narrowed_down(wire: Wire, content: bytes) -> None:
    """Even where only a 200 with half an answer comes, because of one VM."""
    wire.on("POST", PATH, spoiled_by({vm(4)}, 200, content))
    with reading(wire) as reader:
        chunks = list(reader.read_day(targets(50), DAY, END))
    assert failed(chunks) == {vm(4): False}
    assert len(known(chunks)) == 49


def test_a_missing_right_is_not_narrowed_down(wire: Wire) -> None:
    """A 403 is about the subscription, whatever the batch."""
    wire.on("POST", PATH, spoiled_by({vm(4)}, 403))
    with reading(wire) as reader:
        chunks = list(reader.read_day(targets(50), DAY, END))
    assert len(failed(chunks)) == 50
    assert len(wire.requests) == 1


def test_memory_in_bytes_is_narrowed_down_too(wire: Wire) -> None:
    """Where the percentage is missing and the bytes of one VM fail, the others have their memory."""
    sku = {"name": "Standard_D2s_v5", "capabilities": [{"name": "MemoryGB", "value": "8"}], "resourceType": "x"}
    wire.on("GET", ".*/skus", Answer(200, {"value": [{**sku, "resourceType": "virtualMachines"}]}))

    def respond(request: Request) -> Answer:
        if "Available Memory Bytes" in request.query["metricnames"]:
            return spoiled_by({vm(4)}, 500)(request)
        return Answer(200, {"values": [measured(one, ["Percentage CPU"]) for one in request.json["resourceids"]]})

    wire.on("POST", PATH, respond)
    with reading(wire) as reader:
        (chunk,) = reader.read_day(targets(50), DAY, END)
    assert len(known([chunk])) == 50
    without = np.isnan(chunk.values["mem_percent"]).all(axis=1)
    assert [chunk.vm_ids[row] for row in np.flatnonzero(without)] == [vm(4)]

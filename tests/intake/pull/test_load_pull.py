"""Load is requested day by day; failures of single VMs cost no others, and hopeless VMs are left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.errors import CloudError
from optimizer.intake.pull.load_pull import LoadPull, load_targets
from optimizer.intake.pull.partial_pull import Partial
from optimizer.intake.pull.pull_inventory import Found
from optimizer.intake.pull.pull_source import LoadChunk, LoadTarget, MissingLoad, PullSource
from optimizer.model.arm_id import ArmId
from optimizer.ports import no_progress

NOW = datetime(2026, 3, 5, tzinfo=UTC)
A, B = ArmId("a"), ArmId("b")


@dataclass
class Reader:
    """A source of load that refuses some VMs, and has one value of each other VM."""

    refused: dict[ArmId, MissingLoad] = field(default_factory=dict)
    silent: set[ArmId] = field(default_factory=set)
    metrics: tuple[str, ...] = ("cpu_percent", "mem_percent")
    asked: list[tuple[date, tuple[ArmId, ...]]] = field(default_factory=list)

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """One answer for all VMs."""
        assert end == NOW
        vm_ids = tuple(target.vm_id for target in targets)
        self.asked.append((day, vm_ids))
        values = np.full((len(vm_ids), 288), np.nan, dtype=np.float32)
        known = [row for row, vm_id in enumerate(vm_ids) if vm_id not in self.refused.keys() | self.silent]
        values[known, 100] = 20
        failed = {vm_id: self.refused[vm_id] for vm_id in vm_ids if vm_id in self.refused}
        yield LoadChunk(vm_ids, dict.fromkeys(self.metrics, values), failed, points=len(known))


def pull(folder: Path, reader: Reader, second: Reader | None = None, days: int = 5, **more: Any) -> Any:
    """Pull two VMs for some days."""
    source = PullSource(None, None, reader, dict, workspace_load=second)  # type: ignore[arg-type]
    load_pull = LoadPull(source, Partial(folder, NOW, resumed=False), None, more.pop("progress", no_progress))
    targets = [LoadTarget(vm_id, "s", "weu", "", NOW - timedelta(days=days)) for vm_id in (A, B)]
    return load_pull.run(Found(**more), targets, NOW), load_pull


def test_every_day_is_pulled_newest_first(tmp_path: Path) -> None:
    """Each day is requested once, kept, and counted."""
    reader = Reader()
    results, load_pull = pull(tmp_path, reader)
    assert [day.day for day, _ in reader.asked] == [4, 3, 2, 1, 28]
    assert {result.vms for result in results.values()} == {2}
    assert load_pull.received == 10
    assert len(list(tmp_path.glob("load-*.parquet"))) == 5


def test_days_that_are_complete_are_not_requested_again(tmp_path: Path) -> None:
    """A second run requests only what the first one lacks."""
    pull(tmp_path, Reader(), days=3)
    again = Reader()
    results, _ = pull(tmp_path, again, days=5)
    assert [day.day for day, _ in again.asked] == [1, 28] and len(results) == 5


@pytest.mark.parametrize(("final", "times"), [(True, 1), (False, 3)])
def test_a_vm_that_always_fails_is_left_alone(tmp_path: Path, final: bool, times: int) -> None:
    """After a final refusal, or three days in a row, further requests are pointless."""
    reader = Reader(refused={A: MissingLoad("HTTP 400", final=final)})
    results, _ = pull(tmp_path, reader)
    assert sum(A in vm_ids for _, vm_ids in reader.asked) == times
    assert sum(B in vm_ids for _, vm_ids in reader.asked) == 5
    assert results[date(2026, 3, 4)].refused == {A: MissingLoad("HTTP 400", final=final)}


def test_a_first_day_without_any_load_is_an_error(tmp_path: Path) -> None:
    """If all VMs fail at once, the pull stops with the most common reason."""
    refusal = MissingLoad("request failed: HTTP 403", final=False)
    with pytest.raises(CloudError, match=r"no load could be pulled for any of 2 VMs; the first reason: HTTP 403"):
        pull(tmp_path, Reader(refused={A: refusal, B: refusal}))


def test_a_second_source_fills_the_gaps(tmp_path: Path) -> None:
    """Only VMs without CPU or memory are asked for again, and a VM with load did not fail."""
    first = Reader(refused={A: MissingLoad("HTTP 500", final=False)})
    second = Reader(refused={B: MissingLoad("never asked", final=False)})
    results, _ = pull(tmp_path, first, second, days=1)
    assert [vm_ids for _, vm_ids in second.asked] == [(A,)]
    assert results[date(2026, 3, 4)].refused == {} and results[date(2026, 3, 4)].vms == 2
    third = Reader()
    pull(tmp_path / "x", Reader(metrics=("cpu_percent",)), third, days=0)
    assert third.asked == []


def test_a_vm_that_is_off_stays_silent_until_it_has_load(tmp_path: Path) -> None:
    """A VM that is off now is known to be off on every day back to its last load."""
    power = {"extended": {"instanceView": {"powerState": {"code": "PowerState/deallocated"}}}}
    reader = Reader(silent={A})
    results, _ = pull(tmp_path, reader, days=2, vms=[{"id": "a", "properties": power}])
    assert [result.silent for result in results.values()] == [{A}, {A}]
    load = Partial(tmp_path, NOW, resumed=True).read_day(date(2026, 3, 4))
    assert load.vm_ids == (A, B) and load.running is not None
    assert (load.running[0] == 0).all() and (load.running[1] == -1).all()


def test_progress_is_told_after_each_answer(tmp_path: Path) -> None:
    """Progress counts VM-days, and never exceeds the total."""
    calls: list[tuple[str, int, int]] = []
    pull(tmp_path, Reader(), days=3, progress=lambda *args: calls.append(args[:3]))
    assert calls == [("load", 2, 6), ("load", 4, 6), ("load", 6, 6)]


def item(vm: str, vault: str = "/v") -> dict[str, Any]:
    return {"id": f"{vault}/backupFabrics/f/i", "properties": {"sourceResourceId": vm}}


def test_targets_are_the_protected_vms() -> None:
    """Region and size are those of the VM, or else of its vault; VMs that are gone are not requested."""
    vm = {"id": "b", "location": "West Europe", "properties": {"hardwareProfile": {"vmSize": "D2"}}}
    found = Found(
        vaults=[{"id": "/v", "location": "east us"}], vms=[vm],
        protected_items=[item("c"), item("B"), item("a"), item("gone")], missing={ArmId("gone"): "gone"},
    )  # fmt: skip
    targets = load_targets(found, NOW, 2, None)
    assert [(str(target.vm_id), target.region, target.size) for target in targets] == [
        ("a", "eastus", ""), ("b", "westeurope", "D2"), ("c", "eastus", ""),
    ]  # fmt: skip
    assert {target.start for target in targets} == {NOW - timedelta(days=2)}

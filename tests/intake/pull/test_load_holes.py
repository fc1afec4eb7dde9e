"""Holes in the load that a pull leaves: which VMs, which days, and the probable reason."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.pull.load_holes import LoadCoverage, LoadHole, retention_hole
from optimizer.intake.pull.pull_source import LoadTarget
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad
from optimizer.ports import Resource

BEGIN = datetime(2026, 2, 2, tzinfo=UTC)
DAYS = [(BEGIN + timedelta(days=number)).date() for number in range(7)]
END = BEGIN + timedelta(days=6, hours=15)
"""The last day is not over, so it never counts as missing."""


def day_load(day: date, cpu: Collection[str], memory: Collection[str]) -> DayLoad:
    """One value at noon for each VM that has CPU; memory for some of them."""
    vm_ids = tuple(map(ArmId, sorted(cpu)))
    values = np.full((2, len(vm_ids), 288), np.nan, dtype=np.float32)
    values[0, :, 144] = 20
    values[1, [vm in memory for vm in vm_ids], 144] = 50
    return DayLoad(day, vm_ids, values[0], values[1])


def coverage(known: dict[str, str], memory: dict[str, str] | None = None, start: datetime = BEGIN) -> LoadCoverage:
    """Coverage of VMs of which each day is known (``x``) or not (``-``), in CPU and in memory."""
    targets = [LoadTarget(ArmId(vm), "", "", "", start) for vm in sorted(known)]
    found = LoadCoverage(targets, DAYS, END)
    memory = memory or known
    for number, day in enumerate(DAYS):
        with_cpu = [vm for vm, days in known.items() if days[number] == "x"]
        found.add(day_load(day, with_cpu, [vm for vm in with_cpu if memory[vm][number] == "x"]))
    return found


def vm(state: str = "", created: str = "") -> Resource:
    properties: dict[str, Any] = {"timeCreated": created} if created else {}
    if state:
        properties["extended"] = {"instanceView": {"powerState": {"code": f"PowerState/{state}"}}}
    return {"id": "a", "properties": properties}


def span(hole: LoadHole) -> tuple[str, int, int]:
    return hole.reason, DAYS.index(hole.first), DAYS.index(hole.last)


@pytest.mark.parametrize(
    ("days", "resource", "expected"),
    [
        ("xxxxxx-", vm("running"), []),
        ("xx--xxx", vm("running"), [("probably_off", 2, 3)]),
        ("xx--x-x", vm("deallocated"), [("probably_off", 2, 3), ("off", 5, 5)]),
        ("xxx----", vm("deallocated"), [("off", 3, 5)]),
        ("xxx----", vm("stopped"), [("off", 3, 5)]),
        ("xxx----", vm("running"), [("no_metric", 3, 5)]),
        ("xxx----", vm(), [("unknown", 3, 5)]),
        ("-------", vm("running"), [("no_metric", 0, 5)]),
        ("-------", vm("deallocated"), [("off", 0, 5)]),
        ("-------", vm("running", "2026-02-08T11:00:00Z"), [("new", 0, 5)]),
        ("--xxxxx", vm("running", "2026-02-03T23:59:00.1234567+00:00"), [("new", 0, 1)]),
        ("--xxxxx", vm("running", "2025-02-03T23:59:00Z"), [("unknown", 0, 1)]),
        ("--xxxxx", vm("running", "2026-02-03"), [("unknown", 0, 1)]),
        ("--xxxxx", {}, [("unknown", 0, 1)]),
    ],
)
def test_a_hole_has_its_days_and_its_reason(
    days: str, resource: Resource, expected: list[tuple[str, int, int]]
) -> None:
    """Whole days without a value are reported, with what the power state, the age and the other days suggest."""
    holes = coverage({"a": days}).holes([resource], (), with_workspace=False)
    assert sorted(map(span, holes), key=lambda hole: hole[1]) == expected
    assert {hole.metric for hole in holes} <= {"load"}


@pytest.mark.parametrize(("with_workspace", "reason"), [(False, "no_memory"), (True, "no_agent")])
def test_missing_memory_is_its_own_hole(with_workspace: bool, reason: str) -> None:
    """Days with CPU and without memory are reported as such, once for all VMs that share them."""
    found = coverage(
        {"a": "xxxxxxx", "b": "xxxxxxx", "c": "xx-xxxx"}, {"a": "xx---xx", "b": "xx---xx", "c": "xxxxxxx"}
    )
    memory, load = found.holes([], (), with_workspace=with_workspace)
    assert (memory.metric, memory.vms, span(memory)) == ("memory", ("a", "b"), (reason, 2, 4))
    assert (load.metric, load.vms, span(load)) == ("load", ("c",), ("probably_off", 2, 2))


def test_vms_whose_requests_failed_have_no_hole() -> None:
    """Why their load is missing is known and reported elsewhere."""
    found = coverage({"a": "-------", "b": "-------"})
    assert [hole.vms for hole in found.holes([], {"a"}, with_workspace=False)] == [("b",)]


def test_days_that_were_not_requested_are_no_hole() -> None:
    """A VM that is only requested from some time on lacks nothing before it, nor on the day of that time."""
    found = coverage({"a": "-------"}, start=BEGIN + timedelta(days=2, hours=3))
    assert [span(hole) for hole in found.holes([], (), with_workspace=False)] == [("unknown", 3, 5)]


@given(st.dictionaries(st.sampled_from("abcd"), st.text("x-", min_size=7, max_size=7), min_size=1))
def test_holes_are_exactly_the_days_without_load(known: dict[str, str]) -> None:
    """Every missing whole day of every VM is in one hole, and no other day is in any."""
    holes = coverage(known).holes([], (), with_workspace=False)
    missing = [
        (name, hole.first + timedelta(days=number))
        for hole in holes
        for name in hole.vms
        for number in range((hole.last - hole.first).days + 1)
    ]
    expected = {(name, DAYS[n]) for name, days in known.items() for n in range(6) if days[n] == "-"}
    assert len(missing) == len(set(missing))
    assert set(missing) == expected


def test_what_azure_has_deleted_is_a_hole_of_all_vms() -> None:
    """The days between the last pull and the oldest metrics are gone; without a whole day there is no hole."""
    last = datetime(2026, 1, 10, 12, tzinfo=UTC)
    (hole,) = retention_hole({"b", "a"}, last, last + timedelta(days=5))
    assert hole == LoadHole(("a", "b"), "load", date(2026, 1, 11), date(2026, 1, 14), "retention")
    assert retention_hole({"a"}, last, last + timedelta(days=1)) == []
    assert retention_hole((), last, last + timedelta(days=50)) == []

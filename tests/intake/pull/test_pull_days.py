"""Which days and bins a pull requests, and what of the answers is new."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.pull.pull_days import (
    RETENTION,
    USABLE_BINS,
    DayBlock,
    days_between,
    floor_bin,
    keep_new,
    oldest,
    usable_rows,
    window,
)
from optimizer.intake.pull.pull_source import LoadChunk, LoadTarget
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad, to_day

DAY = date(2026, 3, 1)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
A, B = ArmId("a"), ArmId("b")


def at(hour: int, minute: int = 0) -> datetime:
    return MIDNIGHT + timedelta(hours=hour, minutes=minute)


def percent(*known: int, rows: int = 1) -> np.ndarray:
    values = np.full((rows, 288), np.nan, dtype=np.float32)
    values[:, list(known)] = 20
    return values


def block(*starts: datetime, end: datetime = MIDNIGHT + timedelta(days=1)) -> DayBlock:
    targets = [LoadTarget(vm_id, "s", "weu", "", start) for vm_id, start in zip((A, B), starts, strict=False)]
    return DayBlock(DAY, targets, end)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_bin_begins_every_five_minutes(instant: datetime) -> None:
    """The start of a bin is at most 5 minutes before any instant in it."""
    start = floor_bin(instant)
    assert start.minute % 5 == start.second == start.microsecond == 0
    assert timedelta(0) <= instant - start < timedelta(minutes=5)


def test_the_window_ends_with_the_last_whole_bin() -> None:
    """Whole days before today, and today up to the last complete bin."""
    assert window(at(12, 3), 2) == (MIDNIGHT - timedelta(days=2), at(12))
    assert window(MIDNIGHT, 1) == (MIDNIGHT - timedelta(days=1), MIDNIGHT)


def test_the_window_is_no_longer_than_azure_keeps_metrics() -> None:
    """A window of 93 days begins where Azure still has metrics when the request arrives."""
    start, _ = window(at(12), 93)
    assert start == oldest(at(12)) == at(12, 15) - RETENTION


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (MIDNIGHT, at(12), [DAY]),
        (at(-1), at(1), [DAY, DAY - timedelta(days=1)]),
        (at(-30), MIDNIGHT, [DAY - timedelta(days=1), DAY - timedelta(days=2)]),
        (MIDNIGHT, MIDNIGHT, []),
        (at(1), MIDNIGHT, []),
    ],
)
def test_days_come_newest_first(start: datetime, end: datetime, expected: list[date]) -> None:
    """Every day with an instant of the period, and no other."""
    assert days_between(start, end) == expected


def test_only_bins_that_are_wanted_are_filled() -> None:
    """Values before the start of a VM, and after the end of the history, are not used."""
    filled = block(MIDNIGHT, at(1), end=at(2))
    filled.fill(LoadChunk((A, B), {"cpu_percent": np.full((2, 288), 5, dtype=np.float32)}, points=576))
    known = ~np.isnan(filled.values["cpu_percent"])
    assert known[0].nonzero()[0].tolist() == list(range(24))
    assert known[1].nonzero()[0].tolist() == list(range(12, 24))
    assert filled.points == 576


def test_the_first_answer_counts() -> None:
    """A second source only fills in what the first does not know, in any order of VMs."""
    filled = block(MIDNIGHT, MIDNIGHT)
    filled.fill(LoadChunk((A, B), {"cpu_percent": percent(0, rows=2)}))
    filled.fill(LoadChunk((B, A), {"cpu_percent": percent(0, 1, rows=2) + 10}))
    filled.fill(LoadChunk((A,), {}, points=3))
    assert filled.values["cpu_percent"][:, :3].tolist()[0][:2] == [20, 30]
    assert filled.values["cpu_percent"][1, :2].tolist() == [20, 30] and filled.points == 3


def test_vms_that_lack_a_metric() -> None:
    """VMs without CPU or without memory are asked for again elsewhere; those with CPU have load."""
    filled = block(MIDNIGHT, MIDNIGHT)
    assert [target.vm_id for target in filled.incomplete()] == [A, B] and filled.with_load() == set()
    filled.fill(LoadChunk((A,), {"cpu_percent": percent(0), "mem_percent": percent(0)}))
    filled.fill(LoadChunk((B,), {"cpu_percent": percent(5)}))
    assert [target.vm_id for target in filled.incomplete()] == [B]
    assert filled.with_load() == {A, B}
    assert filled.has("cpu_max").tolist() == [False, False]


def test_a_silent_vm_is_off_from_its_last_sample() -> None:
    """A VM that is off now and had no load later is off from its last bin but one to the end of the history."""
    filled = block(MIDNIGHT, MIDNIGHT, end=at(2))
    filled.fill(LoadChunk((A,), {"cpu_percent": percent(0, 5)}))
    running = filled.mark_off({A, B, ArmId("other")})
    assert running is not None
    assert running[0, :25].tolist() == [-1] * 7 + [0] * 17 + [-1]
    assert running[1, :24].tolist() == [0] * 24
    assert filled.mark_off({ArmId("other")}) is None


def test_the_day_is_written_without_vms_without_data() -> None:
    """A VM with neither load nor a power state is not part of the day."""
    filled = block(MIDNIGHT, MIDNIGHT)
    filled.fill(LoadChunk((A,), {"cpu_percent": percent(0)}))
    assert filled.to_load((), None).vm_ids == (A,)
    assert filled.to_load({B}, None).vm_ids == (A, B)


def load(vm_ids: tuple[ArmId, ...], cpu: np.ndarray) -> DayLoad:
    return DayLoad(DAY, vm_ids, cpu, cpu)


def test_the_estate_takes_precedence() -> None:
    """A bin that the estate knows is not written again; a VM without anything new is left out."""
    old = load((ArmId("A"),), percent(0, 1))
    assert keep_new(load((A, B), percent(0, 1, rows=2)), old).vm_ids == (B,)
    new = keep_new(load((A, B), percent(0, 1, 2, rows=2)), old)
    assert new.vm_ids == (A, B)
    assert np.flatnonzero(~np.isnan(new.cpu_percent[0])).tolist() == [2]
    assert np.flatnonzero(~np.isnan(new.cpu_percent[1])).tolist() == [0, 1, 2]
    assert keep_new(load((A,), percent(0)), None).vm_ids == (A,)


def test_power_states_are_kept_if_they_are_new() -> None:
    """A known power state is not written again, and an unknown one is no news."""
    states = np.full((1, 288), -1, dtype=np.int8)
    states[0, 5] = 0
    nothing = percent()
    new = to_day(DAY, (A,), {"cpu_percent": nothing, "running": states})
    assert keep_new(new, None).vm_ids == (A,)
    assert keep_new(new, new).vm_ids == ()
    assert keep_new(load((A,), nothing), None).vm_ids == ()


@pytest.mark.parametrize(("bins", "usable"), [(USABLE_BINS, True), (USABLE_BINS - 1, False)])
def test_half_a_day_is_enough(bins: int, usable: bool) -> None:
    """A day counts if half of its bins are known, bins in which the VM is off included."""
    cpu = percent(*range(bins))
    assert list(usable_rows(load((A,), cpu))) == ([A] if usable else [])
    off = np.where(np.isnan(percent(*range(bins))), 1, 0).astype(np.int8)
    assert list(usable_rows(DayLoad(DAY, (A,), percent(), percent(), running=off))) == ([A] if usable else [])

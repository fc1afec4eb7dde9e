"""Finds days without load after a pull, and the probable reason for each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer.intake.pull.pull_inventory import is_off, is_running
from optimizer.intake.pull.pull_source import LoadTarget
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad
from optimizer.model.raw import id_of, properties_of, text
from optimizer.ports import Resource

Reason = Literal["off", "probably_off", "new", "no_metric", "no_memory", "no_agent", "retention", "unknown"]
"""Probable reason for missing load.

``off``: the VM is off now. ``probably_off``: there is load before and after. ``new``: the VM was created later.
``no_metric``: the VM runs, but Azure Monitor has no CPU metric. ``no_memory``: Azure Monitor has no memory metric.
``no_agent``: the workspaces have no memory of it either. ``retention``: Azure has deleted the metrics by now.
``unknown``: the VM was off, or is newer, or its metrics are missing.
"""


@dataclass(frozen=True, slots=True)
class LoadHole:
    """Consecutive whole UTC days without load of some VMs.

    Parameters
    ----------
    vms
        Ids of the VMs, sorted.
    metric
        What is missing: ``load`` (CPU and memory), or ``memory`` alone.
    first, last
        First and last day.
    reason
        Probable reason.
    """

    vms: tuple[ArmId, ...]
    metric: Literal["load", "memory"]
    first: date
    last: date
    reason: Reason


class LoadCoverage:
    """Days on which each VM of a pull has CPU and memory values.

    Only days count that lie completely between the time from which a VM was requested and the end of the history.

    Parameters
    ----------
    targets
        VMs, and the time from which each was requested.
    days
        UTC days of the pull.
    end
        End of the history.
    """

    def __init__(self, targets: Sequence[LoadTarget], days: Collection[date], end: datetime) -> None:
        self._days = [day for day in sorted(days) if _midnight(day) + timedelta(days=1) <= end]
        self._vm_ids = [target.vm_id for target in targets]
        self._rows = {vm_id: row for row, vm_id in enumerate(self._vm_ids)}
        shape = (len(self._vm_ids), len(self._days))
        self._wanted = np.array(
            [[_midnight(day) >= target.start for day in self._days] for target in targets], dtype=np.bool_
        ).reshape(shape)
        self._cpu = np.zeros(shape, dtype=np.bool_)
        self._memory = np.zeros(shape, dtype=np.bool_)

    def add(self, load: DayLoad) -> None:
        """Take note of load of a day, which may come in several parts."""
        if load.date not in self._days:
            return
        column = self._days.index(load.date)
        rows = [self._rows.get(vm_id, -1) for vm_id in load.vm_ids]
        known = np.array([row >= 0 for row in rows], dtype=np.bool_)
        mine = np.array(rows, dtype=np.int64)[known]
        self._cpu[mine, column] |= ~np.isnan(load.cpu_percent[known]).all(axis=1)
        self._memory[mine, column] |= ~np.isnan(load.mem_percent[known]).all(axis=1)

    def holes(self, vms: Iterable[Resource], failed: Collection[ArmId], *, with_workspace: bool) -> list[LoadHole]:
        """Days without load, those that concern the most VMs first.

        Parameters
        ----------
        vms
            VMs as the directory describes them.
        failed
            Ids of VMs whose requests failed; the reason is known, so that they are left out.
        with_workspace
            Whether Log Analytics was asked for what Azure Monitor does not have.
        """
        described = {id_of(vm): vm for vm in vms}
        lacking: Reason = "no_agent" if with_workspace else "no_memory"
        found: dict[tuple[Literal["load", "memory"], date, date, Reason], list[ArmId]] = {}
        for row, vm_id in self._rows_except(failed):
            for first, last in _runs(self._wanted[row] & ~self._cpu[row]):
                reason = self._why(row, first, last, described.get(vm_id, {}))
                found.setdefault(("load", self._days[first], self._days[last], reason), []).append(vm_id)
            for first, last in _runs(self._wanted[row] & self._cpu[row] & ~self._memory[row]):
                found.setdefault(("memory", self._days[first], self._days[last], lacking), []).append(vm_id)
        holes = [LoadHole(tuple(sorted(vm_ids, key=str)), *about) for about, vm_ids in found.items()]
        return sorted(holes, key=lambda hole: (-len(hole.vms), hole.metric, hole.reason, hole.first, hole.vms))

    def _rows_except(self, failed: Collection[ArmId]) -> list[tuple[int, ArmId]]:
        return [(row, vm_id) for row, vm_id in enumerate(self._vm_ids) if vm_id not in failed]

    def _why(self, row: int, first: int, last: int, vm: Resource) -> Reason:
        """Probable reason for a run of days without CPU values."""
        measured = np.flatnonzero(self._cpu[row])
        if _is_newer(vm, self._days[last]):
            return "new"
        has_load_before, has_load_after = (measured < first).any(), (measured > last).any()
        if has_load_after:
            return "probably_off" if has_load_before else "unknown"
        if is_off(vm):
            return "off"
        return "no_metric" if is_running(vm) else "unknown"


def retention_hole(vm_ids: Collection[ArmId], last_pull: datetime, oldest: datetime) -> list[LoadHole]:
    """Days between an earlier pull and the oldest metrics that Azure still has; empty if no whole day is missing.

    Parameters
    ----------
    vm_ids
        Ids of the VMs that the estate has load of.
    last_pull
        End of the history in the estate.
    oldest
        First instant for which Azure still has metrics.
    """
    first = last_pull.astimezone(UTC).date() + timedelta(days=1)
    last = oldest.astimezone(UTC).date() - timedelta(days=1)
    if not vm_ids or first > last:
        return []
    return [LoadHole(tuple(sorted(vm_ids, key=str)), "load", first, last, "retention")]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _runs(missing: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)


def _is_newer(vm: Resource, day: date) -> bool:
    created = _created(vm)
    return created is not None and created >= day


def _created(vm: Resource) -> date | None:
    """UTC day on which a VM was created; None if the directory does not state it."""
    try:
        created = datetime.fromisoformat(text(properties_of(vm).get("timeCreated")))
    except ValueError:
        return None
    return created.astimezone(UTC).date() if created.tzinfo is not None else None

"""Earlier plan that a new plan starts from and stays close to (``plan --from``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from optimizer.documents import EarlierPlanSource, ScheduleEntry, read_plan
from optimizer.errors import DataError
from optimizer.estate import Estate
from optimizer.files import is_url
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import count_vms, counted
from optimizer.model.timegrid import parse_start
from optimizer.solve import Near


@dataclass(frozen=True, slots=True)
class EarlierPlan:
    """Starts of an earlier plan.

    Parameters
    ----------
    source
        What the new plan records about it.
    starts
        Start option by VM id, in the time zone of the VM's policy.
    estate
        Folder or URL of the earlier plan's estate.
    later
        Start option of the VMs that later plans were to move, if the plan is a step of ``plan --toward``.
    """

    source: EarlierPlanSource
    starts: Mapping[ArmId, int]
    estate: str
    later: Mapping[ArmId, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> EarlierPlan:
        """Read the plan that a new plan starts from.

        Raises
        ------
        PlanFormatError
            The file is missing, is not a plan, or was edited.
        """
        path = Path(path)
        plan = read_plan(path)
        starts = {entry.vm: parse_start(entry.start) for entry in plan.schedule}
        later = () if plan.summary.toward is None else plan.summary.toward.later
        moves = {move.vm: parse_start(move.start) for move in later}
        source = EarlierPlanSource(file=path.name, fingerprint=plan.fingerprint)
        estate = plan.estate.path if is_url(plan.estate.path) else os.path.normpath(path.parent / plan.estate.path)
        return cls(source, starts, estate, moves)

    def target_in(self, inventory: Inventory) -> IntArray:
        """Schedule that the plan leads to if it is a step of ``plan --toward``; shape (num_items,).

        VMs that are not in the plan start as they do today.
        """
        led_to = replace(self, starts={**self.starts, **self.later}).starts_in(inventory)
        today = np.array([inventory.policy(item).start for item in inventory.items], dtype=np.int64)
        return np.where(led_to == Near.ANYWHERE, today, led_to)

    def starts_in(self, inventory: Inventory) -> IntArray:
        """Start option of each item; shape (num_items,). VMs that are not in the plan may start anywhere."""
        return np.array([self.starts.get(item.vm_id, Near.ANYWHERE) for item in inventory.items], dtype=np.int64)

    def require_same_vms(self, estate: Estate) -> None:
        """Refuse to start from the plan of another estate.

        Raises
        ------
        DataError
            None of the VMs of the estate is in the plan.
        """
        items = estate.inventory().items
        if not items or any(item.vm_id in self.starts for item in items):
            return
        raise DataError(
            f"{self.source.file} (--from) is a plan of another estate: it plans {count_vms(self.starts)} of "
            f"{self.estate}, and none of them is among the {count_vms(items)} of {estate.path}; give an earlier plan "
            f"of {estate.path}, or leave out --from"
        )

    def note(self, schedule: Iterable[ScheduleEntry]) -> str:
        """State how many VMs keep the start that the earlier plan gave them."""
        entries = list(schedule)
        shared = [entry for entry in entries if entry.vm in self.starts]
        kept = sum(parse_start(entry.start) == self.starts[entry.vm] for entry in shared)
        said = (
            f"{kept:,} of {count_vms(shared)} {'starts' if kept == 1 else 'start'} as in {self.source.file} (--from)"
        )
        others = len(entries) - len(shared)
        return f"{said}, which does not have the other {counted(others, 'VM', 'VMs')}" if others else said

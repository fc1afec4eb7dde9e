"""An earlier plan that a new one begins at and stays close to (``plan --from``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import parse_start
from optimizer.plan.document import EarlierPlanSource, ScheduleEntry
from optimizer.plan.store import read_plan
from optimizer.solve.instance import IntArray


@dataclass(frozen=True, slots=True)
class EarlierPlan:
    """The starts of an earlier plan.

    Parameters
    ----------
    source
        What the new plan records of it.
    starts
        Start option by ``vm_id.lower()``, in the time zone of the VM's policy.
    later
        The same for VMs that later plans were to move, where it is a step of ``plan --toward``.
    """

    source: EarlierPlanSource
    starts: Mapping[str, int]
    later: Mapping[str, int] = field(default_factory=dict)

    def target_in(self, inventory: Inventory) -> IntArray:
        """The schedule that the plan leads to where it is a step of ``plan --toward``; shape (num_items,)."""
        return replace(self, starts={**self.starts, **self.later}).starts_in(inventory)

    def starts_in(self, inventory: Inventory) -> IntArray:
        """Start option of each item; shape (num_items,).  VMs that the plan does not have start as they do today."""
        return np.array(
            [self.starts.get(item.vm_id.lower(), inventory.policy(item).start) for item in inventory.items],
            dtype=np.int64,
        )

    def note(self, schedule: Iterable[ScheduleEntry]) -> str:
        """How many VMs keep the start that the earlier plan gave them."""
        shared = [entry for entry in schedule if entry.vm.lower() in self.starts]
        kept = sum(parse_start(entry.start) == self.starts[entry.vm.lower()] for entry in shared)
        if not shared:
            return f"{self.source.file} (--from) has none of the VMs of this plan, so it had no effect"
        return f"{kept:,} of {len(shared):,} VMs start as in {self.source.file} (--from)"


def read_earlier(path: Path) -> EarlierPlan:
    """Read the plan that a new one begins at.

    Raises
    ------
    PlanFormatError
        The file is missing, is not a plan, or was edited.
    """
    plan = read_plan(path)
    starts = {entry.vm.lower(): parse_start(entry.start) for entry in plan.schedule}
    later = () if plan.summary.toward is None else plan.summary.toward.later
    moves = {one.vm.lower(): parse_start(one.start) for one in later}
    return EarlierPlan(EarlierPlanSource(file=path.name, fingerprint=plan.fingerprint), starts, moves)

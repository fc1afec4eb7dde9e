"""A plan with its path and its estate, which together determine the writes that a run may make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.documents import PlanDocument, ReassignItem, check_changes
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.rollout.prepare.evidence import check_plan
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.undo import estate_after
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class PlanCase:
    """A plan, its path, and the estate that it was made for.

    Parameters
    ----------
    plan
        The plan.
    path
        Path of the plan; its rollback file lies beside it.
    document
        Estate of the plan.
    """

    plan: PlanDocument
    path: Path
    document: EstateDocument

    def checked(self, present: Sequence[str] = ()) -> tuple[Baseline, tuple[Write, ...]]:
        """State before the plan, and the plan's writes, after checking that plan, estate and rollback file agree.

        Parameters
        ----------
        present
            VMs that count as present even if the estate no longer lists them.

        Raises
        ------
        PlanFormatError
            The plan, its estate and its rollback file do not agree.
        """
        check_changes(self.plan, self.document)
        inventory = self.document.inventory(self.plan.rules.service_from, present=present)
        writes = writes_of(self.plan, self.document, inventory)
        check_plan(self.plan, self.path, self.document, inventory, writes)
        return Baseline(inventory, self.plan.rules), writes

    def moved_vms(self) -> list[ArmId]:
        """VMs that the plan assigns to another policy."""
        return [change.vm for change in self.plan.changes if isinstance(change, ReassignItem)]

    def after(self, done: Iterable[int]) -> EstateDocument:
        """Estate after the writes with these numbers."""
        return estate_after(self.plan, self.document, done)

    def baseline_after(self, done: Iterable[int], tolerated: Baseline) -> Baseline:
        """State from which a rollback begins: the given writes are made, and it leads back to ``tolerated``."""
        inventory = self.after(done).inventory(self.plan.rules.service_from, present=self.moved_vms())
        return Baseline(inventory, self.plan.rules, tolerated.inventory)

"""The writes that lead from today's schedule of a case to another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.raw import id_of
from optimizer.plan.case import Case
from optimizer.plan.make.diff import Diff, derive_changes


@dataclass(frozen=True)
class CaseWrites:
    """The writes of a case.

    Parameters
    ----------
    case
        The case.
    known
        ARM ids of every policy of the estate, including those of other workloads: their names are taken.
    """

    case: Case
    known: tuple[ArmId, ...] = ()

    @classmethod
    def of(cls, estate: Estate, case: Case) -> CaseWrites:
        """The writes of a case of an estate."""
        return cls(case, tuple(id_of(resource) for resource in estate.document.policies))

    def changes_to(self, options: IntArray) -> Diff:
        """Changes that lead to a schedule of shape (V,)."""
        case = self.case
        movable = case.problem.restrictions.movable
        return derive_changes(case.inventory, case.rules, options, movable, self.known)

    def stuck(self, options: IntArray) -> tuple[int, ...]:
        """Indices of the VMs that no order of writes can bring to a schedule."""
        return self.changes_to(options).stuck

    def in_order(self, options: IntArray) -> Iterator[list[int]]:
        """Yield the indices of the VMs that each write moves."""
        inventory = self.case.inventory
        row = {item.id: number for number, item in enumerate(inventory.items)}
        for change in self.changes_to(options).changes:
            if change.kind == "reassign_item":
                yield [row[change.item_id]]
            elif change.kind == "edit_policy":
                yield list(inventory.items_by_policy[change.policy_id])

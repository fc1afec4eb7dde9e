"""An estate and its rules as they would be after the changes of a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.risk import Forecast


@dataclass(frozen=True)
class ChangedEstate:
    """Estate and rules after the changes of a scenario.

    Parameters
    ----------
    estate, rules
        Estate and rules as they would be. If nothing changes them, they are the same objects as before the scenario.
    copies
        For each new VM, by id: the id of the VM of the estate that it is a copy of.
    rehomed
        Ids of the VMs that move to another vault.
    policies_made
        Number of policies that VMs need before any plan.
    notes
        Notes for the planner.
    """

    estate: Estate
    rules: Rules
    copies: dict[ArmId, ArmId] = field(default_factory=dict)
    rehomed: tuple[str, ...] = ()
    policies_made: int = 0
    notes: tuple[str, ...] = ()

    def inventory(self) -> Inventory:
        """Inventory of the estate as it would be."""
        return self.estate.inventory(self.rules.service_from)

    def with_resources(self, policies_made: int, notes: Sequence[str], **resources: Any) -> ChangedEstate:
        """The estate with other resources.

        Parameters
        ----------
        policies_made
            Number of policies that the change creates.
        notes
            Notes on the change.
        **resources
            New values of fields of the estate's document.
        """
        document = self.estate.document.model_copy(update=resources)
        return replace(
            self,
            estate=Estate(self.estate.path, document),
            policies_made=self.policies_made + policies_made,
            notes=(*self.notes, *notes),
        )

    def with_copies(self, copies: dict[ArmId, ArmId]) -> ChangedEstate:
        """The estate with more copies, by id; a copy of a copy is a copy of the VM that has a load history."""
        originals = {new: self.copies.get(original, original) for new, original in copies.items()}
        return replace(self, copies=self.copies | originals)

    def with_rehomed(self, vm_ids: Iterable[str]) -> ChangedEstate:
        """The estate with more VMs that move to another vault, by id."""
        return replace(self, rehomed=(*self.rehomed, *vm_ids))

    def forecast(self, forecast: Forecast) -> Forecast:
        """Add rows to a forecast for the copies of VMs, which are assumed to be as busy as the originals.

        Parameters
        ----------
        forecast
            Forecast that contains every original.
        """
        if not self.copies:
            return forecast
        row_of = {ArmId(vm_id): row for row, vm_id in enumerate(forecast.vm_ids)}
        originals = [row_of[original] for original in self.copies.values()]
        rows = np.array([*range(len(forecast.vm_ids)), *originals], dtype=np.intp)
        return forecast.of_rows((*forecast.vm_ids, *self.copies), rows)

"""A case: an estate under rules, with the risk of every start, as audits, the solver and explanations use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from optimizer.documents import HistorySource
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.risk import Forecast, RiskTable, risk_table
from optimizer.solve import Problem


@dataclass(frozen=True, slots=True)
class Case:
    """An estate under rules, ready to be audited or solved.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    forecast, table
        Forecast, and risk of each start.
    problem
        What a schedule is searched for.
    history_days
        Shape (V,): days of usable history of each item.
    recently_moved
        Day of the last move, by VM id, of the VMs whose move costs the price of a recent move.
    history
        Journals and plans that reported these moves.
    """

    inventory: Inventory
    rules: Rules
    forecast: Forecast
    table: RiskTable
    problem: Problem
    history_days: npt.NDArray[np.int64]
    recently_moved: Mapping[ArmId, date] = field(default_factory=dict)
    history: tuple[HistorySource, ...] = ()

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        rules: Rules,
        forecast: Forecast,
        moved_on: Mapping[ArmId, date] | None = None,
        table: RiskTable | None = None,
    ) -> Case:
        """Build a case from an existing forecast.

        Parameters
        ----------
        inventory, rules
            The estate and its rules.
        forecast
            Forecast of all VMs of the inventory.
        moved_on
            Day of the last move, by VM id; VMs of other estates and moves that are not recent are left out.
        table
            Existing risk table of the same inventory, forecast and threshold.
        """
        spelled = {item.vm_id: item.vm_id for item in inventory.items}  # an earlier plan may spell an id another way
        recently_moved = {
            spelled[vm]: day
            for vm, day in (moved_on or {}).items()
            if vm in spelled and rules.prices.is_recent(day, inventory.as_of)
        }
        if table is None:
            table = risk_table(inventory, forecast, agentless_at_risk=rules.threshold.agentless)
        problem = Problem.of(inventory, table, rules, recently_moved)
        row_of = {ArmId(vm_id): row for row, vm_id in enumerate(forecast.vm_ids)}
        days = np.array([forecast.num_days[row_of[item.vm_id]] for item in inventory.items], dtype=np.int64)
        return cls(inventory, rules, forecast, table, problem, days, recently_moved=recently_moved)

    def changed(
        self, *, inventory: Inventory | None = None, rules: Rules | None = None, forecast: Forecast | None = None
    ) -> Case:
        """The same case with another inventory, other rules or another forecast, and with the same earlier moves.

        What the risk does not depend on is not computed again.
        """
        rules = self.rules if rules is None else rules
        same_risk = inventory is None and forecast is None and rules.threshold == self.rules.threshold
        return Case.of(
            self.inventory if inventory is None else inventory,
            rules,
            self.forecast if forecast is None else forecast,
            self.recently_moved,
            self.table if same_risk else None,
        )

"""An estate under rules, with the risk of every start: the input of audits, the solver and explanations."""

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
from optimizer.risk.forecast import Forecast
from optimizer.risk.table import RiskTable
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

"""An estate under some rules, with the risk of every start: what is audited, solved and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES
from optimizer.plan.document import HistorySource
from optimizer.risk.forecast import Forecast
from optimizer.risk.table import RiskTable
from optimizer.solve.instance import Instance
from optimizer.solve.restrict import Restrictions


@dataclass(frozen=True, slots=True)
class Case:
    """An estate under some rules, ready to be audited or solved.

    Parameters
    ----------
    inventory, rules
        What is protected and what is demanded.
    forecast, table
        Risk of each start.
    restrictions, instance
        The problem.
    history_days
        Shape (V,): days of usable history of each item.
    snapshot_minutes
        Length of the snapshot.
    recently_moved
        Day of the last move, by ``vm_id.lower()``, of the VMs whose move is priced as a recent one's.
    history
        What told of it, where journals or plans did.
    """

    inventory: Inventory
    rules: Rules
    forecast: Forecast
    table: RiskTable
    restrictions: Restrictions
    instance: Instance
    history_days: npt.NDArray[np.int64]
    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES
    recently_moved: Mapping[str, date] = field(default_factory=dict)
    history: tuple[HistorySource, ...] = ()

"""How much the at-risk backups and overlaps of each VM count: the ``weight`` of the rules that apply to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules

FloatArray = npt.NDArray[np.float64]


def item_weights(inventory: Inventory, rules: Rules) -> FloatArray:
    """Weight of every item; shape (num_items,).

    If several rules give a VM a weight, the largest one counts, so the order of the rules does not matter.  Without
    any the weight is 1.

    Parameters
    ----------
    inventory, rules
        What is protected and what is demanded.
    """
    weights = np.ones(len(inventory.items))
    weighing = [rule for rule in rules.rule if rule.weight is not None]
    for row, item in enumerate(inventory.items if weighing else ()):
        vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
        given = [rule.weight for rule in weighing if rule.weight is not None and rule.is_for(vm, vault, frequency)]
        weights[row] = max(given, default=1.0)
    return weights


def risk_weights(inventory: Inventory, weights: FloatArray) -> FloatArray:
    """How much an at-risk backup of each item counts in the objective; shape (num_items,).

    This is the item's weight times the days between its runs: a missed weekly backup leaves seven days without a
    recovery point, a missed daily one leaves one.

    Parameters
    ----------
    inventory
        What is protected.
    weights
        Shape (num_items,), of :func:`item_weights`.
    """
    days = [inventory.policy(item).recurrence.days_between_runs for item in inventory.items]
    return weights * np.array(days, dtype=np.float64)


def weight_levels(weights: FloatArray) -> list[tuple[float, npt.NDArray[np.bool_]]]:
    """Write the smaller of two weights, for every two VMs, as a sum over groups that both belong to.

    Parameters
    ----------
    weights
        Shape (n,): weight of each VM.

    Returns
    -------
    list
        For each distinct weight, ascending: by how much it exceeds the one before, and which VMs weigh at least as
        much; shape (n,).  The first group is all VMs.

    Examples
    --------
    >>> [(step, group.tolist()) for step, group in weight_levels(np.array([5.0, 1.0, 5.0]))]
    [(1.0, [True, True, True]), (4.0, [True, False, True])]
    """
    levels, below = [], 0.0
    for weight in np.unique(weights).tolist():
        levels.append((weight - below, weights >= weight))
        below = weight
    return levels

"""Weights of the at-risk backups and overlaps of each VM, from the ``weight`` of the rules that apply to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimizer.model.arrays import FloatArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules


def item_weights(inventory: Inventory, rules: Rules) -> FloatArray:
    """Weight of every item; shape (num_items,).

    If several rules set a weight for a VM, the largest one counts, so the order of the rules does not matter. The
    default is 1.

    Parameters
    ----------
    inventory, rules
        Protected items of the estate, and the rules of the planner.
    """
    weights = np.ones(len(inventory.items))
    weighing = [rule for rule in rules.rule if rule.weight is not None]
    for row, item in enumerate(inventory.items if weighing else ()):
        vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
        given = [rule.weight for rule in weighing if rule.weight is not None and rule.is_for(vm, vault, frequency)]
        weights[row] = max(given, default=1.0)
    return weights


def risk_weights(inventory: Inventory, weights: FloatArray) -> FloatArray:
    """Weight of an at-risk backup of each item in the objective; shape (num_items,).

    This is the item's weight times the number of days between its runs: a missed weekly backup leaves seven days
    without a recovery point, a missed daily one leaves one.

    Parameters
    ----------
    inventory
        Protected items of the estate.
    weights
        Weights from :func:`item_weights`, shape (num_items,).
    """
    days = [inventory.policy(item).recurrence.days_between_runs for item in inventory.items]
    return weights * np.array(days, dtype=np.float64)


def weight_levels(weights: FloatArray) -> list[tuple[float, npt.NDArray[np.bool_]]]:
    """Express the smaller of two weights, for every pair of VMs, as a sum over the groups that contain both.

    Parameters
    ----------
    weights
        Weight of each VM, shape (n,).

    Returns
    -------
    list
        For each distinct weight, ascending: its difference to the next smaller one (or 0), and a mask, shape (n,), of
        the VMs with at least this weight. The first group contains all VMs.

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

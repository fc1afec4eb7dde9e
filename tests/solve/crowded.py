"""A few VMs that share rows, policies and limits, with prices drawn at random so that no two schedules tie."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.arrays import Counts
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance

STARTS = (4, 9, 20)
"""Starts that are allowed for every VM."""


def crowded(seed: int, **limits: Any) -> Instance:
    """Four VMs of two keys in one vault: new policies hold one VM, and all kinds of rows and a gate bind them.

    Parameters
    ----------
    seed
        Seed of the prices.
    limits
        Fields of :class:`tests.solve.small_instances.Shape`.
    """
    random = np.random.default_rng(seed)
    rows = [
        Row((0, 1, 2), (9, 20), pair_price=random.uniform(0.2, 1.0)),
        Row((0, 1, 2, 3), (9,), peak_price=random.uniform(0.2, 1.0), fair_share=1),
        Row((1, 3), (20,), cap=1),
    ]
    shape: dict[str, Any] = {
        "key": [0, 0, 1, 1],
        "key_vault": (0, 0),
        "service": [0, 0, 0, 1],
        "per_new": 1,
        "per_old": 2,
        "write_price": 0.31,
        "move_price": 0.11,
        "gates": apart(0, 3, 4, same_start()),
    }
    prices = {(v, t): random.uniform(0.0, 2.0) for v in range(4) for t in STARTS}
    everywhere = dict.fromkeys(range(4), STARTS)
    return small_instance([4, 4, 4, 20], priced(4, prices), rows, Shape(**{**shape, **limits}), everywhere)


def full_vault(
    room: int, *, editable: bool = True, seed: int = 0, starts: tuple[int, ...] = (4, 9, 20), **limits: Any
) -> Instance:
    """One VM in each of three full policies of one twin key; the policies hold one VM each."""
    random = np.random.default_rng(seed)
    shape = Shape(
        policies=[(0, t, (v,), editable) for v, t in enumerate(starts)],
        per_new=1,
        per_old=1,
        room=(room,),
        write_price=0.37,
        **limits,
    )
    prices = {(v, t): random.uniform(0.0, 2.0) for v, t in itertools.product(range(3), STARTS)}
    return small_instance(starts, priced(3, prices, 30.0), shape=shape, allowed=dict.fromkeys(range(3), STARTS))


def cost(instance: Instance, options: IntArray) -> float:
    """Cost of a schedule; infinite if the schedule breaks a limit."""
    return evaluate(instance, options).total if is_feasible(instance, options) else np.inf


def with_vm_at(options: IntArray, v: int, t: int) -> IntArray:
    """The same schedule with one VM at another start."""
    changed = options.copy()
    changed[v] = t
    return changed


def same_counts(one: Counts, other: Counts) -> bool:
    """Whether two counts agree in every field."""
    return all(np.allclose(a, b) for a, b in zip(one, other, strict=True))

"""What it costs to start the VMs of a service so far apart that no two of its snapshots overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.solve.cost import evaluate, row_costs, row_counts, violations
from optimizer.solve.cpsat import Scope, ScopedModel
from optimizer.solve.instance import BoolArray, Instance, IntArray, RowKind

WORK = 0.5
"""Work for one service, in deterministic seconds of CP-SAT."""


@dataclass(frozen=True, slots=True)
class Spreading:
    """The cheapest schedule in which no two snapshots of a service overlap, all other VMs where they are.

    Parameters
    ----------
    price
        What it costs more in risk, working hours, vault peaks, policy writes and moves, in at-risk backups per
        30 days.
    saves
        What the overlaps of the service cost now.
    options
        Shape (V,): the schedule; it keeps every rule and limit that the present one keeps.
    """

    price: float
    saves: float
    options: IntArray


def spread(instance: Instance, options: IntArray, members: IntArray, seed: int = 0) -> Spreading | None:
    """Spread one service.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): where all VMs are now.
    members
        VMs of the service, two or more.
    seed
        Random seed of CP-SAT.

    Returns
    -------
    Spreading or None
        None where the rules and limits leave no such schedule.
    """
    own = _rows_of_service(instance, int(instance.service[members[0]]))
    counts = row_counts(instance, options)
    # What is over a cap elsewhere may stay so: today's schedule is looked at too, and it need not keep the rules.
    cap = np.where(own, 1, np.maximum(instance.rows.cap, counts))
    apart = replace(instance, rows=replace(instance.rows, cap=cap))
    free = {v: np.flatnonzero(instance.allowed[v]).tolist() for v in members.tolist()}
    if not all(free.values()) or not _may_fit(apart, free, own):
        return None
    found = ScopedModel(apart, Scope(free, options)).solve(WORK, seed).options
    if found is None or (not violations(instance, options) and violations(instance, found)):
        return None
    saves = float(row_costs(instance, counts)[own].sum())
    change = evaluate(instance, found).total - evaluate(instance, options).total
    return Spreading(price=change + saves, saves=saves, options=found)


def _rows_of_service(instance: Instance, service: int) -> BoolArray:
    kinds = np.array([kind is RowKind.SERVICE for kind in instance.rows.kind], dtype=np.bool_)
    return np.asarray(kinds & (instance.rows.group == service))


def _may_fit(instance: Instance, free: dict[int, list[int]], own: BoolArray) -> bool:
    """Whether there are enough half hours for the VMs, by counting; a quick "no" for large services."""
    weight = np.append(np.where(own, instance.rows.weight, 0.0), 0.0)
    reached = np.zeros(len(weight), dtype=np.bool_)
    needed = 0.0
    for v, allowed in free.items():
        touched = instance.touched[instance.vm_class[v], allowed]
        needed += float(weight[touched].sum(axis=1).min())
        reached[touched.ravel()] = True
    return needed <= float(weight[reached].sum()) + 1e-9

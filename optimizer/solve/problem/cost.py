"""Exact cost of a schedule, with every term of the objective, and the limits that the schedule breaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.set_constraints import SetConstraints
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.executable import edits_and_creations, extra_writes
from optimizer.solve.problem.instance import NO_CAP, Instance


@dataclass(frozen=True, slots=True)
class Cost:
    """Terms of the objective, in at-risk backups per 30 days.

    Parameters
    ----------
    risk
        Credited risk.
    overlap, vault_peak, working_hours, policy_writes, moves
        The other terms, as priced.
    overlaps
        Expected overlapping snapshots of VMs of one service, per 30 days.
    writes
        Number of policies created or edited, including those that only the order of writes needs.
    num_moves
        Number of VMs whose start changes.
    """

    risk: float
    overlap: float
    vault_peak: float
    working_hours: float
    policy_writes: float
    moves: float
    overlaps: float
    writes: int
    num_moves: int

    @property
    def total(self) -> float:
        """The objective: the sum of all terms."""
        return self.risk + self.overlap + self.vault_peak + self.working_hours + self.policy_writes + self.moves


def row_counts(instance: Instance, options: IntArray, vms: IntArray | None = None) -> IntArray:
    """Number of VMs, of all or of the given ones, in each row; shape (num_rows,)."""
    rows = np.arange(instance.num_vms) if vms is None else vms
    touched = instance.touched[instance.vm_class[rows], options[rows]]
    counts: IntArray = np.bincount(touched.ravel(), minlength=len(instance.rows) + 1)[: len(instance.rows)]
    return counts


def policy_counts(instance: Instance, options: IntArray, vms: IntArray | None = None) -> IntArray:
    """Number of items that take a place at each start of each twin key, for all VMs or the given ones; shape (K, 48).

    Unplanned items are always counted.
    """
    rows = np.arange(instance.num_vms) if vms is None else vms
    rows = rows[instance.counted(rows, options[rows])]
    cells = instance.key[rows] * NUM_OPTIONS + options[rows]
    count = np.bincount(cells, minlength=instance.num_keys * NUM_OPTIONS)
    return count.reshape(instance.num_keys, NUM_OPTIONS) + instance.unknown


def policy_writes(instance: Instance, counts: IntArray) -> IntArray:
    """Number of policies to create or edit at each start of each twin key; shape (K, 48)."""
    without_place = counts - instance.existing * instance.vms_per_existing_policy
    writes: IntArray = np.maximum(0, -(-without_place // instance.vms_per_new_policy))
    return writes


def row_costs(instance: Instance, counts: IntArray) -> FloatArray:
    """Price of each row; shape (num_rows,)."""
    rows = instance.rows
    excess = np.maximum(0, counts - rows.fair_share)
    costs: FloatArray = rows.pair_price * (counts * (counts - 1) / 2) + rows.peak_price * excess
    return costs


def cost_shares(instance: Instance, options: IntArray) -> FloatArray:
    """Each VM's part of risk, working hours, overlap and vault peak, in at-risk backups per 30 days; shape (V,).

    A VM's part is its own credited risk and starts in working hours, plus, for each row that it is in, the row's price
    divided by the number of VMs in the row. The parts add up to these four terms of the objective.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): start option of each VM.
    """
    rows = np.arange(instance.num_vms)
    counts = row_counts(instance, options)
    per_vm = np.append(row_costs(instance, counts) / np.maximum(counts, 1), 0.0)
    shared = per_vm[instance.touched[instance.vm_class, options]].sum(axis=1)
    moved = options != instance.today
    shares: FloatArray = instance.linear[rows, options] - instance.move_price * moved + shared
    return shares


def evaluate(instance: Instance, options: IntArray) -> Cost:
    """Compute the cost of a schedule.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): start option of each VM.
    """
    rows = np.arange(instance.num_vms)
    counts = row_counts(instance, options)
    costs = row_costs(instance, counts)
    is_service = instance.rows.pair_price > 0  # a row of a service without a price costs nothing
    moved = options != instance.today
    items = policy_counts(instance, options)
    writes = int(policy_writes(instance, items).sum() + extra_writes(instance, options, items)[0].sum())
    working_hours = instance.working_hours[rows, options]
    return Cost(
        risk=float((instance.linear[rows, options] - instance.move_price * moved - working_hours).sum()),
        overlap=float(costs[is_service].sum()),
        vault_peak=float(costs[~is_service].sum()),
        working_hours=float(working_hours.sum()),
        policy_writes=instance.policy_write_price * writes,
        moves=float((instance.move_price * moved).sum()),
        overlaps=float((instance.rows.overlaps * (counts * (counts - 1) / 2)).sum()),  # BLAS would start threads
        writes=writes,
        num_moves=int(moved.sum()),
    )


def overfull_caps(instance: Instance, allowed: BoolArray) -> list[str]:
    """Names of caps that no schedule can keep, found by counting.

    The windows of a capped group take at least ``sum over its VMs of the fewest half hours of any allowed option``,
    and the group has room for ``sum over its half hours of cap``. If the first exceeds the second, no schedule keeps
    the cap.

    Parameters
    ----------
    instance
        The problem.
    allowed
        Shape (V, 48): options to count with; each VM needs at least one.
    """
    rows = instance.rows
    names: dict[str, None] = {}
    for group in np.unique(rows.group[rows.cap != NO_CAP]).tolist():
        of_group = np.append((rows.cap != NO_CAP) & (rows.group == group), False)
        weight = np.where(of_group, np.append(rows.weight, 0.0), 0.0)
        taken = weight[instance.touched].sum(axis=2)[instance.vm_class]
        needed = np.where(allowed, taken, np.inf).min(axis=1).sum()
        reached = np.zeros(len(rows) + 1, dtype=np.bool_)
        v, t = np.nonzero(allowed & (taken > 0))
        reached[np.unique(instance.touched[instance.vm_class[v], t])] = True
        room = float((weight * reached)[:-1] @ np.minimum(rows.cap, rows.size))
        if needed > room + 1e-9:
            names[instance.cap_names[group]] = None
    return list(names)


def count_edits(instance: Instance, options: IntArray) -> IntArray:
    """Number of today's policies that are edited instead of creating others, by vault; shape (num_vaults,)."""
    return edits_and_creations(instance, options, policy_counts(instance, options))[0]


def count_creations(instance: Instance, options: IntArray) -> IntArray:
    """Number of policies that are created if as many as possible are edited instead, by vault; shape (num_vaults,)."""
    return edits_and_creations(instance, options, policy_counts(instance, options))[1]


@dataclass(frozen=True, slots=True)
class Excess:
    """Limits that a schedule exceeds, as indices; :mod:`optimizer.solve.problem.breaches` gives them names.

    Parameters
    ----------
    forbidden
        VMs at options that are not allowed.
    rows
        Overlap rows above their cap.
    stuck
        Vaults whose policies cannot be written in any order that keeps their limits
        (:mod:`optimizer.solve.problem.executable`).
    moves
        Whether more VMs move than ``max_moves``.
    write_limits
        Limits on policy writes that are exceeded.
    shut
        VMs whose option is shut, each with the gate that shuts it.
    """

    forbidden: IntArray
    rows: IntArray
    stuck: IntArray
    moves: bool
    write_limits: tuple[int, ...]
    shut: tuple[tuple[int, int], ...]


def excess_of(instance: Instance, options: IntArray) -> Excess:
    """Everything by which a schedule exceeds the limits of an instance."""
    stuck, write_limits = _policy_excess(instance, options)
    return Excess(
        forbidden=_forbidden_vms(instance, options),
        rows=_rows_over_cap(instance, options),
        stuck=stuck,
        moves=_moves_too_many(instance, options),
        write_limits=write_limits,
        shut=tuple(shut_gates(instance, options)),
    )


def is_feasible(instance: Instance, options: IntArray) -> bool:
    """Whether a schedule keeps every limit of an instance; the quick form of :func:`excess_of` for inner loops."""
    if len(_forbidden_vms(instance, options)) or _moves_too_many(instance, options):
        return False
    if len(_rows_over_cap(instance, options)) or shut_gates(instance, options):
        return False
    stuck, write_limits = _policy_excess(instance, options)
    return not len(stuck) and not write_limits


def _forbidden_vms(instance: Instance, options: IntArray) -> IntArray:
    return np.flatnonzero(~instance.allowed[np.arange(instance.num_vms), options])


def _rows_over_cap(instance: Instance, options: IntArray) -> IntArray:
    return np.flatnonzero(row_counts(instance, options) > instance.rows.cap)


def _moves_too_many(instance: Instance, options: IntArray) -> bool:
    return instance.max_moves is not None and int((options != instance.today).sum()) > instance.max_moves


def _policy_excess(instance: Instance, options: IntArray) -> tuple[IntArray, tuple[int, ...]]:
    """Vaults in which no order of writes keeps the limits, and indices of the limits on policy writes exceeded."""
    items = policy_counts(instance, options)
    extra, stuck = extra_writes(instance, options, items)
    of_key = policy_writes(instance, items).sum(axis=1) + extra
    limits = enumerate(instance.write_limits)
    exceeded = tuple(
        number for number, write_limit in limits if of_key[list(write_limit.keys)].sum() > write_limit.limit
    )
    return np.flatnonzero(stuck), exceeded


def gate_counts(gates: SetConstraints, options: IntArray) -> IntArray:
    """Number of VMs that shut each option of each gate; shape (H, 48)."""
    counts = np.zeros((len(gates), NUM_OPTIONS), dtype=np.int64)
    for v in np.flatnonzero(np.diff(gates.vm_begin)).tolist():
        for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
            for at in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
                counts[gates.opponent[at]] += gates.clashes[gates.clash[at], options[v]]
    return counts


def shut_gates(instance: Instance, options: IntArray) -> list[tuple[int, int]]:
    """VMs whose option is shut, each with the gate that shuts it."""
    gates = instance.gates
    counts = gate_counts(gates, options)
    return [
        (v, h)
        for v in np.flatnonzero(np.diff(gates.vm_begin)).tolist()
        for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist()
        if counts[h, options[v]] > 0
    ]

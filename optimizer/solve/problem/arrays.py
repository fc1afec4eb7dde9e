"""The instance as flat arrays, which the compiled code in :mod:`optimizer.solve.search.kernels` reads and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.cost import gate_counts, policy_counts, policy_writes, row_counts
from optimizer.solve.problem.executable import Families, extra_writes, families_of, whole_policies
from optimizer.solve.problem.instance import Instance

BLOCKED = 1e9
"""Price of an option that a cap, a rule or a limit forbids at the moment; it may become possible when other VMs
move."""

FORBIDDEN = 1e13
"""Price of an option that is never allowed; it exceeds the price of any number of blocked options."""


class Arrays(NamedTuple):
    """An instance as flat arrays that never change.

    A list of lists is stored as ``begin`` and ``values``: list ``n`` is ``values[begin[n]:begin[n + 1]]``.

    Parameters
    ----------
    base
        Shape (V, 48): linear cost, :data:`FORBIDDEN` where an option is not allowed.
    today, key, vm_class, service, counted_today
        Shape (V,): see :class:`~optimizer.solve.problem.instance.Instance`.
    touched_begin, touched
        Rows that class ``c`` touches at option ``t``, as list ``c * 48 + t``.
    pair_price, peak_price, fair_share, cap
        Shape (num_rows,): see :class:`~optimizer.solve.problem.instance.OverlapRows`.
    existing, key_vault, vault_room
        Shapes (K, 48), (K,) and (num_vaults,): see :class:`~optimizer.solve.problem.instance.Instance`.
    key_begin, key_vms, service_begin, service_vms
        Movable VMs of each key and of each service.
    group_begin, group, group_limit
        Write limits that each key counts toward, and their maximum numbers of writes.
    vm_gate_begin, vm_gate, gate_begin, opponent, clash, clashes
        See :class:`~optimizer.model.set_constraints.SetConstraints`.
    families
        Data that decides whether a schedule can be carried out; None for compiled code that does not need it.
    whole
        Policies of ``families`` whose VMs may move together, in vaults that do not have room for a new policy for each
        of them.
    policy_price
        Shape (K,): price of a policy write in each key.
    vms_per_policy
        Shape (2,): maximum number of VMs in a policy that is created or edited, and in one of today's policies.
    max_moves
        Shape (1,): maximum number of VMs that may move; V if there is no limit.
    """

    base: FloatArray
    today: IntArray
    key: IntArray
    vm_class: IntArray
    service: IntArray
    counted_today: BoolArray
    touched_begin: IntArray
    touched: IntArray
    pair_price: FloatArray
    peak_price: FloatArray
    fair_share: IntArray
    cap: IntArray
    existing: IntArray
    key_vault: IntArray
    vault_room: IntArray
    key_begin: IntArray
    key_vms: IntArray
    service_begin: IntArray
    service_vms: IntArray
    group_begin: IntArray
    group: IntArray
    group_limit: IntArray
    vm_gate_begin: IntArray
    vm_gate: IntArray
    gate_begin: IntArray
    opponent: IntArray
    clash: IntArray
    clashes: BoolArray
    families: Families | None
    whole: IntArray
    policy_price: FloatArray
    vms_per_policy: IntArray
    max_moves: IntArray


class Counts(NamedTuple):
    """A schedule with its counts, which are changed in place.

    Parameters
    ----------
    options
        Shape (V,): option of each VM.
    met
        Shape (num_rows,): number of VMs in each row.
    marginal
        Shape (num_rows,): price of one more VM in each row.
    policies
        Shape (K, 48): number of items at each start of each key.
    vault_writes, group_writes
        Number of policies to create or edit in each vault, and those counted by each write limit.
    shut
        Shape (H, 48): number of VMs that shut each option of each gate.
    moves
        Shape (1,): number of VMs that are not at today's start.
    extra, beyond
        Shapes (K,) and (num_vaults,): number of policies that are written only because of the order of writes, in each
        key and in each vault. ``beyond`` is -1 for a vault that has no possible order.
    """

    options: IntArray
    met: IntArray
    marginal: FloatArray
    policies: IntArray
    vault_writes: IntArray
    group_writes: IntArray
    shut: IntArray
    moves: IntArray
    extra: IntArray
    beyond: IntArray


def _lists(list_of: IntArray, members: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Group ``members`` by the number of the list that each is in; return where each list begins, and the lists."""
    order = members[np.argsort(list_of[members], kind="stable")]
    return _int(np.searchsorted(list_of[order], np.arange(count + 1))), _int(order)


def _int(values: object) -> IntArray:
    return np.ascontiguousarray(values, dtype=np.int64)


def limits_by_key(num_keys: int, keys_of_limits: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Indices of the limits that count the writes of each key: where each list begins, and the lists."""
    key = np.array([k for keys in keys_of_limits for k in keys], dtype=np.int64)
    limit = np.repeat(np.arange(len(keys_of_limits)), [len(keys) for keys in keys_of_limits])
    order = np.argsort(key, kind="stable")
    return _int(np.searchsorted(key[order], np.arange(num_keys + 1))), _int(limit[order])


def touched_lists(touched: IntArray, num_rows: int) -> tuple[IntArray, IntArray]:
    """Rows touched by class and option, without padding: where each list begins, and the lists."""
    flat = touched.reshape(-1, touched.shape[2])
    real = flat < num_rows
    begin = np.concatenate(([0], np.cumsum(real.sum(axis=1))))
    return _int(begin), _int(flat[real])


def pack(instance: Instance) -> Arrays:
    """Flatten an instance for the compiled code."""
    rows, gates = instance.rows, instance.gates
    movable = np.flatnonzero(instance.movable)
    num_services = int(instance.service.max(initial=-1)) + 1
    key_begin, key_vms = _lists(instance.key, movable, instance.num_keys)
    service_begin, service_vms = _lists(instance.service, movable, num_services)
    touched_begin, touched = touched_lists(instance.touched, len(rows))
    group_begin, group = limits_by_key(instance.num_keys, [limit.keys for limit in instance.write_limits])
    return Arrays(
        base=np.ascontiguousarray(np.where(instance.allowed, instance.linear, FORBIDDEN)),
        today=_int(instance.today),
        key=_int(instance.key),
        vm_class=_int(instance.vm_class),
        service=_int(instance.service),
        counted_today=np.ascontiguousarray(instance.counted_today),
        touched_begin=touched_begin,
        touched=touched,
        pair_price=np.array(rows.pair_price),
        peak_price=np.array(rows.peak_price),
        fair_share=_int(rows.fair_share),
        cap=_int(rows.cap),
        existing=_int(instance.existing),
        key_vault=_int(instance.key_vault),
        vault_room=_int(instance.vault_room),
        key_begin=key_begin,
        key_vms=key_vms,
        service_begin=service_begin,
        service_vms=service_vms,
        group_begin=group_begin,
        group=group,
        group_limit=_int([limit.limit for limit in instance.write_limits]),
        vm_gate_begin=_int(gates.vm_begin)
        if len(gates.vm_begin) > instance.num_vms
        else _int(np.zeros(instance.num_vms + 1)),
        vm_gate=_int(gates.vm_gate),
        gate_begin=_int(gates.gate_begin),
        opponent=_int(gates.opponent),
        clash=_int(gates.clash),
        clashes=np.ascontiguousarray(gates.clashes),
        families=families_of(instance),
        whole=whole_policies(families_of(instance), instance.movable),
        policy_price=np.full(instance.num_keys, instance.policy_write_price),
        vms_per_policy=_int([instance.vms_per_new_policy, instance.vms_per_existing_policy]),
        max_moves=_int([instance.num_vms if instance.max_moves is None else instance.max_moves]),
    )


def price_of_one_more(
    pair_price: FloatArray, peak_price: FloatArray, fair_share: IntArray, cap: IntArray, met: IntArray
) -> FloatArray:
    """Price of one more VM in each row; all arrays have shape (num_rows,)."""
    price: FloatArray = pair_price * met + peak_price * (met >= fair_share) + BLOCKED * (met >= cap)
    return price


def count(instance: Instance, options: IntArray) -> Counts:
    """Compute the counts of a schedule; ``options`` is copied."""
    rows = instance.rows
    met = row_counts(instance, options)
    policies = policy_counts(instance, options)
    lacking = policy_writes(instance, policies).sum(axis=1)
    extra, stuck = extra_writes(instance, options, policies)
    writes, num_vaults = lacking + extra, len(instance.vault_room)
    beyond = np.bincount(instance.key_vault, weights=extra, minlength=num_vaults)
    return Counts(
        options=_int(options).copy(),
        met=_int(met),
        marginal=price_of_one_more(rows.pair_price, rows.peak_price, rows.fair_share, rows.cap, met),
        policies=_int(policies),
        vault_writes=_int(np.bincount(instance.key_vault, weights=lacking, minlength=num_vaults)),
        group_writes=_int([writes[list(limit.keys)].sum() for limit in instance.write_limits]),
        shut=gate_counts(instance.gates, options).reshape(-1, NUM_OPTIONS),
        moves=_int([int((options != instance.today).sum())]),
        extra=extra,
        beyond=_int(np.where(stuck, -1, beyond)),
    )

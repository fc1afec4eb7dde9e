"""Instances written down by hand: a few VMs, the rows that they share, and the policies that they are in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.set_constraints import SetConstraints, no_gates
from optimizer.solve.problem.instance import NO_CAP, ExistingPolicy, Instance, OverlapRows, RowKind, WriteLimit

NUM_STARTS = 48


@dataclass(frozen=True)
class Row:
    """A row that some VMs touch when they start at some options.

    Parameters
    ----------
    vms, starts
        Indices of the VMs, and the options at which they are in the row.
    pair_price, peak_price, fair_share, cap, weight, overlaps, slot
        See :class:`optimizer.solve.problem.instance.OverlapRows`.
    group
        Index of the service, the vault or the capped group.
    """

    vms: Sequence[int]
    starts: Sequence[int]
    pair_price: float = 0.0
    peak_price: float = 0.0
    fair_share: int = 0
    cap: int = NO_CAP
    weight: float = 1.0
    overlaps: float = 0.0
    slot: int = 0
    group: int = 0

    @property
    def kind(self) -> RowKind:
        """What the row counts, by what it prices."""
        if self.cap != NO_CAP:
            return RowKind.CAP
        return RowKind.VAULT_STARTS if self.peak_price else RowKind.SERVICE


@dataclass(frozen=True)
class Shape:
    """Limits, prices and policies of an instance, with defaults under which nothing is scarce.

    Parameters
    ----------
    key, key_vault, service
        Twin key of each VM, vault of each key, and service of each VM; all 0 by default.
    policies
        Today's policies as (key, option, VMs, editable); by default one for each key and start of today.
    unknown
        (key, option) -> number of unplanned items.
    immovable, uncounted
        VMs that must not move, and VMs of policies that exceed their limit.
    """

    key: Sequence[int] | None = None
    key_vault: Sequence[int] = (0,)
    service: Sequence[int] | None = None
    policies: Sequence[tuple[int, int, tuple[int, ...], bool]] | None = None
    unknown: Mapping[tuple[int, int], int] = field(default_factory=dict)
    immovable: Sequence[int] = ()
    uncounted: Sequence[int] = ()
    room: Sequence[int] = (100,)
    per_new: int = 100
    per_old: int = 100
    write_price: float = 0.0
    move_price: float = 0.0
    max_moves: int | None = None
    write_limits: tuple[WriteLimit, ...] = ()
    gates: SetConstraints | None = None
    cap_names: tuple[str, ...] = ("cap",)


def priced(num_vms: int, prices: Mapping[tuple[int, int], float], elsewhere: float = 9.0) -> FloatArray:
    """Price of each start of each VM: as given for (VM, start), and the same at all other starts."""
    linear = np.full((num_vms, NUM_STARTS), elsewhere)
    for (v, t), price in prices.items():
        linear[v, t] = price
    return linear


def small_instance(
    today: Sequence[int],
    linear: FloatArray | None = None,
    rows: Sequence[Row] = (),
    shape: Shape | None = None,
    allowed: Mapping[int, Iterable[int]] | None = None,
) -> Instance:
    """An instance in which each VM is a class of its own.

    Parameters
    ----------
    today
        Today's option of each VM.
    linear
        Shape (V, 48): price of each option without that of the move; 0 by default.
    rows
        Rows of the instance.
    shape
        Limits, prices and policies.
    allowed
        VM -> its allowed options; those of a VM that is left out are all allowed.
    """
    shape = shape or Shape()
    num_vms, now = len(today), np.array(today, dtype=np.int64)
    key = np.zeros(num_vms, dtype=np.int64) if shape.key is None else np.array(shape.key, dtype=np.int64)
    movable = ~np.isin(np.arange(num_vms), shape.immovable)
    open_to = np.ones((num_vms, NUM_STARTS), dtype=np.bool_)
    for v, options in (allowed or {}).items():
        open_to[v] = np.isin(np.arange(NUM_STARTS), list(options))
    open_to[~movable] = np.arange(NUM_STARTS) == now[~movable, None]
    policies = _policies(shape, key, now)
    existing, unknown = np.zeros((2, len(shape.key_vault), NUM_STARTS), dtype=np.int64)
    for one in policies:
        existing[one.key, one.option] += not any(v in shape.uncounted for v in one.vms)
    for cell, count in shape.unknown.items():
        unknown[cell] = count
    moved = np.arange(NUM_STARTS) != now[:, None]
    prices = np.zeros((num_vms, NUM_STARTS)) if linear is None else linear
    return Instance(
        linear=prices + shape.move_price * moved,
        working_hours=np.zeros((num_vms, NUM_STARTS)),
        tie_rank=moved.astype(np.int64),
        risk=prices,
        allowed=open_to,
        today=now,
        movable=movable,
        weight=np.ones(num_vms),
        risk_weight=np.ones(num_vms),
        key=key,
        service=np.zeros(num_vms, np.int64) if shape.service is None else np.array(shape.service, dtype=np.int64),
        vm_class=np.arange(num_vms),
        key_vault=np.array(shape.key_vault, dtype=np.int64),
        existing=existing,
        unknown=unknown,
        counted_today=~np.isin(np.arange(num_vms), shape.uncounted),
        touched=_touched(num_vms, rows),
        rows=_rows(rows),
        policies=policies,
        vault_room=np.array(shape.room, dtype=np.int64),
        move_price=np.full(num_vms, shape.move_price),
        policy_write_price=shape.write_price,
        max_moves=shape.max_moves,
        vms_per_new_policy=shape.per_new,
        vms_per_existing_policy=shape.per_old,
        cap_names=shape.cap_names,
        write_limits=shape.write_limits,
        gates=no_gates(num_vms) if shape.gates is None else shape.gates,
    )


def _policies(shape: Shape, key: IntArray, today: IntArray) -> tuple[ExistingPolicy, ...]:
    if shape.policies is not None:
        return tuple(ExistingPolicy(k, t, vms, edit, edit) for k, t, vms, edit in shape.policies)
    cells = sorted({*zip(key.tolist(), today.tolist(), strict=True)})
    members = [np.flatnonzero((key == k) & (today == t)).tolist() for k, t in cells]
    return tuple(ExistingPolicy(k, t, tuple(vms), False) for (k, t), vms in zip(cells, members, strict=True))


def _touched(num_vms: int, rows: Sequence[Row]) -> IntArray:
    lists = [
        [[r for r, row in enumerate(rows) if v in row.vms and t in row.starts] for t in range(NUM_STARTS)]
        for v in range(num_vms)
    ]
    width = max((len(met) for options in lists for met in options), default=0)
    touched = np.full((num_vms, NUM_STARTS, max(1, width)), len(rows), dtype=np.int64)
    for v, t in itertools.product(range(num_vms), range(NUM_STARTS)):
        touched[v, t, : len(lists[v][t])] = lists[v][t]
    return touched


def _rows(rows: Sequence[Row]) -> OverlapRows:
    def floats(values: Iterable[float]) -> FloatArray:
        return np.array(list(values), dtype=np.float64)

    def integers(values: Iterable[int]) -> IntArray:
        return np.array(list(values), dtype=np.int64)

    return OverlapRows(
        pair_price=floats(row.pair_price for row in rows),
        peak_price=floats(row.peak_price for row in rows),
        fair_share=integers(row.fair_share for row in rows),
        cap=integers(row.cap for row in rows),
        size=integers(len(row.vms) for row in rows),
        weight=floats(row.weight for row in rows),
        overlaps=floats(row.overlaps for row in rows),
        slot=integers(row.slot for row in rows),
        kind=tuple(row.kind for row in rows),
        group=integers(row.group for row in rows),
    )


def apart(first: int, second: int, num_vms: int, clash: BoolArray, name: str = "apart") -> SetConstraints:
    """Gates of one rule that keeps two VMs apart: ``clash[t, u]`` says which starts of the two clash."""
    owners = sorted([(first, 0), (second, 1)])
    begin = [sum(v < w for v, _ in owners) for w in range(num_vms + 1)]
    return SetConstraints(
        vm_begin=np.array(begin, dtype=np.int64),
        vm_gate=np.array([gate for _, gate in owners], dtype=np.int64),
        gate_begin=np.array([0, 1, 2]),
        opponent=np.array([1, 0]),
        clash=np.array([0, 1]),
        clashes=np.stack([clash, clash.T]),
        name=(name, name),
    )


def same_start() -> BoolArray:
    """Clashes of VMs that may not start at the same time."""
    return np.eye(NUM_STARTS, dtype=np.bool_)


def every_schedule(instance: Instance) -> Iterator[IntArray]:
    """All schedules that the limits on single VMs allow."""
    for options in itertools.product(*(np.flatnonzero(row).tolist() for row in instance.allowed)):
        yield np.array(options, dtype=np.int64)

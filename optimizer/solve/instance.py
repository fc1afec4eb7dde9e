"""The constraint problem as plain arrays: what every solver behind :mod:`optimizer.solve.solver` reads.

Indices: ``v`` VM (row of ``Inventory.items``), ``t`` start option, ``k`` twin key, ``r`` row, ``c`` VM class.

A *row* counts VMs of a group that meet in one half hour of the week: VMs of one service whose snapshots may overlap
(see :mod:`optimizer.model.overlap`), start windows under one cap, or the starts of one vault.  Half hours that every
VM of the group meets alike are one row with a weight.  With ``n`` VMs in it, a row costs
``pair_price * n (n - 1) / 2 + peak_price * max(0, n - fair_share)``, and ``n <= cap``.
A *VM class* is a set of VMs that touch the same rows at every option.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.model.timegrid import NUM_OPTIONS

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NO_CAP = np.iinfo(np.int32).max
"""``Rows.cap`` of a row without a cap."""


class RowKind(StrEnum):
    """What a row counts, and which term of the objective or which rule it stands for."""

    SERVICE = "service"
    VAULT_STARTS = "vault starts"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows ``r`` of the instance; every array has shape (num_rows,).

    Parameters
    ----------
    pair_price
        Price of a pair of VMs in the row, per 30 days; 0 except for services.
    peak_price
        Price of a start above ``fair_share``; 0 but for vaults.
    fair_share
        Starts that cost nothing.
    cap
        Most VMs in the row; :data:`NO_CAP` where there is none.
    size
        VMs that could be in the row.
    weight
        Half hours that the row stands for, divided by 7: a mean per day.
    overlaps
        Expected overlapping snapshots per 30 days of each pair of VMs in the row; 0 except for services, and for
        those rows of a service that only raise the price of overlaps of its heavier VMs.
    slot
        First week slot that the row stands for.
    kind, group
        What is counted and for which group (index of the service, the vault or the cap).
    """

    pair_price: FloatArray
    peak_price: FloatArray
    fair_share: IntArray
    cap: IntArray
    size: IntArray
    weight: FloatArray
    overlaps: FloatArray
    slot: IntArray
    kind: tuple[RowKind, ...]
    group: IntArray

    def __len__(self) -> int:
        return len(self.pair_price)


@dataclass(frozen=True, slots=True)
class WriteLimit:
    """Most policies that may be created or edited in some twin keys.

    Parameters
    ----------
    name
        For messages.
    keys
        Twin keys that are counted.
    limit
        Most writes in all of them.
    """

    name: str
    keys: tuple[int, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Gates:
    """Options of one VM that exclude options of another: what ``separate`` and ``order`` demand.

    A *gate* is one side of one rule, seen by the VMs of one pattern: an option of a VM behind it is shut as long as
    some VM behind an opposing gate is at an option that clashes.  Opposition is stated in both directions.

    Parameters
    ----------
    vm_begin, vm_gate
        Gates of VM ``v`` are ``vm_gate[vm_begin[v]:vm_begin[v + 1]]``; shapes (V + 1,) and (any,).
    gate_begin, opponent, clash
        Opponents of gate ``h`` are ``opponent[gate_begin[h]:gate_begin[h + 1]]``, with the number of the matrix in
        ``clash`` at the same places; shapes (H + 1,), (any,) and (any,).
    clashes
        Shape (num_matrices, 48, 48), bool: whether option ``t`` of a VM behind the gate (first axis) cannot stand
        beside option ``u`` of a VM behind the opponent (second axis).
    name
        Length H: rule of each gate.
    hours
        Shape (num_matrices, 48, 48): smallest ``within`` in hours under which the two options do not clash; NaN in
        matrices of other demands.  None: there is no ``within``.
    """

    vm_begin: IntArray
    vm_gate: IntArray
    gate_begin: IntArray
    opponent: IntArray
    clash: IntArray
    clashes: BoolArray
    name: tuple[str, ...]
    hours: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.name)


def no_gates(num_vms: int = 0) -> Gates:
    """Gates of an instance whose rules demand none; an instance without VMs may leave their number out."""
    none = np.zeros(0, dtype=np.int64)
    return Gates(
        np.zeros(num_vms + 1, dtype=np.int64),
        none,
        np.zeros(1, dtype=np.int64),
        none,
        none,
        np.zeros((0, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_),
        (),
    )


@dataclass(frozen=True, slots=True)
class Instance:
    """A scheduling instance.

    Parameters
    ----------
    linear
        Shape (V, 48): risk that is credited times ``risk_weight``, plus the prices of the move and of starts in
        working hours, in at-risk backups per 30 days.
    working_hours
        Shape (V, 48): what of ``linear`` is the price of expected starts in working hours above those of today.
    tie_rank
        Shape (V, 48): among starts of equal cost, the one with the lowest rank is taken; 0 at today's start.
    risk
        Shape (V, 48): risk as reports state it, see :attr:`optimizer.risk.table.RiskTable.reported`.
    allowed
        Shape (V, 48): options that every rule and limit on the single VM allows.
    today
        Shape (V,): option of today.
    movable
        Shape (V,): False for pinned, excluded and unwritable VMs.
    weight
        Shape (V,): how much the risk and the overlaps of each VM count.  They are multiplied into ``linear`` and the
        prices of the rows already.
    risk_weight
        Shape (V,): the weight times the days between two runs, which the risk counts in ``linear``.
    key, service, vm_class
        Shape (V,): index of the twin key, of the service and of the class.
    key_vault
        Shape (K,): vault of each twin key.
    existing
        Shape (K, 48): policies that can take VMs at each start.
    unknown
        Shape (K, 48): items of these policies that are not rows of the instance.
    counted_today
        Shape (V,): False for the VMs of a policy that is over its limit today: they may stay there without
        counting, nobody may join them.
    touched
        Shape (C, 48, W): rows that a class touches at each option, padded with ``len(rows)``.
    policy_rows
        For each policy: its key, its option, the VMs in it, whether it may be edited.
    vault_room
        Shape (num_vaults,): policies that each vault may still create.
    move_price
        Shape (V,): price of moving each VM.
    policy_write_price
        Price of a policy write.
    max_moves
        Most VMs that may move, or None.
    vms_per_new_policy, vms_per_existing_policy
        Most VMs in a policy that is created or edited, and in one of today.
    cap_names
        Labels for messages.
    write_limits
        Most policies that may be created or edited, in all or in part of the twin keys.
    gates
        Which options of one VM exclude which of another.
    """

    linear: FloatArray
    working_hours: FloatArray
    tie_rank: IntArray
    risk: FloatArray
    allowed: BoolArray
    today: IntArray
    movable: BoolArray
    weight: FloatArray
    risk_weight: FloatArray
    key: IntArray
    service: IntArray
    vm_class: IntArray
    key_vault: IntArray
    existing: IntArray
    unknown: IntArray
    counted_today: BoolArray
    touched: IntArray
    rows: Rows
    policies: tuple[ExistingPolicy, ...]
    vault_room: IntArray
    move_price: FloatArray
    policy_write_price: float
    max_moves: int | None
    vms_per_new_policy: int
    vms_per_existing_policy: int
    cap_names: tuple[str, ...] = field(repr=False)
    write_limits: tuple[WriteLimit, ...] = ()
    gates: Gates = field(default_factory=no_gates)
    families: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    """Filled by :func:`optimizer.solve.executable.families_of` when it is first asked."""

    @property
    def num_vms(self) -> int:
        """Number of VMs."""
        return len(self.today)

    @property
    def num_keys(self) -> int:
        """Number of twin keys."""
        return len(self.key_vault)

    @property
    def peers(self) -> IntArray:
        """Number of each VM's service and weight; shape (V,).

        VMs of a service touch the same rows at a start only if they weigh the same: see
        :meth:`optimizer.solve.rows.RowBuilder.add_service`.
        """
        _, weight = np.unique(self.weight, return_inverse=True)
        return np.asarray(self.service * (int(weight.max(initial=0)) + 1) + weight)

    def counted(self, v: IntArray | int, t: IntArray | int) -> BoolArray:
        """Whether VM ``v`` at option ``t`` takes a place in a policy that counts."""
        return np.asarray(self.counted_today[v] | (t != self.today[v]))


@dataclass(frozen=True, slots=True)
class ExistingPolicy:
    """A policy of today that could be edited.

    Parameters
    ----------
    key, option
        Twin key and start of today.
    vms
        Rows of its VMs.
    editable
        Whether its time may be edited where all its VMs go to one new time.
    editable_unpinned
        Whether it could be if no rule held any of its VMs in place.
    """

    key: int
    option: int
    vms: tuple[int, ...]
    editable: bool
    editable_unpinned: bool = False

"""The constraint problem as plain arrays, which the bound, the search and the exact models read.

Indices: ``v`` VM (index in ``Inventory.items``), ``t`` start option, ``k`` twin key, ``r`` row, ``c`` VM class.

A *row* counts the VMs of a group that overlap in one half hour of the week: VMs of one service whose snapshots may
overlap (see :mod:`optimizer.model.snapshot_timing`), start windows under one cap, or the starts of one vault. Half
hours that every VM of the group takes alike are merged into one row with a weight. With ``n`` VMs in it, a row costs
``pair_price * n (n - 1) / 2 + peak_price * max(0, n - fair_share)``, and ``n <= cap``.
A *VM class* is a set of VMs that touch the same rows at every option.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.set_constraints import SetConstraints, no_gates

NO_CAP = np.iinfo(np.int32).max
"""Value of ``OverlapRows.cap`` for a row without a cap."""


class RowKind(StrEnum):
    """Kind of a row, which determines its term of the objective or its rule."""

    SERVICE = "service"
    VAULT_STARTS = "vault starts"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class OverlapRows:
    """Overlap rows ``r`` of the instance; every array has shape (num_rows,).

    Parameters
    ----------
    pair_price
        Price of a pair of VMs in the row, per 30 days; 0 except for services.
    peak_price
        Price of each start above ``fair_share``, per 30 days; 0 except for vaults.
    fair_share
        Number of starts that cost nothing.
    cap
        Maximum number of VMs in the row; :data:`NO_CAP` for a row without a cap.
    size
        Number of VMs that could be in the row.
    weight
        Number of half hours of the week that the row stands for, divided by 7: the mean per day.
    overlaps
        Expected overlapping snapshots per 30 days of each pair of VMs in the row. 0 except for services, and 0 for the
        rows of a service that only raise the price of overlaps between its VMs of higher weight.
    slot
        First slot of the week that the row stands for.
    kind, group
        What is counted, and for which group (index of the service, the vault or the capped group).
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
    """Maximum number of policies that may be created or edited in a set of twin keys.

    Parameters
    ----------
    name
        Name of the limit, for messages.
    keys
        Twin keys whose writes are counted.
    limit
        Maximum number of writes in all these keys together.
    """

    name: str
    keys: tuple[int, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of the scheduling problem.

    Parameters
    ----------
    linear
        Shape (V, 48): linear cost of each option, in at-risk backups per 30 days: credited risk times ``risk_weight``,
        plus the prices of the move and of starts in working hours.
    working_hours
        Shape (V, 48): the part of ``linear`` that prices expected starts in working hours beyond those at today's
        start.
    tie_rank
        Shape (V, 48): rank that breaks ties; among starts of equal cost, the one with the lowest rank is chosen. 0 at
        today's start.
    risk
        Shape (V, 48): risk as reports state it; see :attr:`optimizer.risk.table.RiskTable.reported`.
    allowed
        Shape (V, 48): options that every rule and limit on the single VM allows.
    today
        Shape (V,): today's option.
    movable
        Shape (V,): False for immovable VMs, which are pinned, excluded or unwritable.
    weight
        Shape (V,): how much the risk and the overlaps of each VM count. ``linear`` and the prices of the rows already
        include it.
    risk_weight
        Shape (V,): the weight times the number of days between two runs; ``linear`` already includes it.
    key, service, vm_class
        Shape (V,): index of the VM's twin key, service and class.
    key_vault
        Shape (K,): vault of each twin key.
    existing
        Shape (K, 48): number of today's policies that can take VMs at each start.
    unknown
        Shape (K, 48): number of unplanned items in these policies; they have no index in the instance.
    counted_today
        Shape (V,): False for the VMs of a policy that exceeds its limit today. They may stay there without being
        counted, and no other VM may join them.
    touched
        Shape (C, 48, W): rows that a class touches at each option, padded with ``len(rows)``.
    rows
        Counts that are priced or capped.
    policies
        Today's policies, each with its twin key, its option, its VMs and whether it may be edited.
    vault_room
        Shape (num_vaults,): number of policies that each vault may still create.
    move_price
        Shape (V,): price of moving each VM.
    policy_write_price
        Price of a policy write.
    max_moves
        Maximum number of VMs that may move; None for no limit.
    vms_per_new_policy, vms_per_existing_policy
        Maximum number of VMs in a policy that is created or edited, and in one of today's policies.
    cap_names
        Names of the capped groups, for messages.
    write_limits
        Limits on the number of policies that may be created or edited, in all twin keys or in some of them.
    gates
        Options of one VM that exclude options of another.
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
    rows: OverlapRows
    policies: tuple[ExistingPolicy, ...]
    vault_room: IntArray
    move_price: FloatArray
    policy_write_price: float
    max_moves: int | None
    vms_per_new_policy: int
    vms_per_existing_policy: int
    cap_names: tuple[str, ...] = field(repr=False)
    write_limits: tuple[WriteLimit, ...] = ()
    gates: SetConstraints = field(default_factory=no_gates)
    families: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    """Cache that :func:`optimizer.solve.problem.executable.families_of` fills on its first call."""

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
        """Index of each VM's combination of service and weight; shape (V,).

        VMs of a service touch the same rows at a start only if they have the same weight: see
        :meth:`optimizer.solve.problem.rows.RowBuilder.add_service`.
        """
        _, weight = np.unique(self.weight, return_inverse=True)
        return np.asarray(self.service * (int(weight.max(initial=0)) + 1) + weight)

    def counted(self, v: IntArray | int, t: IntArray | int) -> BoolArray:
        """Whether VM ``v`` at option ``t`` takes a place in a policy whose places are counted."""
        return np.asarray(self.counted_today[v] | (t != self.today[v]))


@dataclass(frozen=True, slots=True)
class ExistingPolicy:
    """One of today's policies.

    Parameters
    ----------
    key, option
        Twin key, and today's start option.
    vms
        Indices of its VMs.
    editable
        Whether its time may be edited if all its VMs go to the same new start.
    editable_unpinned
        Whether its time could be edited if no rule held any of its VMs at their start.
    """

    key: int
    option: int
    vms: tuple[int, ...]
    editable: bool
    editable_unpinned: bool = False

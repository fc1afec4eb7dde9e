"""Cost of one VM at each start option, with all other VMs where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.cost import gate_counts, policy_counts, policy_writes, row_counts
from optimizer.solve.problem.instance import NO_CAP, Instance
from optimizer.solve.problem.limits import MAX_MOVES, POLICIES_PER_VAULT, Limit, LimitKind


@dataclass(frozen=True, slots=True)
class OptionCosts:
    """Cost of one VM at each option by term, in at-risk backups per 30 days; every array has shape (48,).

    Differences between options are exact; the level is that of the VM alone.
    """

    risk: FloatArray
    overlap: FloatArray
    vault_peak: FloatArray
    working_hours: FloatArray
    policy: FloatArray
    move: FloatArray

    @property
    def total(self) -> FloatArray:
        """Sum of the terms."""
        return self.risk + self.overlap + self.vault_peak + self.working_hours + self.policy + self.move


class Marginals:
    """Costs of single VMs in a schedule.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): the schedule.
    """

    def __init__(self, instance: Instance, options: IntArray) -> None:
        self._instance = instance
        self._options = options
        rows = instance.rows
        self._count = np.append(row_counts(instance, options), 0)
        self._policies = policy_counts(instance, options)
        self._pair_price = np.append(rows.pair_price, 0.0)
        self._peak_price = np.append(rows.peak_price, 0.0)
        self._fair_share = np.append(rows.fair_share, 0)
        self._cap = np.append(rows.cap, NO_CAP)

    def of(self, v: int) -> OptionCosts:
        """Costs of a VM at each option."""
        instance = self._instance
        touched, others = self._others(v)
        moved = (np.arange(NUM_OPTIONS) != instance.today[v]) * instance.move_price[v]
        return OptionCosts(
            risk=instance.linear[v] - moved - instance.working_hours[v],
            overlap=(self._pair_price[touched] * others).sum(axis=1),
            vault_peak=(self._peak_price[touched] * (others >= self._fair_share[touched])).sum(axis=1),
            working_hours=instance.working_hours[v],
            policy=self._policy_prices(v),
            move=moved,
        )

    def blocked(self, v: int) -> dict[Limit, BoolArray]:
        """Rule -> shape (48,), True where the other VMs, at their present starts, block the option by cap or gate."""
        blocked: dict[Limit, BoolArray] = {}
        for limit, options in (*self._full_caps(v), *self._shut_gates(v)):
            blocked[limit] = blocked.get(limit, np.zeros(NUM_OPTIONS, np.bool_)) | options
        return blocked

    def _full_caps(self, v: int) -> Iterator[tuple[Limit, BoolArray]]:
        """Yield rules with a cap, each with shape (48,), True where the other VMs leave no room for the VM."""
        touched, others = self._others(v)
        full = others >= self._cap[touched]
        for row in np.unique(touched[full]).tolist():
            name = self._instance.cap_names[int(self._instance.rows.group[row])]
            yield Limit(name, LimitKind.RULE), (full & (touched == row)).any(axis=1)

    def _shut_gates(self, v: int) -> Iterator[tuple[Limit, BoolArray]]:
        """Yield rules on sets of VMs, each with shape (48,), True where the other VMs shut the option.

        A VM never shuts its own options, because it is behind one gate of a rule.
        """
        gates = self._instance.gates
        for gate in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
            shut = self._shut[gate] > 0
            if shut.any():
                yield Limit(gates.name[gate], LimitKind.RULE), shut

    def used_up(self, v: int, t: int) -> list[Limit]:
        """Limits of the whole plan that leave no room for a VM at an option."""
        instance, limits = self._instance, []
        moves_away = self._options[v] == instance.today[v] != t
        if moves_away and instance.max_moves is not None and self._num_moves >= instance.max_moves:
            limits.append(MAX_MOVES)
        if self._policy_prices(v)[t] > 0:
            limits += self._full_for_writes(int(instance.key[v]))
        return limits

    def _full_for_writes(self, k: int) -> Iterator[Limit]:
        """Yield the limits that allow no further policy of a key."""
        instance, writes = self._instance, self._writes_of_key
        for write_limit in instance.write_limits:
            if k in write_limit.keys and writes[list(write_limit.keys)].sum() >= write_limit.limit:
                yield Limit(write_limit.name, LimitKind.POLICY_WRITES)
        vault = int(instance.key_vault[k])
        if writes[instance.key_vault == vault].sum() >= instance.vault_room[vault]:
            yield POLICIES_PER_VAULT

    @cached_property
    def _num_moves(self) -> int:
        return int((self._options != self._instance.today).sum())

    @cached_property
    def _writes_of_key(self) -> IntArray:
        return np.asarray(policy_writes(self._instance, self._policies).sum(axis=1))

    @cached_property
    def _shut(self) -> IntArray:
        return gate_counts(self._instance.gates, self._options)

    def _others(self, v: int) -> tuple[IntArray, IntArray]:
        """Rows touched at each option, and the number of other VMs in them; both have shape (48, W)."""
        touched = self._instance.touched[self._instance.vm_class[v]]
        own = touched[int(self._options[v])]
        return touched, self._count[touched] - (touched[:, :, None] == own[None, None, :]).any(axis=2)

    def _policy_prices(self, v: int) -> FloatArray:
        instance = self._instance
        k, here = int(instance.key[v]), int(self._options[v])
        items = self._policies[k].copy()
        counted = np.arange(NUM_OPTIONS) != int(instance.today[v])
        counted |= bool(instance.counted_today[v])
        if counted[here]:
            items[here] -= 1
        limit, items = instance.vms_per_new_policy, items - instance.vms_per_existing_policy * instance.existing[k]
        before = np.maximum(0, -(-items // limit))
        after = np.maximum(0, -(-(items + counted) // limit))
        price: FloatArray = instance.policy_write_price * (after - before)
        return price

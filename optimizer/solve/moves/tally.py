"""Prices of a schedule by twin key: the cost of each VM elsewhere while all others stay."""

from __future__ import annotations

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.arrays import BLOCKED
from optimizer.solve.problem.cost import evaluate, gate_counts, policy_counts, policy_writes, row_counts
from optimizer.solve.problem.executable import extra_writes
from optimizer.solve.problem.instance import Instance


class Tally:
    """A schedule with its counts and its cost, which are updated move by move.

    The cost leaves out policies that only the order of writes needs; see :meth:`writes_beyond`.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): the schedule; copied.
    """

    def __init__(self, instance: Instance, options: IntArray) -> None:
        self.instance = instance
        self.options = options.copy()
        rows = instance.rows
        self._pair_price = np.append(rows.pair_price, 0.0)
        self._peak_price = np.append(rows.peak_price, 0.0)
        self._fair_share = np.append(rows.fair_share, np.iinfo(np.int64).max)
        self._cap = np.append(rows.cap, np.iinfo(np.int64).max)
        self._counts = np.append(row_counts(instance, options), 0)
        self._policies = policy_counts(instance, options)
        self._writes = policy_writes(instance, self._policies).sum(axis=1)
        self._base = np.where(instance.allowed, instance.linear, BLOCKED)
        self._shut = gate_counts(instance.gates, options)
        self._overlaps: dict[tuple[int, int], BoolArray] = {}
        touching: BoolArray = np.asarray((instance.touched < len(rows)).any(axis=1))
        self._width = touching.shape[1] - np.argmax(touching[:, ::-1], axis=1)
        self._price_of_one_more = np.zeros(len(rows) + 1)
        self._price_of_last = np.zeros(len(rows) + 1)
        self._refresh(np.arange(len(rows)))
        extra = extra_writes(instance, options, self._policies)[0].sum()
        self.cost = evaluate(instance, options).total - instance.policy_write_price * int(extra)
        self.num_moves = int((options != instance.today).sum())

    def differences(self, vms: IntArray) -> FloatArray:
        """Cost of each VM at each option minus its present cost, moved alone and without policies; shape (n, 48)."""
        everywhere = np.broadcast_to(np.arange(NUM_OPTIONS), (len(vms), NUM_OPTIONS))
        prices = self._prices(vms, everywhere)
        at_home: FloatArray = prices[np.arange(len(vms)), self.options[vms]]
        return prices - at_home[:, None]

    def difference(self, vms: IntArray, options: IntArray) -> FloatArray:
        """The differences of :meth:`differences` for one option of each VM; shape (n,)."""
        prices = self._prices(vms, np.stack([options, self.options[vms]], axis=1))
        return prices[:, 0] - prices[:, 1]

    def _prices(self, vms: IntArray, options: IntArray) -> FloatArray:
        """Price of each VM at the given options while all others stay; shape (n, m)."""
        instance, here = self.instance, self.options[vms]
        vm_class = instance.vm_class[vms]
        width = int(self._width[vm_class].max())
        touched = instance.touched[vm_class[:, None], options, :width]
        own = [self._overlap(c, t)[at] for c, t, at in zip(vm_class.tolist(), here.tolist(), options, strict=True)]
        price = np.where(np.array(own)[:, :, :width], self._price_of_last[touched], self._price_of_one_more[touched])
        total: FloatArray = self._base[vms[:, None], options] + price.sum(axis=2)
        gates = instance.gates
        for i, v in enumerate(vms.tolist() if len(gates) else ()):
            for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
                total[i] += BLOCKED * (self._shut[h, options[i]] > 0)
        return total

    def _overlap(self, vm_class: int, here: int) -> BoolArray:
        """Whether each row that a class touches is one that it also touches at the option ``here``; shape (48, W)."""
        overlap = self._overlaps.get((vm_class, here))
        if overlap is None:
            touched = self.instance.touched[vm_class]
            own = np.zeros(len(self._counts), dtype=np.bool_)
            own[touched[here]] = True
            own[-1] = False
            overlap = self._overlaps[vm_class, here] = own[touched]
        return overlap

    def opening_prices(self, k: int) -> FloatArray:
        """Price of the policies that one more VM of a twin key needs at each start; shape (48,)."""
        instance = self.instance
        without_place = self._without_place(k)
        opens = (without_place >= 0) & (without_place % instance.vms_per_new_policy == 0)
        return np.where(opens, self._write_price(k), 0.0)

    def _write_price(self, k: int) -> float:
        """Price of one more policy of a key; :data:`BLOCKED` if that would break a limit."""
        instance = self.instance
        vault = int(instance.key_vault[k])
        used = int(self._writes[instance.key_vault == vault].sum())
        full = used >= instance.vault_room[vault]
        for limit in instance.write_limits:
            full |= k in limit.keys and int(self._writes[list(limit.keys)].sum()) >= limit.limit
        return BLOCKED if full else instance.policy_write_price

    def leaving_to_close(self, k: int) -> IntArray:
        """Number of VMs that must leave each start of a key to save a policy write; 0 without a write; shape (48,)."""
        instance = self.instance
        limit, without_place = instance.vms_per_new_policy, self._without_place(k)
        needed = -(-without_place // limit)
        return np.where(needed > 0, without_place - limit * (needed - 1), 0)

    def _without_place(self, k: int) -> IntArray:
        """Items of a key at each start minus the capacity of today's policies (negative: room); shape (48,)."""
        instance = self.instance
        beyond: IntArray = self._policies[k] - instance.vms_per_existing_policy * instance.existing[k]
        return beyond

    def writes_beyond(self) -> int | None:
        """Number of extra policies that an order of writes needs; None if a limit breaks or no order exists."""
        extra, stuck = extra_writes(self.instance, self.options, self._policies)
        writes = self._writes + extra
        limits = self.instance.write_limits
        if stuck.any() or any(writes[list(limit.keys)].sum() > limit.limit for limit in limits):
            return None
        return int(extra.sum())

    def move(self, v: int, option: int) -> None:
        """Move a VM, even if that breaks a limit."""
        instance, k, here = self.instance, int(self.instance.key[v]), int(self.options[v])
        if here == option:
            return
        old, new = (self._own_rows(v, t) for t in (here, option))
        concerned = np.union1d(old, new)
        before = self._shared(concerned) + instance.policy_write_price * int(self._writes[k])
        self._counts[old] -= 1
        self._counts[new] += 1
        self._refresh(concerned)
        for t, by in ((here, -1), (option, 1)):
            if instance.counted(v, t):
                self._policies[k, t] += by
        self._writes[k] = np.maximum(0, -(-self._without_place(k) // instance.vms_per_new_policy)).sum()
        after = self._shared(concerned) + instance.policy_write_price * int(self._writes[k])
        self.cost += after - before + float(instance.linear[v, option] - instance.linear[v, here])
        self.num_moves += int(option != instance.today[v]) - int(here != instance.today[v])
        gates = instance.gates
        for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
            for at in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
                clash = gates.clashes[gates.clash[at]].astype(np.int64)
                self._shut[gates.opponent[at]] += clash[option] - clash[here]
        self.options[v] = option

    def _own_rows(self, v: int, option: int) -> IntArray:
        touched: IntArray = self.instance.touched[self.instance.vm_class[v], option]
        return touched[touched < len(self._counts) - 1]

    def _refresh(self, rows: IntArray) -> None:
        """Update the price of one more VM, and of the last VM, in some rows."""
        for prices, fewer in ((self._price_of_one_more, 0), (self._price_of_last, 1)):
            others = self._counts[rows] - fewer
            peak = self._peak_price[rows] * (others >= self._fair_share[rows])
            prices[rows] = self._pair_price[rows] * others + peak + BLOCKED * (others >= self._cap[rows])

    def _shared(self, rows: IntArray) -> float:
        count = self._counts[rows]
        excess = np.maximum(0, count - self._fair_share[rows])
        return float((self._pair_price[rows] * count * (count - 1) / 2 + self._peak_price[rows] * excess).sum())

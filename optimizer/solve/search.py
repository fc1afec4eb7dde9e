"""An assignment with its counts kept up to date, and local search by exact single moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.cost import count_edits, policy_counts, policy_writes, row_costs, row_counts
from optimizer.solve.instance import FloatArray, Instance, IntArray

IMPROVEMENT = 1e-9
"""A change has to gain more than this, so that rounding cannot make the search run in circles."""

BLOCKED = 1e9
"""Price of a change that a cap, the limit of policies or the limit of moves forbids."""

ShouldStop = Callable[[], bool]


class State:
    """An assignment with its counts, kept up to date move by move.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): a feasible assignment; copied.
    """

    def __init__(self, instance: Instance, options: IntArray) -> None:
        self.instance = instance
        self.options = options.copy()
        rows = instance.rows
        self._pair_price = np.append(rows.pair_price, 0.0)
        self._peak_price = np.append(rows.peak_price, 0.0)
        self._fair_share = np.append(rows.fair_share, 0)
        self._cap = np.append(rows.cap, np.iinfo(np.int64).max)
        self.counts = np.append(row_counts(instance, options), 0)
        self.marginal = np.zeros(len(rows) + 1)
        self._refresh(np.arange(len(rows)))
        self.policies = policy_counts(instance, options)
        # Dearer than any number of full caps: where every allowed option is blocked, one of those is taken.
        self.base = np.where(instance.allowed, instance.linear, 1e4 * BLOCKED)
        self.writes = policy_writes(instance, self.policies).sum(axis=1)
        self.num_moves = int((options != instance.today).sum())

    def vault_writes(self) -> IntArray:
        """Policies that each vault has to create or edit; shape (num_vaults,)."""
        room = self.instance.vault_room
        return np.bincount(self.instance.key_vault, weights=self.writes, minlength=len(room)).astype(np.int64)

    def _refresh(self, rows: IntArray) -> None:
        """Price of one more VM in some rows."""
        count = self.counts[rows]
        self.marginal[rows] = (
            self._pair_price[rows] * count
            + self._peak_price[rows] * (count >= self._fair_share[rows])
            + BLOCKED * (count >= self._cap[rows])
        )

    def remove(self, v: int) -> None:
        """Take a VM out of its place."""
        self._count(v, -1)

    def add(self, v: int, option: int) -> None:
        """Put a VM that was taken out at an option."""
        self.options[v] = option
        self._count(v, +1)

    def _count(self, v: int, by: int) -> None:
        instance, option = self.instance, int(self.options[v])
        rows = instance.touched[instance.vm_class[v], option]
        self.counts[rows] += by
        self.counts[-1] = 0
        self._refresh(rows)
        self.marginal[-1] = 0.0
        self.num_moves += by * int(option != instance.today[v])
        if option != instance.today[v] or instance.counted_today[v]:
            k = int(instance.key[v])
            before = self._writes_at(k, option)
            self.policies[k, option] += by
            self.writes[k] += self._writes_at(k, option) - before

    def _writes_at(self, k: int, option: int) -> int:
        needed = -(-int(self.policies[k, option]) // self.instance.max_vms_per_policy)
        return max(0, needed - int(self.instance.existing[k, option]))

    def prices(self, v: int) -> FloatArray:
        """Cost of putting a VM, that was taken out, at each option; shape (48,), exact for feasible ones."""
        instance = self.instance
        price = self.prices_without_policies(v)
        k = int(instance.key[v])
        items, limit = self.policies[k], instance.max_vms_per_policy
        opens = (items % limit == 0) & (items >= limit * instance.existing[k])
        if not instance.counted_today[v]:
            opens[instance.today[v]] = False
        price += opens * self._opening_price(k)
        return price

    def prices_without_policies(self, v: int) -> FloatArray:
        """The same as if every start had a policy with room; shape (48,)."""
        instance = self.instance
        price: FloatArray = self.base[v] + self.marginal[instance.touched[instance.vm_class[v]]].sum(axis=1)
        if instance.max_moves is not None and self.num_moves >= instance.max_moves:
            price += BLOCKED * (np.arange(NUM_OPTIONS) != instance.today[v])
        return price

    def _opening_price(self, k: int) -> float:
        vault = int(self.instance.key_vault[k])
        room = int(self.instance.vault_room[vault])
        price = self.instance.policy_write_price
        if room < self.instance.num_vms:
            used = int(self.writes[self.instance.key_vault == vault].sum())
            price += BLOCKED * (used >= room)
        return price

    def move_to_cheapest(self, v: int) -> bool:
        """Move a VM to its cheapest option; False where it is there already.

        A vault may be above its room because policies are edited as a whole; a move that takes a VM out of such a
        policy is taken back.
        """
        here = int(self.options[v])
        self.remove(v)
        price = self.prices(v)
        cheapest = int(np.argmin(price))
        moves = bool(price[cheapest] < price[here] - IMPROVEMENT)
        self.add(v, cheapest if moves else here)
        if moves and (self.vault_writes() > self.instance.vault_room).any() and not feasible(self):
            self.remove(v)
            self.add(v, here)
            return False
        return moves

    def cost(self) -> float:
        """The objective."""
        instance = self.instance
        linear = instance.linear[np.arange(instance.num_vms), self.options].sum()
        shared = row_costs(instance, self.counts[:-1])
        return float(linear + shared.sum() + instance.policy_write_price * self.writes.sum())


def improve_single_moves(state: State, vms: Iterable[int], should_stop: ShouldStop) -> None:
    """Move one VM at a time to its cheapest option until none gains.

    Parameters
    ----------
    state
        The assignment, changed in place.
    vms
        Which VMs may move.
    should_stop
        Asked now and then; ends the search with the assignment feasible.
    """
    order = [v for v in vms if state.instance.movable[v]]
    active = set(order)
    while active:
        todo = [v for v in order if v in active]
        active = set()
        for v in todo:
            if should_stop():
                return
            if state.move_to_cheapest(v):
                active.update(order)


def place_all(state: State, vms: Iterable[int]) -> None:
    """Put VMs that were taken out at their cheapest options, those with most to lose first.

    Parameters
    ----------
    state
        The assignment, changed in place.
    vms
        The VMs.
    """
    waiting = [(-regret(state.prices(v)), v) for v in vms]
    for _, v in sorted(waiting):
        state.add(v, int(np.argmin(state.prices(v))))


def regret(price: FloatArray) -> float:
    """What a VM loses where it does not get its cheapest option."""
    best, second = np.partition(price, 1)[:2]
    return float(min(second, BLOCKED) - min(best, BLOCKED))


def feasible(state: State) -> bool:
    """Whether the assignment keeps caps and limits; that the options are allowed is for the caller to see to."""
    instance = state.instance
    if (state.counts[:-1] > instance.rows.cap).any():
        return False
    if instance.max_moves is not None and state.num_moves > instance.max_moves:
        return False
    used = state.vault_writes()
    if (used <= instance.vault_room).all():
        return True
    return bool((used <= instance.vault_room + count_edits(instance, state.options)).all())


def steepest(instance: Instance, start: IntArray, should_stop: ShouldStop) -> IntArray:
    """Make the single move that gains most, again and again, as long as moves are left.

    Under a limit of moves the order decides what is gained; a gain mostly falls when others move, so the largest gain
    of before is tried first and only the VM on top is priced anew (lazy greedy; Minoux, 1978).

    Parameters
    ----------
    instance
        The problem.
    start
        Shape (V,): a feasible assignment.
    should_stop
        Asked before each move.
    """
    state = State(instance, start)
    queue = [(-_gain(state, v), v) for v in np.flatnonzero(instance.movable).tolist()]
    heapq.heapify(queue)
    while queue and not should_stop():
        _, v = heapq.heappop(queue)
        gain = _gain(state, v)
        if gain <= IMPROVEMENT:
            continue
        if queue and -queue[0][0] > gain + IMPROVEMENT:
            heapq.heappush(queue, (-gain, v))
        else:
            state.move_to_cheapest(v)
    return state.options


def _gain(state: State, v: int) -> float:
    """What moving a VM to its cheapest option gains."""
    state.remove(v)
    price = state.prices(v)
    state.add(v, int(state.options[v]))
    return float(price[state.options[v]] - price.min())

"""Local search on whole assignments: exact single moves, and opening, closing or exchanging starts of a twin key."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.cost import count_edits, policy_counts, row_counts
from optimizer.solve.instance import BoolArray, FloatArray, Instance, IntArray

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
        self.base = np.where(instance.allowed, instance.linear, BLOCKED)
        needed = -(-self.policies // instance.max_vms_per_policy)
        self.writes = np.maximum(0, needed - instance.existing).sum(axis=1)
        self.num_moves = int((options != instance.today).sum())
        self._edits = np.zeros(len(instance.vault_room), dtype=np.int64)
        self.recount_edits()

    def recount_edits(self) -> None:
        """Find anew which writes of vaults near their limit of policies are edits."""
        if (self.vault_writes() >= self.instance.vault_room).any():
            self._edits = count_edits(self.instance, self.options)

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
        price: FloatArray = self.base[v] + self.marginal[instance.touched[instance.vm_class[v]]].sum(axis=1)
        k = int(instance.key[v])
        full = self.policies[k] % instance.max_vms_per_policy == 0
        opens = full & (self.policies[k] // instance.max_vms_per_policy >= instance.existing[k])
        today = int(instance.today[v])
        if not instance.counted_today[v]:
            opens[today] = False
        price = price + opens * self._opening_price(k)
        if instance.max_moves is not None and self.num_moves >= instance.max_moves:
            price = price + BLOCKED * (np.arange(NUM_OPTIONS) != today)
        return price

    def _opening_price(self, k: int) -> float:
        vault = int(self.instance.key_vault[k])
        room = int(self.instance.vault_room[vault])
        price = self.instance.policy_write_price
        if room < self.instance.num_vms:
            used = int(self.writes[self.instance.key_vault == vault].sum())
            price += BLOCKED * (used >= room + int(self._edits[vault]))
        return price

    def cost(self) -> float:
        """The objective."""
        instance = self.instance
        rows, count = instance.rows, self.counts[:-1]
        linear = instance.linear[np.arange(instance.num_vms), self.options].sum()
        shared = rows.pair_price * (count * (count - 1) / 2) + rows.peak_price * np.maximum(0, count - rows.fair_share)
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
            if _move_to_best(state, v):
                active.update(order)
    state.recount_edits()


def _move_to_best(state: State, v: int) -> bool:
    here = int(state.options[v])
    state.remove(v)
    price = state.prices(v)
    best = int(np.argmin(price))
    moves = price[best] < price[here] - IMPROVEMENT
    state.add(v, best if moves else here)
    return bool(moves)


def place_all(state: State, vms: Iterable[int], open_options: BoolArray, *, removed: bool = False) -> None:
    """Take VMs out and put each at the cheapest of the open options, those with most to lose first.

    Parameters
    ----------
    state
        The assignment, changed in place.
    vms
        The VMs.
    open_options
        Shape (48,), bool: options to choose from; where none is allowed any option serves.
    removed
        The VMs were taken out before.
    """
    waiting = list(vms)
    for v in () if removed else waiting:
        state.remove(v)
    prices = {v: np.where(open_options, state.prices(v), BLOCKED) for v in waiting}
    waiting.sort(key=lambda v: (-_regret(prices[v]), v))
    for v in waiting:
        price = state.prices(v)
        among_open = np.where(open_options, price, BLOCKED)
        best = int(np.argmin(among_open if among_open.min() < BLOCKED / 2 else price))
        state.add(v, best)


def _regret(price: FloatArray) -> float:
    best, second = np.partition(price, 1)[:2]
    return float(min(second, BLOCKED) - min(best, BLOCKED))


def improve_keys(state: State, keys: Iterable[int], should_stop: ShouldStop) -> bool:
    """Close, open and exchange starts of twin keys while that gains; True where anything did."""
    members = {k: np.flatnonzero((state.instance.key == k) & state.instance.movable) for k in keys}
    gained = False
    for k, vms in members.items():
        for trial in _key_trials(state, k) if len(vms) else ():
            if should_stop():
                return gained
            gained |= _try_open_set(state, vms, *trial)
    return gained


def _key_trials(state: State, k: int) -> Iterable[tuple[int | None, int | None]]:
    """Pairs (start to close, start to open) of a key, closings of small starts first."""
    instance = state.instance
    used = [int(t) for t in np.argsort(state.policies[k], kind="stable") if state.policies[k, t] > 0]
    usable = instance.allowed[(instance.key == k) & instance.movable].any(axis=0)
    for t in used:
        yield t, None
    for t in np.flatnonzero(usable).tolist():
        yield None, t
    for closed in used:
        for step in (-1, 1, -2, 2, -3, 3):
            yield closed, (closed + step) % NUM_OPTIONS


def _try_open_set(state: State, members: IntArray, closed: int | None, opened: int | None) -> bool:
    """Reassign a key's VMs with one start closed and one opened; undone where that does not gain."""
    before = state.options[members].copy()
    cost = state.cost()
    num_options = np.zeros(NUM_OPTIONS, dtype=np.bool_)
    num_options[np.unique(before)] = True
    if closed is not None:
        if not num_options[closed]:
            return False
        num_options[closed] = False
    if opened is not None:
        if num_options[opened] and closed is None:
            return False
        num_options[opened] = True
    if not num_options.any():
        return False
    if closed is not None:
        place_all(state, members[before == closed].tolist(), num_options)
    else:
        _attract(state, members, int(opened or 0))
    if closed is not None and opened is not None:
        _attract(state, members, opened)
    if state.cost() < cost - IMPROVEMENT and feasible(state):
        return True
    for v, option in zip(members.tolist(), before.tolist(), strict=True):
        if state.options[v] != option:
            state.remove(v)
            state.add(v, option)
    return False


def _attract(state: State, members: IntArray, opened: int) -> None:
    """Let every VM of a key come to a start whose policy is taken as paid for."""
    price_of_opening = state.instance.policy_write_price
    for v in members.tolist():
        here = int(state.options[v])
        if here == opened:
            continue
        state.remove(v)
        price = state.prices(v)
        discount = price_of_opening if state.policies[state.instance.key[v], opened] == 0 else 0.0
        gains = price[opened] - discount < price[here] - IMPROVEMENT and price[opened] < BLOCKED / 2
        state.add(v, opened if gains else here)


def feasible(state: State) -> bool:
    """Whether the assignment keeps caps, options and limits."""
    instance = state.instance
    if (state.counts[:-1] > instance.rows.cap).any():
        return False
    if instance.max_moves is not None and state.num_moves > instance.max_moves:
        return False
    if not instance.allowed[np.arange(instance.num_vms), state.options].all():
        return False
    used = state.vault_writes()
    return bool((used <= instance.vault_room).all()) or bool(
        (used <= instance.vault_room + count_edits(instance, state.options)).all()
    )

"""Ruin and recreate: empty part of a twin key, open or close a start, put the VMs back, keep what is worth keeping.

Single moves cannot open a policy: the first VM to come would pay for it alone.  Here a start is opened as if it were
free, or closed, for as long as the VMs are put back; the true cost decides.

Schrimpf, Schneider, Stamm-Wilbrandt, Dueck, "Record breaking optimization results using the ruin and recreate
principle", Journal of Computational Physics 159 (2000); acceptance by simulated annealing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.instance import FloatArray, Instance, IntArray
from optimizer.solve.search import BLOCKED, IMPROVEMENT, State, feasible, regret

FIRST_TEMPERATURE = 0.05
LAST_TEMPERATURE = 0.001
"""A change for the worse by this much is accepted with probability 1/e, at the beginning and at the end."""

MAX_FROM_CLOSED = 30
"""VMs taken out of a start that is closed."""

OTHERS_WITH_CLOSED, OTHERS_ALONE = 8, 24
"""Further VMs of the key that are taken out, beside those of a closed start or without one."""

NEAR = 6
"""Half hours between a start that is closed and one that is opened for it."""

CLOSED_PRICE = 0.5
"""What going back to a closed start costs while VMs are put back."""

REGRET_NOISE = 0.05
"""Largest random part of the order in which VMs are put back."""

OnRound = Callable[[int, float], bool]


@dataclass(frozen=True, slots=True)
class _Ruin:
    """VMs that are taken out, the start that is closed to them, the start that is free for them."""

    key: int
    vms: IntArray
    closed: int | None
    opened: int | None


class _Keys:
    """Twin keys with VMs that may move, and where these may go."""

    def __init__(self, instance: Instance) -> None:
        self.movable = np.flatnonzero(instance.movable)
        self.members = {int(k): self.movable[instance.key[self.movable] == k] for k in np.unique(instance.key)}
        self.usable = {
            k: np.flatnonzero(instance.allowed[vms].any(axis=0)) for k, vms in self.members.items() if len(vms)
        }

    def draw(self, state: State, random: np.random.Generator) -> _Ruin:
        """A ruin of the key of a random VM: close a start, open one, or both."""
        key = int(state.instance.key[self.movable[random.integers(len(self.movable))]])
        vms, usable = self.members[key], self.usable[key]
        options = state.options[vms]
        kind = random.random()
        closed = opened = None
        if kind < 0.65:
            used = np.unique(options)
            closed = int(used[random.integers(len(used))])
        if kind > 0.35:
            anywhere = closed is None or random.random() < 0.3
            near = (closed or 0) + int(random.integers(-NEAR, NEAR + 1))
            opened = int(usable[random.integers(len(usable))]) if anywhere else near % NUM_OPTIONS
        leaving = vms[options == closed] if closed is not None else vms[:0]
        if len(leaving) > MAX_FROM_CLOSED:
            leaving = random.choice(leaving, MAX_FROM_CLOSED, replace=False)
        others = np.setdiff1d(vms, leaving)
        if opened is not None and len(others):
            most = OTHERS_WITH_CLOSED if closed is not None else OTHERS_ALONE
            leaving = np.concatenate([leaving, random.choice(others, min(most, len(others)), replace=False)])
        return _Ruin(key, leaving, closed, opened)


def anneal(state: State, num_rounds: int, seed: int, on_round: OnRound) -> IntArray:
    """Improve an assignment by ruining and recreating it.

    Parameters
    ----------
    state
        A feasible assignment, changed in place.
    num_rounds
        Work.
    seed
        Of everything random; equal seeds, equal results.
    on_round
        Called with (round, best cost); the search ends early where it returns False.

    Returns
    -------
    numpy.ndarray
        Shape (V,): the best assignment that was met.
    """
    random = np.random.default_rng(seed)
    keys = _Keys(state.instance)
    best, best_cost = state.options.copy(), state.cost()
    cost = best_cost
    for number in range(num_rounds if len(keys.movable) else 0):
        temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (number / num_rounds)
        ruin = keys.draw(state, random)
        before = state.options[ruin.vms].copy()
        possible = _recreate(state, ruin, random)
        change = state.cost() - cost
        if possible and (change <= 0 or random.random() < math.exp(-change / temperature)):
            cost += change
            if cost < best_cost - IMPROVEMENT:
                best, best_cost = state.options.copy(), cost
        else:
            _restore(state, ruin.vms, before)
        if not on_round(number + 1, best_cost):
            break
    return best


def _recreate(state: State, ruin: _Ruin, random: np.random.Generator) -> bool:
    """Take the VMs of a ruin out and put them back; False where a rule or limit does not let them."""
    for v in ruin.vms.tolist():
        state.remove(v)
    order = [regret(_relaxed(state, v, ruin)) + REGRET_NOISE * random.random() for v in ruin.vms.tolist()]
    for index in np.argsort(-np.array(order), kind="stable"):
        v = int(ruin.vms[index])
        state.add(v, int(np.argmin(_relaxed(state, v, ruin))))
    for _ in range(2):
        moved = False
        for v in ruin.vms.tolist():
            moved |= state.move_to_cheapest(v)
        if not moved:
            break
    return bool(state.instance.allowed[ruin.vms, state.options[ruin.vms]].all()) and feasible(state)


def _relaxed(state: State, v: int, ruin: _Ruin) -> FloatArray:
    """Prices with the opened start free and the closed one dear; shape (48,)."""
    price = state.prices(v)
    if ruin.opened is not None and state.policies[ruin.key, ruin.opened] == 0:
        without = state.prices_without_policies(v)[ruin.opened]
        if without < BLOCKED / 2:
            price[ruin.opened] = without
    if ruin.closed is not None:
        price[ruin.closed] += CLOSED_PRICE
    return price


def _restore(state: State, vms: IntArray, options: IntArray) -> None:
    for v, option in zip(vms.tolist(), options.tolist(), strict=True):
        if state.options[v] != option:
            state.remove(v)
            state.add(v, option)

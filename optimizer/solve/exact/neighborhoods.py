"""Selects what a neighborhood frees: VMs in a few half hours of a vault, in policies of a key, or of services."""

from __future__ import annotations

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.exact.cpsat import Subproblem
from optimizer.solve.problem.instance import Instance

MAX_FREE_VMS = 70
OPTIONS_PER_VM = 14


class Neighborhoods:
    """Repeatable, numbered neighborhoods of a schedule, of four kinds in turn.

    Parameters
    ----------
    instance
        The problem.
    reduced_costs
        Shape (V, 48): price of each option at the best multipliers; cheap options are the candidates.
    seed
        Random seed of the choice.
    """

    def __init__(self, instance: Instance, reduced_costs: FloatArray, seed: int) -> None:
        self._instance = instance
        self._reduced = np.where(instance.allowed, reduced_costs, np.inf)
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._movable = np.flatnonzero(instance.movable)
        self._kinds = (self._slots_of_vault, self._policies_of_key, self._slots_of_vault, self._services)

    def scope(self, number: int, options: IntArray) -> Subproblem:
        """Free some VMs of a schedule.

        Parameters
        ----------
        number
            Index of the neighborhood, from 0.
        options
            Shape (V,): the schedule.
        """
        self._random = np.random.default_rng((self._seed, number))
        free = self._kinds[number % len(self._kinds)](options)
        if len(free) > MAX_FREE_VMS:
            free = self._random.choice(free, MAX_FREE_VMS, replace=False)
        used = np.zeros((self._instance.num_keys, NUM_OPTIONS), dtype=np.bool_)
        used[self._instance.key, options] = True
        return Subproblem({int(v): self._candidates(int(v), int(options[v]), used) for v in np.sort(free)}, options)

    def _candidates(self, v: int, incumbent: int, used: BoolArray) -> list[int]:
        """Cheapest options by reduced cost, open starts preferred, plus the incumbent's option and today's."""
        cost = self._reduced[v] + 0.02 * ~used[self._instance.key[v]]
        best = np.argsort(cost, kind="stable")[:OPTIONS_PER_VM]
        wanted = {int(t) for t in best if np.isfinite(cost[t])} | {incumbent}
        if self._instance.allowed[v, self._instance.today[v]]:
            wanted.add(int(self._instance.today[v]))
        return sorted(wanted)

    def _slots_of_vault(self, options: IntArray) -> IntArray:
        """VMs of one vault that start in eight of its half hours."""
        vault_of = self._instance.key_vault[self._instance.key]
        vault = vault_of[self._pick_vm()]
        mine = self._movable[vault_of[self._movable] == vault]
        used = np.unique(options[mine])
        chosen = self._random.choice(used, min(8, len(used)), replace=False)
        return np.asarray(mine[np.isin(options[mine], chosen)])

    def _policies_of_key(self, options: IntArray) -> IntArray:
        """VMs of one twin key at four of its starts."""
        key = self._instance.key[self._pick_vm()]
        mine = self._movable[self._instance.key[self._movable] == key]
        used = np.unique(options[mine])
        chosen = self._random.choice(used, min(4, len(used)), replace=False)
        return np.asarray(mine[np.isin(options[mine], chosen)])

    def _services(self, _options: IntArray) -> IntArray:
        """All VMs of several services that share a vault, until the neighborhood is half full."""
        first = self._instance.service[self._pick_vm()]
        members = self._movable[self._instance.service[self._movable] == first]
        vault_of = self._instance.key_vault[self._instance.key]
        near = np.unique(self._instance.service[self._movable[np.isin(vault_of[self._movable], vault_of[members])]])
        for service in self._random.permutation(near).tolist():
            if len(members) >= MAX_FREE_VMS // 2:
                break
            members = np.union1d(members, self._movable[self._instance.service[self._movable] == service])
        return np.asarray(members)

    def _pick_vm(self) -> int:
        return int(self._random.choice(self._movable))

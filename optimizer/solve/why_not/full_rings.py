"""Forbids, in a counting model, trades of VMs between full policies if the first VM has no room to move.

A solution of the model says which policies are created and edited, and which VMs are assigned one by one. These
assignments have an order if and only if, in each connected group of starts that they link, a place is free after all
edits and creations: see :mod:`optimizer.solve.problem.executable`. The model does not contain this condition, because
it would need a constraint for every set of starts. Those that a solution violates are added, and the model is solved
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ortools.sat.python import cp_model

from optimizer.model.arrays import IntArray
from optimizer.solve.problem.executable import families_of
from optimizer.solve.why_not.counting_model import CountingModel


def forbid_rings(m: CountingModel, options: IntArray) -> bool:
    """Forbid the rings of full policies in a model's last solution; return whether it has any.

    For a ring with the starts ``S`` of a key, each group ``g`` that moves within ``S`` gets the constraint

        ``assigned[g, t] <= size[g] * (room in S + sum of assigned[h, u] over h that start in S and u outside S)``.

    The room counts today's free places, those that edits take away or bring, and those of new policies. A ring stays
    if some VMs that start in ``S`` today are not in the model, because they might make room.

    Parameters
    ----------
    m
        A model that was solved; one in which a limit may give way is left alone.
    options
        Option of each VM in the solution, in the order of the model's VMs.
    """
    if m.giving is not None or not m.writes:
        return False
    writes, any_ring = _Writes(m), False
    for k, cells in list(writes.rings(options)):
        members = np.flatnonzero((m.instance.key == k) & np.isin(m.instance.today, list(cells)))
        if np.isin(members, m.vms).all():
            writes.make_room(k, cells, np.unique(m.group_of[np.isin(m.vms, members)]).tolist())
            any_ring = True
    return any_ring


class _Writes:
    """Assignments, edits and creations of a model.

    Parameters
    ----------
    m
        The model.
    """

    def __init__(self, m: CountingModel) -> None:
        self.m, self.instance = m, m.instance
        self._room_today = families_of(m.instance).room_today
        self._edits: dict[int, list[tuple[int, int, cp_model.IntVar]]] = {}
        for (p, t), edit in m.edits.items():
            self._edits.setdefault(self.instance.policies[p].key, []).append((p, t, edit))

    def rings(self, options: IntArray) -> Iterator[tuple[int, frozenset[int]]]:
        """Yield the key and the starts of each connected group of assignments that has no room."""
        m, instance = self.m, self.instance
        today, key, policy = instance.today[m.vms], instance.key[m.vms], m.policy_of[m.vms]
        edited = [p for (p, _), edit in m.edits.items() if m.value(edit)]
        assigned = (options != today) & ~np.isin(policy, edited)
        # A VM that is not counted today leaves no place that another VM may take.
        begin = np.where(instance.counted_today[m.vms], today, options)
        for k in np.unique(key[assigned]).tolist():
            mine = assigned & (key == k)
            pairs = np.unique(np.stack([begin[mine], options[mine]], axis=1), axis=0)
            for cells in connected(map(tuple, pairs.tolist())):
                if not any(m.value(self._room(k, t)) for t in cells):
                    yield k, cells

    def make_room(self, k: int, cells: frozenset[int], groups: list[int]) -> None:
        """Let groups that start in some cells today move within these only if there is room, or some VMs leave."""
        counted = [g for g in groups if self.instance.counted_today[self.m.first_of(g)]]
        leaving = [self._assigned(g, t) for g in counted for t in self._goals(g) - cells]
        opened = cp_model.LinearExpr.sum([*leaving, *(self._room(k, t) for t in cells)])
        for g in groups:
            for t in cells & self._goals(g):
                self.m.model.add(self._assigned(g, t) <= self.m.size[g] * opened)

    def _goals(self, g: int) -> frozenset[int]:
        """New starts that the VMs of a group may have."""
        today = int(self.instance.today[self.m.first_of(g)])
        return frozenset(t for t in range(self._room_today.shape[1]) if t != today and (g, t) in self.m.n)

    def _assigned(self, g: int, t: int) -> cp_model.LinearExprT:
        """Number of VMs of a group that go to ``t`` on their own: ``n[g, t] - size[g] * edit[policy of g, t]``."""
        edit = self.m.edits.get((int(self.m.policy_of[self.m.first_of(g)]), t))
        return self.m.n[g, t] if edit is None else self.m.n[g, t] - self.m.size[g] * edit

    def _room(self, k: int, t: int) -> cp_model.LinearExprT:
        """Number of VMs that the policies of a cell can take after all edits and creations, before any assignment."""
        instance = self.instance
        terms: list[cp_model.LinearExprT] = [int(self._room_today[k, t])]
        if (k, t) in self.m.writes:
            terms.append(instance.vms_per_new_policy * self.m.writes[k, t])
        for p, new, edit in self._edits.get(k, ()):
            held = len(instance.policies[p].vms)
            if new == t:
                terms.append(-held * edit)
            elif instance.policies[p].option == t:
                terms.append((held - instance.vms_per_existing_policy) * edit)
        return cp_model.LinearExpr.sum(terms)


def connected(pairs: Iterable[tuple[int, ...]]) -> list[frozenset[int]]:
    """Connected groups of starts, given pairs of starts."""
    groups: list[frozenset[int]] = []
    for pair in pairs:
        joined = frozenset(pair).union(*(group for group in groups if not group.isdisjoint(pair)))
        groups = [*(group for group in groups if group.isdisjoint(pair)), joined]
    return groups

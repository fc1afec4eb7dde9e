"""Schedules that can be reached move by move, with the limits between VMs kept on the way.

A cap, or sets of VMs that are kept apart or in order, must hold after every single write. Two VMs that swap their
starts under a cap of one would overlap for a while, whichever goes first. So the cheapest schedule may have no order
of writes. Here the order is part of the problem: each VM that moves does so in one of a few *stages*.

Within a stage, the VMs may move in any order. This holds if every capped half hour has room for all VMs that are
there before the stage or after it, because no order puts more VMs there. So a start that a VM leaves in one stage is
free from the next stage on. With a stage for each move, the stages contain every order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import FAMILIES, Family, ScopedModel, Subproblem, behind_gates
from optimizer.solve.problem.cost import row_counts
from optimizer.solve.problem.instance import NO_CAP, Instance

NUM_STAGES = 6
"""Number of stages. A chain of VMs in which each makes room for the next one needs a stage for each VM."""

MOST_FREE = 40
"""Maximum number of VMs that are free at once."""

WORK = 0.2
"""Limit of CP-SAT in its deterministic seconds per unit of effort: 12 VMs and six moves take about three seconds."""


@dataclass(frozen=True, slots=True)
class _Moves:
    """VMs that have moved by the end of each stage.

    Parameters
    ----------
    done
        (v, t, stage) -> 1 if the free VM ``v`` has moved to ``t`` by the end of the stage.
    options
        Index of a free VM -> its new starts.
    """

    done: dict[tuple[int, int, int], cp_model.IntVar]
    options: dict[int, list[int]]

    def left(self, v: int, stage: int) -> list[cp_model.IntVar]:
        """Variables, one for each start; one is 1 if a VM has moved by the end of a stage. Empty before the first."""
        return [self.done[v, t, stage] for t in self.options[v]] if stage >= 0 else []


def stage_constraints(num_stages: int = NUM_STAGES) -> Family:
    """The constraints that let the free VMs move in stages, from today's starts; see this module.

    Parameters
    ----------
    num_stages
        Number of stages.
    """

    def add_stages(m: ScopedModel) -> None:
        moves = _add_moves(m, num_stages)
        _keep_caps(m, moves, num_stages)
        _keep_gates(m, moves, num_stages)

    return add_stages


def _add_moves(m: ScopedModel, num_stages: int) -> _Moves:
    """Let every free VM that moves do so once: ``done[v, t, stage]`` rises to ``x[v, t]`` with the stages."""
    today, done = m.instance.today, {}
    options = {v: [t for t in m.scope.options[v] if t != today[v]] for v in m.free.tolist()}
    for v, new in options.items():
        for t in new:
            for stage in range(num_stages - 1):
                done[v, t, stage] = m.model.new_bool_var(f"done[{v},{t},{stage}]")
                if stage:
                    m.model.add_implication(done[v, t, stage - 1], done[v, t, stage])
            done[v, t, num_stages - 1] = m.variables.x[v, t]
            if num_stages > 1:
                m.model.add_implication(done[v, t, num_stages - 2], m.variables.x[v, t])
    return _Moves(done, options)


def _keep_caps(m: ScopedModel, moves: _Moves, num_stages: int) -> None:
    """Keep every cap, or today's count if that is higher, for all VMs that are there before or after a stage."""
    rows, today = m.instance.rows, m.instance.today
    ceiling = np.maximum(rows.cap, row_counts(m.instance, today))
    for r in (r for r in m.row_terms if rows.cap[r] != NO_CAP):
        _keep_cap(m, moves, r, int(ceiling[r]), num_stages)


def _keep_cap(m: ScopedModel, moves: _Moves, r: int, ceiling: int, num_stages: int) -> None:
    """Keep at most ``ceiling`` VMs in a row at the end of every stage, with those that have not left yet."""
    terms, here = m.row_terms[r], _free_vms_in(m, r)
    within = set(terms)
    room = ceiling - int(m.fixed_rows[r]) - len(here)
    arriving = [(v, t) for v, t in terms if v not in here]
    if room >= len({v for v, _ in arriving}):
        return
    leaving = [(v, t) for v in sorted(here) for t in moves.options[v] if (v, t) not in within]
    for stage in range(num_stages):
        arrived = sum(moves.done[v, t, stage] for v, t in arriving)
        gone = sum(moves.done[v, t, stage - 1] for v, t in leaving) if stage else 0
        m.model.add(arrived <= room + gone)


def _free_vms_in(m: ScopedModel, r: int) -> set[int]:
    """Free VMs that are in a row today, also those that may not stay at today's start."""
    instance = m.instance
    rows_today = instance.touched[instance.vm_class[m.free], instance.today[m.free]]
    return set(m.free[(rows_today == r).any(axis=1)].tolist())


def _keep_gates(m: ScopedModel, moves: _Moves, num_stages: int) -> None:
    """Let no VM move to a start that clashes with today's start of another VM before that one has left."""
    gates, today = m.instance.gates, m.instance.today
    behind = behind_gates(m, np.arange(m.instance.num_vms))
    free = {h: [v for v in vms if v in m.scope.options] for h, vms in behind.items()}
    for h in behind:
        for entry in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
            clash = gates.clashes[gates.clash[entry]]
            for other in free.get(int(gates.opponent[entry]), ()):
                later = [v for v in free[h] if not clash[today[v], today[other]]]
                arriving = [(v, t) for v in later for t in moves.options[v] if clash[t, today[other]]]
                for (v, t), stage in itertools.product(arriving, range(num_stages)):
                    m.model.add(moves.done[v, t, stage] <= sum(moves.left(other, stage - 1)))


@dataclass(frozen=True, slots=True)
class InStages:
    """The cheapest schedule found that can be reached in stages.

    Parameters
    ----------
    options
        Shape (V,): start option of each VM; None if no schedule was found.
    bound
        Proven lower bound on the cost of every schedule that has an order of moves; None if the stages may not contain
        every order.
    """

    options: IntArray | None
    bound: float | None = None


def cheapest_in_stages(
    instance: Instance, hint: IntArray, stuck: Sequence[int], search: Search, seconds: float | None = None
) -> InStages:
    """Find the cheapest schedule that the VMs can reach from today's starts in stages.

    Parameters
    ----------
    instance
        The problem.
    hint
        Shape (V,): a schedule without the moves of ``stuck``, which can be reached. In an instance of more than
        :data:`MOST_FREE` VMs, only the VMs that are stuck and those in their way are free; all others start as here.
    stuck
        VMs that no order of writes could move.
    search
        Seed of CP-SAT, and the effort that limits its work.
    seconds
        Wall-clock limit in seconds, or None.
    """
    free = np.arange(instance.num_vms)
    if instance.num_vms > MOST_FREE:
        free = _in_the_way(instance, hint, stuck)
    options = {v: np.flatnonzero(instance.allowed[v]).tolist() for v in free.tolist()}
    model = ScopedModel(instance, Subproblem(options, hint), (*FAMILIES, stage_constraints()))
    answer = model.solve_without_rings(WORK * search.effort, search.seed, seconds)
    if answer.options is None:
        return InStages(None)
    return InStages(answer.options, answer.bound if _is_every_order(instance) else None)


def _is_every_order(instance: Instance) -> bool:
    """Whether the stages contain every order of writes: one for each move, and all VMs are free.

    An edit moves all VMs of a policy from one start to another. Under a cap, one stage allows it whenever it is
    possible. Between sets of VMs that are kept apart or in order, the stages are stricter.
    """
    moves = int(instance.movable.sum())
    moves = moves if instance.max_moves is None else min(moves, instance.max_moves)
    return instance.num_vms <= MOST_FREE and moves <= NUM_STAGES and not len(instance.gates)


def _in_the_way(instance: Instance, hint: IntArray, stuck: Sequence[int]) -> IntArray:
    """VMs that are stuck, and then VMs that have not moved and share most caps and sets with them; shape (n,)."""
    capped = np.append(instance.rows.cap != NO_CAP, False)
    taken = np.zeros(len(capped), dtype=np.int64)
    for v in stuck:
        reached = instance.touched[instance.vm_class[v], np.flatnonzero(instance.allowed[v])]
        taken[np.unique(reached)] += 1
    taken[~capped] = 0
    waiting = instance.movable & (hint == instance.today)
    waiting[list(stuck)] = False
    in_the_way = taken[instance.touched[instance.vm_class, instance.today]].sum(axis=1)
    nearest = np.argsort(-in_the_way, kind="stable")
    others = nearest[waiting[nearest]][: max(0, MOST_FREE - len(stuck))]
    return np.sort(np.concatenate([np.asarray(stuck, dtype=np.int64), others]))

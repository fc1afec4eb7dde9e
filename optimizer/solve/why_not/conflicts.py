"""Finds out why there is no schedule: the smallest sets of rules and limits that cannot all hold."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import EVERY_OPTION, Limit, Limits
from optimizer.solve.why_not.counting_model import stuck
from optimizer.solve.why_not.feasibility import GLOBAL_KINDS, Feasibility
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set

EVERYTHING = (1 << NUM_OPTIONS) - 1
"""All options, as bits of a Python integer."""

MAX_NODES = 20_000
"""Maximum number of sets examined per kind of VM; beyond it, an irreducible set is used instead of a smallest one."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rules and limits that cannot all hold.

    Parameters
    ----------
    limits
        The rules and limits, in the order in which they were written.
    vms
        Indices of VMs for which they cannot all hold.
    irreducible
        Whether each of them is needed: without any one of them, the others can hold.
    smallest
        Whether it is proven that no conflict of the instance has fewer rules and limits.
    """

    limits: tuple[Limit, ...]
    vms: tuple[int, ...]
    irreducible: bool = True
    smallest: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rules and limits."""
        return tuple(limit.name for limit in self.limits)


def find_conflicts(limits: Limits, feasibility: Feasibility) -> tuple[list[Conflict], SolveStatus]:
    """Find the conflicts of single VMs, and the smallest conflict of all, in the order of their size.

    Parameters
    ----------
    limits, feasibility
        The problem, and the object that answers whether some of its limits can hold.

    Returns
    -------
    conflicts, outcome
        INFEASIBLE with at least one conflict; otherwise FEASIBLE or UNKNOWN, and no conflict.
    """
    conflicts, outcome = first_conflicts(limits, feasibility)
    return (smallest_first(limits, feasibility, conflicts) if conflicts else []), outcome


def first_conflicts(limits: Limits, feasibility: Feasibility) -> tuple[list[Conflict], SolveStatus]:
    """Find the conflicts that need no search, in the order of their size; see :func:`find_conflicts`.

    These are the conflicts of single VMs or, if no VM is stuck by itself, one irreducible conflict.
    """
    answer = feasibility.check(limits.all)
    if answer.outcome is not SolveStatus.INFEASIBLE:
        return [], answer.outcome
    conflicts = single_vm_conflicts(limits, limits.all) or [shrink(limits, feasibility, limits.all)]
    return sorted(conflicts, key=lambda conflict: len(conflict.limits)), SolveStatus.INFEASIBLE


def smallest_first(
    limits: Limits,
    feasibility: Feasibility,
    conflicts: Sequence[Conflict],
    corrections: Iterable[frozenset[Limit]] = (),
) -> list[Conflict]:
    """Put a conflict with the fewest limits first, as far as the remaining work can prove it.

    Parameters
    ----------
    limits, feasibility
        The problem, and the object that answers whether some of its limits can hold.
    conflicts
        At least one conflict.
    corrections
        Sets of limits without which all others can hold.
    """
    first = min(conflicts, key=lambda conflict: len(conflict.limits))
    names, proven = smallest_conflict(limits, feasibility, frozenset(first.limits), corrections)
    same = [conflict for conflict in conflicts if frozenset(conflict.limits) == names]
    conflict = same[0] if same else Conflict(in_order(limits, names), shown_at(limits, feasibility, names))
    smallest = replace(conflict, irreducible=conflict.irreducible or proven, smallest=proven)
    rest = [other for other in conflicts if frozenset(other.limits) != names]
    return [smallest, *sorted(rest, key=lambda other: (len(other.limits), -len(other.vms)))]


def in_order(limits: Limits, names: Collection[Limit]) -> tuple[Limit, ...]:
    """Limits in the order in which they were written."""
    return tuple(limit for limit in limits.all if limit in names)


def single_vm_conflicts(limits: Limits, within: Collection[Limit]) -> list[Conflict]:
    """Conflicts of single VMs: each VM gets a smallest one, and a greedy choice keeps their number low."""
    rows = stuck(limits.forbidden(within))
    if not len(rows):
        return []
    vms_of: dict[tuple[Limit, ...], list[int]] = {}
    forbids = [limit for limit in limits.forbids if limit in within and limits.forbids[limit][rows].any()]
    bits = np.array([limits.forbids[limit][rows] for limit in forbids], dtype=np.uint64)
    for size in (1, 2):
        rows, bits = _cover_together(forbids, rows, bits, size, vms_of)
    if len(rows):
        _cover_each_kind(forbids, rows, bits, vms_of)
    return [Conflict(in_order(limits, names), tuple(sorted(vms))) for names, vms in vms_of.items()]


def _cover_each_kind(
    forbids: Sequence[Limit], rows: IntArray, bits: np.ndarray, vms_of: dict[tuple[Limit, ...], list[int]]
) -> None:
    """Find a smallest set of limits for each kind of VMs, those to which each limit forbids the same options."""
    kinds, kind_of = np.unique(bits, axis=1, return_inverse=True)
    for kind in range(kinds.shape[1]):
        names = tuple(forbids[position] for position in _smallest_cover(kinds[:, kind].tolist()))
        vms_of.setdefault(names, []).extend(rows[kind_of.ravel() == kind].tolist())


def _cover_together(
    forbids: Sequence[Limit], rows: IntArray, bits: np.ndarray, size: int, vms_of: dict[tuple[Limit, ...], list[int]]
) -> tuple[IntArray, np.ndarray]:
    """Remove the VMs whose options some ``size`` limits all forbid, those of the most common set of limits first."""
    sets = list(itertools.combinations(range(len(forbids)), size))
    covered = {
        positions: np.flatnonzero(np.bitwise_or.reduce(bits[list(positions)], axis=0) == EVERY_OPTION)
        for positions in sets
    }
    covered = {positions: vms for positions, vms in covered.items() if len(vms)}
    left = np.ones(len(rows), dtype=np.bool_)
    while covered:
        best = max(
            covered, key=lambda positions: (int(left[covered[positions]].sum()), [-position for position in positions])
        )
        mine = covered[best][left[covered[best]]]
        if not len(mine):
            break
        vms_of.setdefault(tuple(forbids[position] for position in best), []).extend(rows[mine].tolist())
        left[mine] = False
        del covered[best]
    return rows[left], bits[:, left]


def _smallest_cover(masks: Sequence[int]) -> tuple[int, ...]:
    """Positions of the fewest masks whose union is every option; of an irreducible set if that takes too long."""
    search = _CoverSearch(masks)
    for size in range(1, len(masks) + 1):
        cover = search.extend((), 0, size)
        if search.nodes > MAX_NODES:
            break
        if cover is not None:
            return tuple(sorted(cover))
    return _irreducible_cover(masks)


@dataclass(slots=True)
class _CoverSearch:
    """A depth-first search, by size, for masks whose union is every option.

    Parameters
    ----------
    masks
        Options that each limit forbids, as bits.
    nodes
        Number of steps so far.
    """

    masks: Sequence[int]
    nodes: int = 0

    def extend(self, chosen: tuple[int, ...], covered: int, size: int) -> tuple[int, ...] | None:
        """Positions of ``size`` masks, including the chosen ones; None if no such set covers every option."""
        self.nodes += 1
        if covered == EVERYTHING:
            return chosen
        if len(chosen) == size or self.nodes > MAX_NODES:
            return None
        for position in min(self._candidates(covered), key=len):
            deeper = self.extend((*chosen, position), covered | self.masks[position], size)
            if deeper is not None:
                return deeper
        return None

    def _candidates(self, covered: int) -> list[list[int]]:
        """Positions of the masks that forbid each open option; one of each list must be in the set."""
        open_options = [t for t in range(NUM_OPTIONS) if not covered >> t & 1]
        return [[position for position, mask in enumerate(self.masks) if mask >> t & 1] for t in open_options]


def _irreducible_cover(masks: Sequence[int]) -> tuple[int, ...]:
    """Positions of masks whose union is every option; without any one of them, it is not."""
    left = list(range(len(masks)))
    for position in range(len(masks)):
        others = [other for other in left if other != position]
        if np.bitwise_or.reduce(np.array([masks[other] for other in others], dtype=np.uint64)) == EVERY_OPTION:
            left = others
    return tuple(left)


def shrink(limits: Limits, feasibility: Feasibility, within: Iterable[Limit]) -> Conflict:
    """Reduce limits that cannot all hold to an irreducible conflict.

    They are reduced to the VMs that the proof was about and to the assumptions that CP-SAT needed for it, and then by
    QuickXplain (Junker, AAAI 2004).
    """
    kept = frozenset(within)
    blamed = feasibility.core(kept, feasibility.check(kept).vms)

    def infeasible(names: Sequence[Limit]) -> bool:
        return feasibility.check(names).outcome is SolveStatus.INFEASIBLE

    def explain(background: tuple[Limit, ...], grown: bool, rest: tuple[Limit, ...]) -> tuple[Limit, ...]:
        if grown and infeasible(background):
            return ()
        if len(rest) == 1 or feasibility.budget.over:
            return rest
        half = len(rest) // 2
        second = explain((*background, *rest[:half]), half > 0, rest[half:])
        first = explain((*background, *second), bool(second), rest[:half])
        return (*first, *second)

    ordered = in_order(limits, blamed)
    names = frozenset(explain((), False, ordered))
    irreducible = all(feasibility.check(names - {limit}).outcome is SolveStatus.FEASIBLE for limit in names)
    return Conflict(in_order(limits, names), shown_at(limits, feasibility, names), irreducible)


def smallest_conflict(
    limits: Limits, feasibility: Feasibility, known: frozenset[Limit], corrections: Iterable[frozenset[Limit]] = ()
) -> tuple[frozenset[Limit], bool]:
    """A conflict with the fewest limits, and whether it is proven that no smaller one exists.

    Every conflict contains a limit that a given schedule does not keep. So a smallest set that hits these limits of
    all known schedules is at most as large as the smallest conflict, and if the set cannot hold, it is one (Ignatiev,
    Previti, Liffiton, Marques-Silva, "Smallest MUS extraction with minimal hitting set dualization", CP 2015).

    Parameters
    ----------
    limits, feasibility
        The problem, and the object that answers whether some of its limits can hold.
    known
        A conflict.
    corrections
        Sets of limits without which all others can hold: every conflict contains a limit of each.
    """
    to_hit = list(corrections)
    everything = frozenset(limits.all)
    while not feasibility.budget.over:
        candidate = smallest_hitting_set(limits.all, to_hit)
        if candidate is None or len(candidate) >= len(known):
            return known, True
        answer = feasibility.check(candidate)
        if answer.outcome is SolveStatus.INFEASIBLE:
            return candidate, True
        if answer.outcome is SolveStatus.UNKNOWN:
            break
        to_hit.append(everything - grow(limits, feasibility, candidate)[0])
    return known, False


def grow(limits: Limits, feasibility: Feasibility, kept: frozenset[Limit]) -> tuple[frozenset[Limit], bool]:
    """Add limits that can hold together with the kept ones, as many as one pass finds.

    Returns
    -------
    grown, settled
        The limits that can all hold, and whether it is proven that none of the others can hold with them.
    """
    grown, settled = feasibility.holding(kept), True
    for limit in limits.all:
        if limit in grown:
            continue
        outcome = feasibility.check(grown | {limit}).outcome
        if outcome is SolveStatus.FEASIBLE:
            grown = feasibility.holding(grown | {limit})
        settled &= outcome is not SolveStatus.UNKNOWN
    return grown, settled


def shown_at(limits: Limits, feasibility: Feasibility, names: Collection[Limit]) -> tuple[int, ...]:
    """Indices of VMs at which a conflict shows: the groups that cannot keep the limits on their own, or else all."""
    forbidden = limits.forbidden(names)
    hopeless = stuck(forbidden)
    if len(hopeless):
        return tuple(hopeless.tolist())
    concerned = feasibility.concerned(names)
    local = [limit for limit in names if limit.kind not in GLOBAL_KINDS]
    parts = [
        part
        for part in feasibility.parts(local, concerned)
        if feasibility.place_part(frozenset(names), part, forbidden).outcome is SolveStatus.INFEASIBLE
    ]
    if parts:
        return tuple(np.sort(np.concatenate(parts)).tolist())
    proof = feasibility.check(names).vms
    return tuple((proof if len(proof) else concerned).tolist())

"""Puts reassignments of VMs in an order in which each VM finds room in its new policy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple


class Move(NamedTuple):
    """A VM that is assigned to another policy.

    Parameters
    ----------
    row
        Index of the VM.
    before, after
        Cells that it leaves and goes to. ``before`` is None if it leaves no place that another VM may take.
    """

    row: int
    before: Hashable | None
    after: Hashable


def order_of_moves(moves: Sequence[Move], room: Mapping[Hashable, int]) -> list[int]:
    """Indices of the VMs in an order in which each finds room; VMs of rings without room are left out.

    This is the proof above as an algorithm (Hierholzer, 1873). All open trails form one tour through an additional
    cell that represents everywhere else. Then each ring is a tour from one of its cells that has room.

    Parameters
    ----------
    moves
        VMs that are assigned one by one, of one or several keys. Cells of different keys differ.
    room
        Number of VMs that each cell could take before the first assignment, after all edits and creations.
    """
    outside = object()
    arrows = _arrows(moves, outside)
    rows = _tour(arrows, outside)
    for cell in [move.after for move in moves] if any(arrows.values()) else ():
        if room.get(cell, 0) > 0:
            rows += _tour(arrows, cell)
    return [row for row in rows if row >= 0]


def _arrows(moves: Sequence[Move], outside: Hashable) -> dict[Hashable, list[tuple[Hashable, int]]]:
    """Arrows from each cell to the cells that its new VMs leave, balanced by arrows from and to everywhere else."""
    surplus: Counter[Hashable] = Counter()
    arrows: defaultdict[Hashable, list[tuple[Hashable, int]]] = defaultdict(list)
    for move in reversed(moves):  # tours take arrows from the end, so the first move comes first
        surplus[move.after] += 1
        if move.before is not None:
            surplus[move.before] -= 1
        arrows[move.after].append((outside if move.before is None else move.before, move.row))
    for cell, more in surplus.items():
        begin, end = (outside, cell) if more > 0 else (cell, outside)
        arrows[begin].extend([(end, -1)] * abs(more))
    return arrows


def _tour(arrows: Mapping[Hashable, list[tuple[Hashable, int]]], begin: Hashable) -> list[int]:
    """A closed trail from a cell along all arrows that it can reach, as VM indices; the arrows are used up."""
    path, tour = [(begin, -1)], list[int]()
    while path:
        cell, row = path[-1]
        if arrows.get(cell):
            path.append(arrows[cell].pop())
        else:
            tour.append(row)
            path.pop()
    return tour[::-1]

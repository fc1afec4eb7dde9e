"""Probability that two snapshots overlap, worked out by the verifier with plain loops over half minutes."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from optimizer.model.snapshot_timing import SnapshotTiming

CELLS_PER_HALF_HOUR = 60
"""Delays are spread over cells of half a minute."""


@lru_cache(maxsize=256)
def exact_probabilities(timing: SnapshotTiming) -> tuple[float, ...]:
    """Exact probability for starts 0, 30, 60 ... minutes apart; 0 beyond the last one."""
    cells = _cells(timing)
    differences: defaultdict[int, float] = defaultdict(float)
    for one, share in cells.items():
        for other, other_share in cells.items():
            differences[one - other] += share * other_share
    reach = 2 * timing.snapshot_minutes
    farthest = (max(differences) + reach) // CELLS_PER_HALF_HOUR
    return tuple(
        sum(share * _inside(cell - apart * CELLS_PER_HALF_HOUR, reach) for cell, share in differences.items())
        for apart in range(farthest + 1)
    )


@lru_cache(maxsize=256)
def priced_probabilities(timing: SnapshotTiming) -> tuple[float, ...]:
    """Probability that has a price, for starts 0, 30, 60 ... minutes apart.

    For delays spread over two hours and snapshots of 15 minutes, it falls from 23 % to 0 in steps of a quarter. For
    any other timing, it is the largest convex function that nowhere exceeds the exact probability: at each distance,
    the lowest point of all lines between two of its values.
    """
    if timing.snapshot_minutes == 15 and not timing.delays:
        return (0.23, 0.1725, 0.115, 0.0575)
    exact = (*exact_probabilities(timing), 0.0)
    return tuple(_lowest_line(exact, distance) for distance in range(len(exact) - 1))


def _cells(timing: SnapshotTiming) -> dict[int, float]:
    """Share of the backups whose delay is in each half minute; a delay on the 5-minute grid is spread around it."""
    if not timing.delays:
        return dict.fromkeys(range(240), 1 / 240)
    return {
        10 * number - 5 + cell: share / 10 for number, share in enumerate(timing.delays) if share for cell in range(10)
    }


def _inside(cells: int, reach: int) -> float:
    """Share of the pairs of delays from two cells so far apart that differ by less than the snapshot's length."""
    if abs(cells) == reach:
        return 0.5
    return 1.0 if abs(cells) < reach else 0.0


def _lowest_line(values: tuple[float, ...], place: int) -> float:
    lines = [values[place]]
    for left in range(place):
        for right in range(place + 1, len(values)):
            share = (place - left) / (right - left)
            lines.append(values[left] * (1 - share) + values[right] * share)
    return min(lines)

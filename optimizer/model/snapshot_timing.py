"""When the snapshot of a scheduled backup runs, and how probable it is that two snapshots run at the same time.

Azure starts a backup within 120 minutes of its scheduled time. As long as nothing else is known about a vault, every
minute of these is equally likely, and a snapshot takes 15 minutes. Two backups scheduled ``d`` minutes apart then
overlap with the probability

    ``1 - (105 / 120)^2 = 0.234``             for ``d = 0``
    ``2 * 15 / 120 * (1 - d / 120)``          for ``15 <= d <= 105``: 0.188, 0.125, 0.063 for 30, 60, 90 minutes
    ``(15 / 120)^2 / 2 = 0.008``              for ``d = 120``, and 0 from 135 minutes on.

The solver needs this as pairs in half hours. A *box* of width ``w`` is a window of ``w`` half hours from each start.
Two boxes share ``max(0, w - d)`` half hours if the starts are ``d`` half hours apart. A sum of boxes can therefore
express any convex decreasing function of the distance. One box of four half hours shares 4, 3, 2, 1, 0 of them. With
0.0575 for each, which is a quarter of 0.23, the probabilities are 0.230, 0.173, 0.115, 0.058, 0. This is within 0.005
of the true value if backups start together, and within 0.015 at every distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from optimizer.errors import DataError
from optimizer.model.arrays import FloatArray
from optimizer.model.timegrid import (
    BIN_MINUTES,
    DEFAULT_SNAPSHOT_MINUTES,
    HORIZON_DAYS,
    SLOT_MINUTES,
    START_WINDOW_MINUTES,
)

NUM_DELAYS = START_WINDOW_MINUTES // BIN_MINUTES + 1
"""Number of start delays on the 5-minute grid: 0, 5, ..., 120 minutes."""

MAX_SNAPSHOT_MINUTES = 720
"""Maximum snapshot length, in minutes.

A window must end on the day after its start, and its samples must be countable in one byte.
"""


class Box(NamedTuple):
    """A part of the overlap probability that decreases linearly with the distance.

    Parameters
    ----------
    width
        Distance in half hours, 1 or more, at which the part reaches 0.
    weight
        Probability for each half hour that two boxes share.
    """

    width: int
    weight: float


class _Stretch(NamedTuple):
    """Minutes after the scheduled time over which a share of the backups starts, evenly spread."""

    begin: float
    minutes: float
    share: float


@dataclass(frozen=True)
class SnapshotTiming:
    """When the snapshots of a vault run: the start delay of its backups, and the length of their snapshots.

    Parameters
    ----------
    snapshot_minutes
        Length of the snapshot in minutes, 1 to 720.
    delays
        Probability of each start delay, rounded to 0, 5, ..., 120 minutes: 25 numbers that add up to 1. Empty: every
        minute of the two hours is equally likely.

    Raises
    ------
    ValueError
        The length is out of range, or the delays are not 25 probabilities.
    """

    snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES
    delays: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.snapshot_minutes <= MAX_SNAPSHOT_MINUTES:
            raise ValueError(f"snapshot_minutes is {self.snapshot_minutes}; allowed: 1 to {MAX_SNAPSHOT_MINUTES}")
        if not self.delays:
            return
        if len(self.delays) != NUM_DELAYS:
            raise ValueError(
                f"delays has {len(self.delays)} entries; allowed: {NUM_DELAYS}, one for each delay of 0, "
                f"{BIN_MINUTES}, ..., {START_WINDOW_MINUTES} minutes, or none"
            )
        if not (min(self.delays) >= 0 and math.isclose(sum(self.delays), 1, abs_tol=1e-6)):
            raise ValueError(
                f"delays has the minimum {min(self.delays):g} and the sum {sum(self.delays):g}; "
                "allowed: probabilities of at least 0 that add up to 1"
            )

    @property
    def window_minutes(self) -> int:
        """Length in minutes of the start window: two hours in which Azure may start a backup, and its snapshot.

        Caps and rules count the whole window, whatever delays are usual: a guarantee does not rest on a habit.
        """
        return START_WINDOW_MINUTES + self.snapshot_minutes

    @cached_property
    def overlap(self) -> tuple[float, ...]:
        """Priced probability that two snapshots overlap, by the number of half hours between their scheduled starts.

        Beyond the last entry, the probability is 0.
        """
        widest = max((box.width for box in self.boxes), default=1)
        return tuple(
            sum(box.weight * max(0, box.width - distance) for box in self.boxes) for distance in range(widest)
        )

    @cached_property
    def exact_overlap(self) -> tuple[float, ...]:
        """Probability that two snapshots overlap, without the approximation by boxes; see :attr:`overlap`."""
        farthest = -(-(START_WINDOW_MINUTES + BIN_MINUTES + self.snapshot_minutes) // SLOT_MINUTES)
        return tuple(
            self.probability_of_overlap(self, SLOT_MINUTES * distance) for distance in range(max(farthest, 1))
        )

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """Boxes that add up to the priced probability.

        They are the module's box of four half hours for the usual timing. For any other timing, they add up to the
        largest convex function that nowhere exceeds the exact probability, and equals it for starts at the same time.
        """
        if self == USUAL_TIMING:
            return _USUAL_BOXES
        below = _convex_below((*self.exact_overlap, 0.0, 0.0))
        bends = np.diff(below, 2)
        return tuple(Box(width, float(bend)) for width, bend in enumerate(bends.tolist(), start=1) if bend > 1e-12)

    @property
    def daily_pair(self) -> float:
        """Expected overlapping snapshots per 30 days of two daily backups with the same start; usually 6.9."""
        return HORIZON_DAYS * self.overlap[0]

    def probability_of_overlap(self, other: SnapshotTiming, minutes: float) -> float:
        """Exact probability that a snapshot of this timing and one of another timing run at the same time.

        Parameters
        ----------
        other
            Timing of the other snapshot.
        minutes
            Minutes from the scheduled time of this one to the scheduled time of the other; may be negative.

        Examples
        --------
        >>> [round(USUAL_TIMING.probability_of_overlap(USUAL_TIMING, 30 * d), 4) for d in range(6)]
        [0.2344, 0.1875, 0.125, 0.0625, 0.0078, 0.0]
        """
        earliest, latest = minutes - self.snapshot_minutes, minutes + other.snapshot_minutes
        return sum(
            mine.share
            * theirs.share
            * (_difference_below(mine, theirs, latest) - _difference_below(mine, theirs, earliest))
            for mine in self._stretches
            for theirs in other._stretches
        )

    def share_started(self, minutes: FloatArray) -> FloatArray:
        """Share of the backups that start within a number of minutes after their scheduled time.

        Parameters
        ----------
        minutes
            Minutes after the scheduled time, in an array of any shape; may be negative.
        """
        started = np.zeros(np.shape(minutes))
        for stretch in self._stretches:
            started += stretch.share * np.clip((minutes - stretch.begin) / stretch.minutes, 0.0, 1.0)
        return started

    def price_per_overlap(self, snapshot_overlap: float, all_at_once: float, num_vms: int) -> float:
        """Price of one expected overlapping snapshot in a service.

        If all VMs of a service start together every day, it usually has ``6.9 * n (n - 1) / 2`` overlaps in 30 days.
        In a small service this number is low, so the price is raised until these overlaps cost ``all_at_once`` in
        total.

        Parameters
        ----------
        snapshot_overlap, all_at_once
            Prices from the rules, in at-risk backups per 30 days.
        num_vms
            Number of VMs in the service, two or more.
        """
        return max(snapshot_overlap, all_at_once / (self.daily_pair * num_vms * (num_vms - 1) / 2))

    @cached_property
    def _stretches(self) -> tuple[_Stretch, ...]:
        """Distribution of the start delay. A delay on the grid was rounded, so it is spread over its 5 minutes."""
        if not self.delays:
            return (_Stretch(0, START_WINDOW_MINUTES, 1.0),)
        return tuple(
            _Stretch(number * BIN_MINUTES - BIN_MINUTES / 2, BIN_MINUTES, share)
            for number, share in enumerate(self.delays)
            if share
        )


_USUAL_BOXES = (Box(4, 0.0575),)

USUAL_TIMING = SnapshotTiming()
"""Timing of vaults about which nothing else is known: delays spread evenly over two hours, snapshots of 15 minutes."""


def common_timing(service: str, timings: Iterable[SnapshotTiming]) -> SnapshotTiming:
    """The one timing of the VMs of a service.

    The model prices pairs of snapshots by the distance of their starts alone, which needs one timing per service.

    Raises
    ------
    DataError
        The VMs have several timings.
    """
    first, *others = dict.fromkeys(timings)
    if others:
        lengths = " and ".join(f"{timing.snapshot_minutes} min" for timing in (first, *others))
        raise DataError(
            f"service {service!r} has VMs in vaults with {1 + len(others)} different snapshot timings (snapshots of "
            f"{lengths}); overlaps within a service can only be counted if all its vaults have the same start delay "
            "and snapshot length: give these vaults one timing, or make two services of it"
        )
    return first


def _difference_below(stretch: _Stretch, other: _Stretch, limit: float) -> float:
    """Probability that a delay in one stretch exceeds a delay in another one by less than ``limit`` minutes."""

    def area(minutes: float) -> float:
        return max(0.0, minutes) ** 2 / 2

    least = stretch.begin - other.begin - other.minutes
    above = limit - least
    total = area(above) - area(above - stretch.minutes) - area(above - other.minutes)
    total += area(above - stretch.minutes - other.minutes)
    return total / (stretch.minutes * other.minutes)


def _convex_below(values: Sequence[float]) -> FloatArray:
    """Largest convex function that nowhere exceeds the values."""
    corners: list[int] = []
    for distance, value in enumerate(values):
        while len(corners) > 1 and _lies_above(values, corners[-2], corners[-1], distance, value):
            corners.pop()
        corners.append(distance)
    return np.interp(np.arange(len(values)), corners, [values[corner] for corner in corners])


def _lies_above(values: Sequence[float], first: int, middle: int, last: int, value: float) -> bool:
    """Whether the middle one of three points does not lie below the line between the others."""
    return (values[middle] - values[first]) * (last - first) >= (value - values[first]) * (middle - first)

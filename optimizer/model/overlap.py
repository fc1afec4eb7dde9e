"""How likely two snapshots are to run at the same time, by how far apart their backups start.

A backup starts at any minute of the 120 after its scheduled time, and its snapshot takes 15 minutes.  Two backups
scheduled ``d`` minutes apart therefore overlap with the probability

    ``1 - (105 / 120)^2 = 0.234``             for ``d = 0``
    ``2 * 15 / 120 * (1 - d / 120)``          for ``15 <= d <= 105``: 0.188, 0.125, 0.063 for 30, 60, 90 minutes
    ``(15 / 120)^2 / 2 = 0.008``              for ``d = 120``, and 0 from 135 minutes on.

The solver wants the same as pairs in half hours.  A *box* of width ``w`` is a window of ``w`` half hours from each
start.  Two boxes share ``max(0, w - d)`` half hours for starts ``d`` half hours apart, so a sum of boxes is any convex
decreasing function of the distance.  One box of four half hours shares 4, 3, 2, 1, 0 of them; with 0.0575 for each, a
quarter of 0.23, it says 0.230, 0.173, 0.115, 0.058, 0: right within 0.005 where backups start together, and never
wrong by more than 0.015.
"""

from __future__ import annotations

from typing import NamedTuple

from optimizer.model.timegrid import HORIZON_DAYS


class Box(NamedTuple):
    """A part of the probability that falls off linearly with the distance.

    Parameters
    ----------
    width
        Half hours, 1 to 5, beyond which the part is 0.
    weight
        Probability for each half hour that two boxes share.
    """

    width: int
    weight: float


UNIFORM_DELAYS = (Box(4, 0.0575),)
"""Delays spread evenly over two hours, and snapshots of 15 minutes."""


def overlap_probability(distance: int, boxes: tuple[Box, ...] = UNIFORM_DELAYS) -> float:
    """Probability that two snapshots run at the same time.

    Parameters
    ----------
    distance
        Half hours between their scheduled starts.
    boxes
        What it is made of.

    Examples
    --------
    >>> [round(overlap_probability(d), 4) for d in range(5)]
    [0.23, 0.1725, 0.115, 0.0575, 0.0]
    """
    return sum(box.weight * max(0, box.width - abs(distance)) for box in boxes)


DAILY_PAIR = HORIZON_DAYS * overlap_probability(0)
"""Expected overlapping snapshots per 30 days of two daily backups with the same start: 6.9."""


def price_per_overlap(snapshot_overlap: float, all_at_once: float, num_vms: int) -> float:
    """Price of one expected overlapping snapshot in a service.

    A service whose VMs all start together every day has ``6.9 * n (n - 1) / 2`` overlaps in 30 days.  Where these are
    few, the price is raised until they cost ``all_at_once`` together.

    Parameters
    ----------
    snapshot_overlap, all_at_once
        Prices of the rules, in at-risk backups per 30 days.
    num_vms
        VMs of the service, two or more.
    """
    return max(snapshot_overlap, all_at_once / (DAILY_PAIR * num_vms * (num_vms - 1) / 2))

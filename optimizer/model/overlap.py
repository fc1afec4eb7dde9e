"""Probability that two snapshots run at the same time, given how far apart their backups are scheduled.

A backup starts at any minute of the 120 after its scheduled time, and its snapshot takes 15 minutes.  Two backups
scheduled ``d`` minutes apart therefore overlap with the probability

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

from typing import NamedTuple

from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES, HORIZON_DAYS, SLOT_MINUTES, START_WINDOW_MINUTES


class Box(NamedTuple):
    """A part of the overlap probability that decreases linearly with the distance.

    Parameters
    ----------
    width
        Distance in half hours, 1 to 5, at which the part reaches 0.
    weight
        Probability for each half hour that two boxes share.
    """

    width: int
    weight: float


UNIFORM_DELAYS = (Box(4, 0.0575),)
"""Boxes for delays spread evenly over two hours, and snapshots of 15 minutes."""


def overlap_probability(distance: int, boxes: tuple[Box, ...] = UNIFORM_DELAYS) -> float:
    """Probability that two snapshots run at the same time.

    Parameters
    ----------
    distance
        Half hours between their scheduled starts.
    boxes
        Boxes that add up to the probability.

    Examples
    --------
    >>> [round(overlap_probability(d), 4) for d in range(5)]
    [0.23, 0.1725, 0.115, 0.0575, 0.0]
    """
    return sum(box.weight * max(0, box.width - abs(distance)) for box in boxes)


def exact_overlap_probability(distance: int) -> float:
    """Probability that two snapshots run at the same time, without the approximation by boxes.

    Both delays are uniform over 120 minutes. Snapshots of 15 minutes overlap if the difference of their beginnings,
    which has a triangular density, is less than 15 minutes.

    Parameters
    ----------
    distance
        Half hours between their scheduled starts.

    Examples
    --------
    >>> [round(exact_overlap_probability(d), 4) for d in range(6)]
    [0.2344, 0.1875, 0.125, 0.0625, 0.0078, 0.0]
    """
    minutes = SLOT_MINUTES * abs(distance)
    return _delays_differ_by_less(DEFAULT_SNAPSHOT_MINUTES - minutes) - _delays_differ_by_less(
        -DEFAULT_SNAPSHOT_MINUTES - minutes
    )


def _delays_differ_by_less(minutes: float) -> float:
    """Probability that one uniform delay is less than this many minutes longer than another."""
    share = max(-1.0, min(1.0, minutes / START_WINDOW_MINUTES))
    return (1 + share) ** 2 / 2 if share < 0 else 1 - (1 - share) ** 2 / 2


DAILY_PAIR = HORIZON_DAYS * overlap_probability(0)
"""Expected number of overlapping snapshots in 30 days of two daily backups with the same start: 6.9."""


def price_per_overlap(snapshot_overlap: float, all_at_once: float, num_vms: int) -> float:
    """Price of one expected overlapping snapshot in a service.

    If all VMs of a service start together every day, it has ``6.9 * n (n - 1) / 2`` overlaps in 30 days. In a small
    service this number is low, so the price is raised until these overlaps cost ``all_at_once`` in total.

    Parameters
    ----------
    snapshot_overlap, all_at_once
        Prices from the rules, in at-risk backups per 30 days.
    num_vms
        Number of VMs in the service, two or more.
    """
    return max(snapshot_overlap, all_at_once / (DAILY_PAIR * num_vms * (num_vms - 1) / 2))

"""Student's t distribution with whole degrees of freedom, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimizer.risk.seasonal import FloatArray


def upper_tail(t: npt.ArrayLike, dof: int) -> FloatArray:
    """Upper tail probability P(T > t) for ``dof`` degrees of freedom.

    Uses the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.

    Raises
    ------
    ValueError
        ``dof`` is less than 1.
    """
    if dof < 1:
        raise ValueError(f"dof is {dof}; at least 1 is needed")
    angle = np.arctan(np.asarray(t, dtype=np.float64) / np.sqrt(dof))
    sine, squared = np.sin(angle), np.cos(angle) ** 2
    odd = dof % 2
    term, total = np.ones_like(angle), np.zeros_like(angle)
    for step in range(dof // 2):
        total = total + term
        term = term * squared * ((2 * step + 2) / (2 * step + 3) if odd else (2 * step + 1) / (2 * step + 2))
    within = 2 / np.pi * (angle + sine * np.cos(angle) * total) if odd else sine * total
    return np.asarray((1 - within) / 2)


def quantile(probability: float, dof: int) -> float:
    """The value of t that is exceeded with probability ``1 - probability``, for a probability from 0.5 to 0.9999."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        if float(upper_tail(middle, dof)) > 1 - probability:
            low = middle
        else:
            high = middle
    return high

"""Student's t distribution in closed form, against tables and against its density."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.risk.student import quantile, upper_tail


@pytest.mark.parametrize(
    ("dof", "t"), [(1, 6.314), (2, 2.920), (3, 2.353), (4, 2.132), (6, 1.943), (7, 1.895), (30, 1.697)]
)
def test_student_quantiles_are_those_of_the_tables(dof: int, t: float) -> None:
    """Five percent lie above the tabulated value, and as much below its negative."""
    assert quantile(0.95, dof) == pytest.approx(t, abs=1e-3)
    assert upper_tail(quantile(0.95, dof), dof) == pytest.approx(0.05)
    assert upper_tail(-t, dof) == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 5, 10, 29])
def test_the_tail_is_the_integral_of_the_density(dof: int) -> None:
    """Added up in small steps from 0 to t, the density leaves what the closed form says."""
    middle = (np.arange(40_000) + 0.5) / 20_000
    scale = math.gamma((dof + 1) / 2) / math.sqrt(dof * math.pi) / math.gamma(dof / 2)
    upto_two = float((scale * (1 + middle**2 / dof) ** (-(dof + 1) / 2)).sum() / 20_000)
    assert upper_tail(2.0, dof) == pytest.approx(0.5 - upto_two, abs=1e-8)


def test_half_of_the_values_lie_above_zero() -> None:
    """The distribution is symmetric, for odd and even degrees of freedom, and for whole arrays."""
    for dof in (1, 2, 7, 8):
        assert upper_tail(0.0, dof) == pytest.approx(0.5)
        above, below = upper_tail([1.5, -1.5], dof)
        assert above + below == pytest.approx(1)


def test_degrees_of_freedom_start_at_one() -> None:
    """A single observation has no spread to compare with."""
    with pytest.raises(ValueError, match="dof is 0; at least 1"):
        upper_tail(1.0, 0)

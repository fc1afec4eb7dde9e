"""The figures of the plan of three VMs are computed again, and wrong ones are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.verifier.stated_figures import check_figures
from optimizer.verifier.window_clock import WindowClock
from tests.verifier.three_vms_checked import checked, claims

CHECKED = checked()
CLOCK = WindowClock(CHECKED.before)


def test_the_figures_of_a_plan_are_right() -> None:
    """The verifier comes to the same objective, overlaps and peak by other means."""
    assert list(check_figures(CHECKED, CLOCK, claims())) == []


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("cost", "cost"),
        ("overlaps", "expected overlaps"),
        ("exact_overlaps", "exact overlaps"),
        ("weighted_overlaps", "weighted overlaps"),
        ("working_hours_starts", "expected starts in working hours"),
        ("peak", "peak concurrency"),
    ],
)
def test_each_wrong_figure_is_a_fault_of_its_own(field: str, name: str) -> None:
    """A figure that is off by one hundredth, or not a number, is named with both values."""
    for wrong in (0.01, float("nan")):
        stated = (getattr(claims(), field) or 0.0) + wrong
        fault, *_ = check_figures(CHECKED, CLOCK, replace(claims(), **{field: stated}))
        assert fault.startswith(f"the plan states {name} ")


def test_a_bound_above_the_cost_and_negative_spreading_costs_are_faults() -> None:
    """The bound may not exceed the cost without the spreading costs."""
    (fault,) = check_figures(CHECKED, CLOCK, replace(claims(), bound=claims().cost + 1))
    assert fault.startswith("the bound ")
    (fault,) = check_figures(CHECKED, CLOCK, replace(claims(), spreading_costs=-1.0))
    assert fault == "the plan states spreading costs -1.000000, below 0"
    less = list(check_figures(CHECKED, CLOCK, replace(claims(), spreading_costs=0.25)))
    assert less == [
        f"the bound {claims().bound:.6f} is above the cost {claims().cost:.6f} without 0.250000 for spread services"
    ]

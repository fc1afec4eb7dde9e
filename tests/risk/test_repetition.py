"""Whether busy hours repeat: a randomization test over blocks of days."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.risk.folds import Folds
from optimizer.risk.repetition import SIGNIFICANT, Repetition, look_for_repetition
from tests.benchmarks.promise_coverage import Setting, simulate
from tests.risk.sources import make_history


def test_repetition_is_told_from_chance() -> None:
    """VMs with hours of their own repeat; VMs that are busy at any hour do not, even if all are busy together."""
    random = np.random.default_rng(1)
    with_hours = look_for_repetition(Folds(simulate(Setting(profiled=1.0), random)[0]))
    assert with_hours.is_proven
    assert (with_hours.num_vms, with_hours.num_days) == (60, 31)
    for group in (1, 20):
        p_values = [
            look_for_repetition(Folds(simulate(Setting(profiled=0.0, group=group), random)[0])).p_value
            for _ in range(20)
        ]
        assert sum(p is not None and p <= 0.1 for p in p_values) <= 6
        assert np.mean([p or 0 for p in p_values]) > 0.3


def test_repetition_needs_three_blocks() -> None:
    """With five days there are two blocks, and nothing can be compared."""
    history = simulate(Setting(num_days=5, profiled=1.0), np.random.default_rng(1))[0]
    repetition = look_for_repetition(Folds(history))
    assert repetition.p_value is None
    assert not repetition.is_proven


def test_a_fleet_with_the_same_hours_every_day_repeats() -> None:
    """No rotation of 9,999 agrees as well, so the p-value is one in ten thousand."""
    shares = np.zeros((3, 48))
    shares[0, 4:8], shares[1, 20:24], shares[2, 40:44] = 0.9, 0.9, 0.9
    found = look_for_repetition(Folds(make_history(shares)))
    assert found == Repetition(pytest.approx(1e-4), 3, 28)
    assert found.is_proven


def test_a_fleet_that_is_busy_all_day_repeats_nothing() -> None:
    """A flat profile minus its mean is zero, and every rotation agrees with it as well."""
    found = look_for_repetition(Folds(make_history(np.full((2, 48), 0.5))))
    assert found.p_value == 1
    assert not found.is_proven


def test_significance_includes_its_limit() -> None:
    """A p-value of exactly 1 % is enough."""
    assert Repetition(SIGNIFICANT, 1, 28).is_proven
    assert not Repetition(SIGNIFICANT + 1e-9, 1, 28).is_proven

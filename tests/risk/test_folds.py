"""Folds: estimates without some blocks of days are those of the days that are left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.risk.folds import CHUNK_VMS, Folds
from optimizer.risk.history import RiskHistory
from optimizer.risk.seasonal import estimate_season, fleet_profile
from tests.risk.sources import make_history


def random_history(num_vms: int = 4, num_days: int = 28) -> RiskHistory:
    """Shares of every block drawn at random."""
    history = make_history(np.ones((num_vms, 48)), num_days)
    draws = np.random.default_rng(8).random(history.risk_sum.shape) * history.day_count
    return replace(history, risk_sum=draws.astype(np.float32))


@pytest.mark.parametrize("without", [(), (0,), (3, 7), (7, 3)])
def test_an_estimate_without_blocks_is_that_of_the_days_left(without: tuple[int, ...]) -> None:
    """Season and profile equal those of a history that never had these blocks, in whatever order they are given."""
    history = random_history()
    kept = [block for block in range(8) if block not in without]
    sums, counts = history.risk_sum[kept].sum(axis=0), history.day_count[kept].sum(axis=0)
    profile = fleet_profile(sums, counts)
    expected = estimate_season(sums, counts, history.usable_days[kept].sum(axis=0), profile)
    folds = Folds(history)
    np.testing.assert_allclose(folds.profile(tuple(sorted(without))), profile, rtol=1e-5)
    ((_, part),) = folds.parts(np.arange(4))
    found = part.season(*without)
    np.testing.assert_allclose(found.own, expected.own, rtol=1e-5)
    np.testing.assert_allclose(found.prior, expected.prior, rtol=1e-5)
    assert found.num_days.tolist() == expected.num_days.tolist()


def test_rounding_leaves_no_risk_where_there_was_none() -> None:
    """Hours at risk only in the block left out are exactly quiet without it, whatever subtracting sums leaves."""
    history = random_history()
    history.risk_sum[1:, :, 10:20] = 1e-6
    assert (Folds(history).profile((0,))[10:20] == 0).all()


def test_observed_shares_are_those_of_each_block() -> None:
    """Plain quotients by block, NaN where a block knows no day, in the order of the rows asked for."""
    history = random_history()
    history.day_count[2, 3, 5] = 0
    ((_, part),) = Folds(history).parts(np.array([3, 0]))
    assert np.isnan(part.observed[2, 0, 5])
    assert part.observed[4, 1, 7] == pytest.approx(history.risk_sum[4, 0, 7] / history.day_count[4, 0, 7])


def test_vms_come_in_chunks_that_cover_all_rows() -> None:
    """Slices of the rows asked for, in order, each with its VMs."""
    folds = Folds(make_history(np.zeros((CHUNK_VMS + 3, 48)), 7))
    rows = np.arange(CHUNK_VMS + 3)[::-1].copy()
    parts = list(folds.parts(rows))
    assert [len(part.rows) for _, part in parts] == [CHUNK_VMS, 3]
    assert np.concatenate([part.rows for _, part in parts]).tolist() == rows.tolist()
    assert np.concatenate([rows[chunk] for chunk, _ in parts]).tolist() == rows.tolist()


@pytest.mark.parametrize(("num_vms", "num_days", "enough"), [(1, 6, True), (1, 5, False), (0, 28, False)])
def test_there_must_be_busy_vms_and_three_blocks(num_vms: int, num_days: int, enough: bool) -> None:
    """With two blocks, or without a busy VM, there is nothing to leave out and judge on."""
    folds = Folds(make_history(np.zeros((num_vms, 48)), num_days))
    assert folds.enough is enough
    assert len(folds) == num_vms

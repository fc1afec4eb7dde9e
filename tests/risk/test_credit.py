"""Credit: gains are believed by days that the choice was not made on."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.risk.credit import FALSE_DISCOVERIES, FoldGains, believe_gains, best_option


def test_a_gain_that_every_block_shows_is_believed_whole() -> None:
    """Agreeing blocks are believed for their own sake, whether or not the estate repeats."""
    gains = FoldGains(np.full((8, 3), 5.0), np.full((8, 3), 5.0) + np.linspace(-0.2, 0.2, 8)[:, None])
    assert (believe_gains(gains, repeats=False) > 0.99).all()
    assert (believe_gains(gains, repeats=True) > 0.99).all()


def test_a_gain_that_no_block_shows_is_not_believed() -> None:
    """The in-sample gain of a VM whose held-out blocks scatter around zero is credited with next to nothing."""
    realized = np.array([4.0, -4, 5, -5, 3, -3, 2, -2])[:, None] * np.ones(20)
    gains = FoldGains(np.full((8, 20), 2.0), realized)
    assert (believe_gains(gains, repeats=False) == 0).all()
    assert (believe_gains(gains, repeats=True) < 0.01).all()


def test_a_vm_that_says_little_gets_the_share_of_its_estate() -> None:
    """Of an estate whose blocks realize half of what is claimed, an undecided VM is credited with about half."""
    claimed, realized = np.full((8, 41), 2.0), np.full((8, 41), 1.0)
    realized[:, :40] += np.linspace(-0.1, 0.1, 8)[:, None]
    realized[:, 40] = [30.0, -30, 30, -30, 30, -30, 30, -30]
    credit = believe_gains(FoldGains(claimed, realized), repeats=True)
    assert credit[40] == pytest.approx(0.49, abs=0.02)
    assert believe_gains(FoldGains(claimed, realized), repeats=False)[40] == 0


def test_unknown_blocks_do_not_count() -> None:
    """A VM is judged on the blocks in which its load is known."""
    claimed, realized = np.full((8, 1), 5.0), np.full((8, 1), 5.0)
    realized[::2] = np.nan
    assert believe_gains(FoldGains(claimed, realized), repeats=False)[0] > 0.99
    realized[:] = np.nan
    assert believe_gains(FoldGains(claimed, realized), repeats=True)[0] == 0


def test_the_best_option_is_the_lowest_allowed_one_and_todays_at_a_tie() -> None:
    """A forbidden option is never chosen, and a VM only leaves today's option for a lower risk."""
    risk = np.full((3, 48), 5.0)
    risk[0, 10], risk[0, 11] = 1.0, 2.0
    risk[1, 10] = 5.0 - 1e-12
    allowed = np.ones((3, 48), dtype=np.bool_)
    allowed[0, 10] = False
    today = np.array([3, 3, 7])
    assert best_option(risk, allowed, today).tolist() == [11, 3, 7]


def test_a_vm_with_nothing_to_gain_gets_the_share_of_its_estate() -> None:
    """Its credit never matters for its own gain, which is zero; the estate's share is reported for it."""
    claimed, realized = np.full((8, 3), 2.0), np.full((8, 3), 1.0) + np.linspace(-0.01, 0.01, 8)[:, None]
    claimed[:, 2] = realized[:, 2] = 0.0
    assert believe_gains(FoldGains(claimed, realized), repeats=True)[2] == pytest.approx(0.5, abs=0.01)
    assert believe_gains(FoldGains(claimed, realized), repeats=False)[2] == 0


def test_few_vms_are_credited_by_chance() -> None:
    """Where realized gains are noise around zero, about one estate in twenty has a VM that passes the test."""
    random = np.random.default_rng(5)
    credited = [
        bool(believe_gains(FoldGains(np.ones((8, 30)), random.normal(size=(8, 30))), repeats=False).any())
        for _ in range(300)
    ]
    assert np.mean(credited) <= 2 * FALSE_DISCOVERIES


def test_one_judgment_is_no_evidence() -> None:
    """A VM that is known in one block only has no spread, and is not credited by itself."""
    realized = np.full((8, 1), np.nan)
    realized[0] = 5.0
    assert believe_gains(FoldGains(np.full((8, 1), 5.0), realized), repeats=False)[0] == 0


def test_gains_can_leave_a_block_out() -> None:
    """The other blocks stay in order."""
    gains = FoldGains(np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2))
    without = gains.without(1)
    assert without.claimed.tolist() == [[0, 1], [4, 5]]
    assert without.realized.tolist() == [[0, -1], [-4, -5]]

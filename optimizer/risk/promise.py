"""What a schedule is expected to change, with its uncertainty, from choices judged on days they were not made on.

The risk that a plan states for its own choices is too low, since each was chosen for looking low (the winner's curse).
Here every decision is taken again without one block of days, credit included, and judged on that block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.risk.clusters import find_clusters
from optimizer.risk.credit import TIE, FoldGains, believe_gains, best_option, gains_without
from optimizer.risk.folds import MIN_BLOCKS
from optimizer.risk.forecast import Forecast
from optimizer.risk.options import RISK_DECIMALS, IntArray, OptionPart, option_parts
from optimizer.risk.seasonal import BoolArray, FloatArray, divide_known
from optimizer.risk.student import quantile
from optimizer.risk.table import RiskTable, busy_items, forecast_rows

CONFIDENCE = 0.9
"""Probability with which the interval is meant to hold the change that is expected."""

NUM_DRAWS = 1000
"""Resamplings of blocks and clusters."""

NORMAL_95 = 1.6448536269514722
"""95 % quantile of the normal distribution, which an interval of 90 % has on both sides."""


@dataclass(frozen=True)
class ExpectedChange:
    """Expected change of at-risk backups per 30 days, negative where there will be fewer, and its 90 % interval.

    Parameters
    ----------
    value, low, high
        The change and its interval. ``value`` is never below ``-today``. ``low`` may be: days are resampled for it,
        and today's schedule may risk more on them.
    today
        At-risk backups per 30 days of today's schedule, on the same days. Observed frequencies, not smoothed.
    """

    value: float
    low: float
    high: float
    today: float

    @property
    def plan(self) -> float:
        """At-risk backups per 30 days of the schedule that is judged."""
        return max(self.today + self.value, 0.0)


@dataclass(frozen=True)
class Decisions:
    """A schedule, and what it was free to do.

    Parameters
    ----------
    today, options
        Shape (V,): start option of each item today and in the schedule.
    allowed
        Shape (V, 48): options that the rules leave.
    move_price
        Shape (V,): gain from which on a VM is moved.
    max_increase
        Increase of the risk of a VM that is accepted.
    """

    today: npt.NDArray[np.integer]
    options: npt.NDArray[np.integer]
    allowed: BoolArray
    move_price: FloatArray
    max_increase: float


def expected_change(
    inventory: Inventory,
    forecast: Forecast,
    table: RiskTable,
    decisions: Decisions,
    *,
    agentless_at_risk: bool = False,
    seed: int = 0,
) -> ExpectedChange | None:
    """Estimate what a schedule changes, out of fold, and how sure that is.

    For each block of days, the credit and the best option of every VM are worked out without this block. A VM that
    would then be moved for its risk counts with what that option gains in the block, times the share of its possible
    gain that the schedule realizes: rules and other VMs keep some from their best option. The mean share stands in
    for VMs that the whole history does not move. A VM that is moved for other reasons counts with the mean gain of
    the options that it might have gone to. The figures of a block do not depend on decisions that have seen it, so
    the estimate is unbiased for decisions made on all blocks but one: without any profile its expectation is 0,
    whatever the schedule. (Two things are not decided anew, ``k`` and whether the estate's profiles repeat.)

    For the interval, blocks are drawn with replacement, the same ones for all VMs, since all may have been busy on
    the same days. Clusters of VMs that move together are drawn at the same time, and multiply how far a block of a
    cluster is from the cluster's mean: the estate is given, what is uncertain is the noise of its VMs. That counts
    the noise of single clusters twice, so the interval is too wide rather than too narrow. As there are only three
    to eight blocks, deviations are widened by ``sqrt(B / (B - 1))`` and by the ratio of Student's quantile to the
    normal one. Where the estate's profiles are not known to repeat, the lower end is made to reach the credited
    change: decisions on fewer days may then be too timid to credit any VM at all.

    The base is what today's schedule risked in the same blocks, as observed: the estimate of the forecast is smoothed
    over the time of day, and its figures must not stand beside these. VMs without enough history of their own count
    with the forecast, before and after: no change is reported of them.

    The interval says where the expected change lies if the coming days are like those of the history. It does not
    say how single months scatter around it, nor can it know what will change on the estate. Of simulated
    estates, 85 to 100 % have the true change inside, see ``tests/benchmarks/promise_coverage.py``.

    Parameters
    ----------
    inventory, forecast, table
        What the schedule was made from.
    decisions
        The schedule.
    agentless_at_risk
        As in :func:`optimizer.risk.table.risk_table`.
    seed
        Seed of the resampling.

    Returns
    -------
    ExpectedChange or None
        None where fewer than three blocks of history are known: nothing can be held out.
    """
    folds = forecast.folds
    if folds is None or folds.num_blocks < MIN_BLOCKS:  # not `enough`: an estate without busy VMs can promise 0
        return None
    items = busy_items(inventory, forecast, agentless_at_risk=agentless_at_risk)
    items = items[table.own[items]]  # of all others no gain is reported, and none is promised
    unknown = float(table.today[~table.own].sum())
    if len(items) == 0:
        return ExpectedChange(0.0, 0.0, 0.0, round(unknown, RISK_DECIMALS))
    fold_row = forecast.fold_row[forecast_rows(inventory, forecast)]
    anew = _Anew.zeros(folds.num_blocks, len(items))
    place = np.zeros(len(fold_row), dtype=np.intp)
    place[items] = np.arange(len(items))
    for part in option_parts(inventory, folds, fold_row, items, forecast.step_minutes, forecast.prior_days):
        _decide_anew(part, decisions, anew, place[part.items])
    roles = _roles(table, decisions, items)
    gains, base = _gains_by_block(anew, roles, decisions.move_price[items], forecast.repetition.is_proven)
    counts = np.flatnonzero((gains != 0).any(axis=0))
    cluster = find_clusters(folds, fold_row[items[counts]])
    change = np.zeros((len(gains), int(cluster.max(initial=-1)) + 1))
    np.subtract.at(change.T, cluster, gains[:, counts].T)
    least = np.inf if forecast.repetition.is_proven else _credited_change(table, decisions, items)
    days = folds.history.block_days
    today = float((days / days.sum()) @ base.sum(axis=1)) + unknown
    return _with_interval(change, days, least, seed, today)


def _credited_change(table: RiskTable, decisions: Decisions, items: IntArray) -> float:
    """Change of the credited risk by the schedule."""
    return float((table.cost[items, decisions.options[items]] - table.today[items]).sum())


@dataclass(frozen=True)
class _Anew:
    """What comes out when VMs are decided on without each block in turn.

    Parameters
    ----------
    claimed, realised
        Shape (num_blocks, num_blocks, n): ``[b, c]`` is of the option chosen without both blocks and judged on ``c``.
    hoped, gained
        Shape (num_blocks, n): gain of the best allowed option without block ``b``, by the estimate and in the block.
    spread
        Shape (num_blocks, n): mean gain in the block of the options with at most the increase that is accepted.
    today
        Shape (num_blocks, n): risk of today's option in the block; NaN where that is unknown.
    """

    claimed: FloatArray
    realised: FloatArray
    hoped: FloatArray
    gained: FloatArray
    spread: FloatArray
    today: FloatArray

    @classmethod
    def zeros(cls, num_blocks: int, num_items: int) -> _Anew:
        """Nothing is known yet."""
        pairs, singles = (num_blocks, num_blocks, num_items), (num_blocks, num_items)
        return cls(*(np.zeros(pairs) for _ in range(2)), *(np.zeros(singles) for _ in range(4)))


def _decide_anew(part: OptionPart, decisions: Decisions, anew: _Anew, columns: IntArray) -> None:
    """Decide on some VMs without each block, and without each pair of blocks, which their credit needs."""
    for first, second in combinations(range(len(anew.hoped)), 2):
        claimed, realised = gains_without(part, (first, second))
        for left_out, judged, gain in ((second, first, realised[0]), (first, second, realised[1])):
            anew.claimed[left_out, judged, columns] = claimed
            anew.realised[left_out, judged, columns] = gain
    allowed, rows = decisions.allowed[part.items] & part.possible, np.arange(len(part.items))
    elsewhere = np.arange(allowed.shape[1]) != part.today[:, None]
    for block in range(len(anew.hoped)):
        risk = part.expected(block)
        today = risk[rows, part.today][:, None]
        choice = best_option(risk, allowed, part.today)
        anew.today[block, columns] = part.observed[block][rows, part.today]
        gain = part.observed[block][rows, part.today][:, None] - part.observed[block]
        anew.hoped[block, columns] = today[:, 0] - risk[rows, choice]
        anew.gained[block, columns] = gain[rows, choice]
        open_to = allowed & elsewhere & (risk <= today + decisions.max_increase + TIE)
        anew.spread[block, columns] = _mean_known(gain, open_to)


def _mean_known(gain: FloatArray, wanted: BoolArray) -> FloatArray:
    """Mean over the wanted options; 0 where none is wanted, NaN where none of them is known."""
    known = wanted & ~np.isnan(gain)
    mean = divide_known(np.where(known, gain, 0.0).sum(axis=1), known.sum(axis=1))
    return np.where(wanted.any(axis=1), mean, 0.0)


@dataclass(frozen=True)
class _Roles:
    """Why VMs move or stay in the schedule, each of shape (n,).

    Parameters
    ----------
    share
        Share of its possible gain that a VM gets, where it is moved for its risk; for all others, the mean share.
    spread
        1 for VMs that are moved for other reasons, 0 for those that stay although they could be; for all others, the
        mean of these.  Others are VMs that are moved for their risk, and VMs without any other start: which VMs these
        are depends on every block, so the estimate must not.
    """

    share: FloatArray
    spread: FloatArray


def _roles(table: RiskTable, decisions: Decisions, items: IntArray) -> _Roles:
    rows, risk, today = np.arange(len(items)), table.risk[items], table.today[items]
    planned = today - risk[rows, decisions.options[items]]
    possible = np.maximum(today - np.where(decisions.allowed[items], risk, np.inf).min(axis=1), 0.0)
    wanted = table.credit[items] * possible > np.maximum(decisions.move_price[items], TIE)
    share = np.clip(np.nan_to_num(divide_known(planned, possible)), 0.0, 1.0)
    moved = (decisions.options != decisions.today)[items]
    free = decisions.allowed[items] & (risk <= (today + decisions.max_increase + TIE)[:, None])
    able = ~wanted & (free.sum(axis=1) > 1)
    mean_spread = float(moved[able].mean()) if able.any() else 0.0
    spread = np.where(able, moved, mean_spread).astype(np.float64)
    if not wanted.any():
        return _Roles(np.full(len(items), mean_spread), spread)
    believed = table.credit[items][wanted]
    mean_share = (believed * planned[wanted]).sum() / (believed * possible[wanted]).sum()
    share[~wanted] = np.clip(mean_share, 0.0, 1.0)
    return _Roles(share, spread)


def _gains_by_block(anew: _Anew, roles: _Roles, price: FloatArray, repeats: bool) -> tuple[FloatArray, FloatArray]:
    """Gain of each VM in each block, decided without it, and what today's schedule risked; shape (num_blocks, n).

    Where one of them is unknown, the VM's means over the other blocks stand in for both, so that no VM gains more
    than it risked.
    """
    num_blocks = len(anew.hoped)
    gains = np.zeros_like(anew.hoped)
    for block in range(num_blocks):
        others = np.arange(num_blocks) != block
        credit = believe_gains(FoldGains(anew.claimed[block, others], anew.realised[block, others]), repeats)
        wanted = credit * anew.hoped[block] > np.maximum(price, TIE)
        spread = anew.spread[block]
        gains[block] = np.where(
            wanted, roles.share * anew.gained[block], roles.spread * np.where(roles.spread > 0, spread, 0.0)
        )
    known = ~np.isnan(gains) & ~np.isnan(anew.today)
    gains, base = (
        np.where(
            known, values, np.nan_to_num(divide_known(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)))
        )
        for values in (gains, anew.today)
    )
    return gains, base


def _with_interval(
    change: FloatArray, days: npt.NDArray[np.int64], least: float, seed: int, today: float
) -> ExpectedChange:
    """Mean over the blocks, weighed by their days, of the sum over the clusters, and the interval of its resamples.

    Parameters
    ----------
    change
        Shape (num_blocks, num_clusters): change in at-risk backups per 30 days.
    days
        Shape (num_blocks,): days of each block.
    least
        What the lower end must reach.
    today
        At-risk backups per 30 days of today's schedule.
    """
    num_blocks, num_clusters = change.shape
    weight = days / days.sum()
    mean = weight @ change
    value = float(mean.sum())
    random = np.random.default_rng(seed)
    draws = np.empty(NUM_DRAWS)
    for draw in range(NUM_DRAWS):
        drawn = random.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks)) * days
        times = np.bincount(random.integers(0, max(num_clusters, 1), num_clusters), minlength=num_clusters)
        draws[draw] = value + (drawn @ (change - mean) / drawn.sum() * times).sum()
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    wider = np.sqrt(num_blocks / (num_blocks - 1)) * quantile((1 + CONFIDENCE) / 2, num_blocks - 1) / NORMAL_95
    bounds = (
        value,
        min(value + wider * (low - value), value, least),
        max(value + wider * (high - value), value),
        today,
    )
    return ExpectedChange(*(round(float(bound), RISK_DECIMALS) + 0.0 for bound in bounds))

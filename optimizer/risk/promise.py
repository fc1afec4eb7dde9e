"""Estimates the change in risk that a schedule brings, and its uncertainty, on days that no choice used.

The risk that a plan estimates for its own choices is too low, because each option was chosen for its low estimate (the
winner's curse). Here, every decision, including the credit, is made again without one block of days and judged on that
block only.
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
"""Probability that the interval is meant to contain the expected change."""

NUM_DRAWS = 1000
"""Number of times that blocks and clusters are resampled."""

NORMAL_95 = 1.6448536269514722
"""95 % quantile of the normal distribution: a 90 % interval leaves 5 % on each side."""


@dataclass(frozen=True)
class ExpectedChange:
    """Expected change of at-risk backups per 30 days, with its 90 % interval; negative values mean fewer.

    Parameters
    ----------
    value, low, high
        The change and its interval. ``value`` is never below ``-today``. ``low`` can be below it: the interval comes
        from resampled days, on which today's schedule may risk more.
    today
        At-risk backups per 30 days of today's schedule, on the same days. These are observed frequencies, not
        smoothed.
    """

    value: float
    low: float
    high: float
    today: float

    @property
    def plan(self) -> float:
        """At-risk backups per 30 days of the new schedule."""
        return max(self.today + self.value, 0.0)


@dataclass(frozen=True)
class Decisions:
    """A schedule, and the start options among which it was chosen.

    Parameters
    ----------
    today, options
        Shape (V,): start option of each item today and in the schedule.
    allowed
        Shape (V, 48): options that the rules allow, whatever their risk. ``max_increase`` is applied again without
        each block: options that it excludes on the whole history would be excluded by the days that judge them.
    move_price
        Shape (V,): gain in risk above which a VM is moved, in at-risk backups per 30 days.
    max_increase
        Accepted increase of a VM's risk, in at-risk backups per 30 days. Where ``allowed`` leaves a VM only options
        above it, the increase is accepted from the lowest risk that is left.
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
    """Estimate the change that a schedule brings, on held-out days, with its uncertainty.

    For each block of days, the credit and the best option of every VM are computed without this block. VMs that would
    then be moved for their risk are ranked by the gain that they are credited with, and count with the gain of that
    option in the block. They get the shares of their possible gains that the VMs of the same rank get in the schedule
    (other VMs and ``max_moves`` keep some VMs from their best option). Any other VM counts with the mean gain of the
    options that ``max_increase`` would then leave to it, times the share of such VMs of its service that the schedule
    moves.

    The schedule is not asked about single VMs, because it was made on the whole history. If two of three VMs must move
    to spread a service, the one that stays is the one whose start today looks best. The days that make it look best
    cannot judge that choice. So the estimate takes only shares from the schedule, by rank and by service, and is
    unbiased for decisions made on all blocks but one: if no VM has a repeating profile, its expectation is 0. (Three
    things are not decided again for each block: ``k``, whether the estate's profiles repeat, and these shares.)

    For the interval, blocks are drawn with replacement. The same blocks are drawn for all VMs, because all VMs may
    have been busy on the same days. At the same time, clusters of VMs that move together are drawn; the draw
    multiplies the deviation of each block of a cluster from the cluster's mean. (The estate itself is given; only the
    noise of its VMs is uncertain.) This counts the noise of single clusters twice, so the interval is too wide rather
    than too narrow. Because there are only three to eight blocks, deviations are widened by ``sqrt(B / (B - 1))`` and
    by the ratio of Student's quantile to the normal one. If the estate's profiles are not known to repeat, the lower
    end is extended to the credited change, because decisions on fewer days may be too cautious to credit any VM at
    all.

    The baseline is what today's schedule risked in the same blocks, as observed. The forecast's own estimate is
    smoothed over the time of day, so its figures are not comparable with these. VMs without enough history of their
    own count with their forecast, both before and after: no change is reported for them.

    The interval contains the expected change if the coming days resemble those of the history. It does not cover how
    single months scatter around it, nor future changes of the estate. For 85 to 100 % of simulated estates, the true
    change lies inside; see ``tests/benchmarks/promise_coverage.py``.

    Parameters
    ----------
    inventory, forecast, table
        Inputs that the schedule was made from.
    decisions
        The schedule, and the freedom it had.
    agentless_at_risk
        Whether load puts agentless snapshots at risk; see :func:`optimizer.risk.table.risk_table`.
    seed
        Random seed of the resampling.

    Returns
    -------
    ExpectedChange or None
        None if the history has fewer than three blocks, so that none can be held out.
    """
    folds = forecast.folds
    if folds is None or folds.num_blocks < MIN_BLOCKS:  # not `enough`: an estate without busy VMs can promise 0
        return None
    items = busy_items(inventory, forecast, agentless_at_risk=agentless_at_risk)
    items = items[table.own[items]]  # for all other items no gain is reported, so none is promised
    unknown = float(table.today[~table.own].sum())
    if len(items) == 0:
        return ExpectedChange(0.0, 0.0, 0.0, round(unknown, RISK_DECIMALS))
    fold_row = forecast.fold_row[forecast_rows(inventory, forecast)]
    held_out = _HeldOut.zeros(folds.num_blocks, len(items))
    column = np.zeros(len(fold_row), dtype=np.intp)
    column[items] = np.arange(len(items))
    for part in option_parts(inventory, folds, fold_row, items, forecast.step_minutes, forecast.prior_days):
        _decide_again(part, decisions, held_out, column[part.items])
    roles = _roles(table, decisions, items, _services(inventory, items))
    gains, base = _gains_by_block(held_out, roles, decisions.move_price[items], forecast.repetition.is_proven)
    counts = np.flatnonzero((gains != 0).any(axis=0))
    cluster = find_clusters(folds, fold_row[items[counts]])
    change = np.zeros((len(gains), int(cluster.max(initial=-1)) + 1))
    np.subtract.at(change.T, cluster, gains[:, counts].T)
    least = np.inf if forecast.repetition.is_proven else _credited_change(table, decisions, items)
    days = folds.history.block_days
    today = float((days / days.sum()) @ base.sum(axis=1)) + unknown
    return _with_interval(change, days, least, seed, today)


def _credited_change(table: RiskTable, decisions: Decisions, items: IntArray) -> float:
    """Change of the credited risk that the schedule brings, in at-risk backups per 30 days."""
    return float((table.cost[items, decisions.options[items]] - table.today[items]).sum())


@dataclass(frozen=True)
class _HeldOut:
    """Results of deciding on VMs again without each block in turn; gains are in at-risk backups per 30 days.

    Parameters
    ----------
    claimed, realized
        Shape (num_blocks, num_blocks, n): entry ``[b, c]`` is the gain of the option chosen without blocks ``b`` and
        ``c``, as estimated and as observed in ``c``.
    hoped, gained
        Shape (num_blocks, n): gain of the best allowed option chosen without block ``b``, as estimated and as observed
        in ``b``.
    spread
        Shape (num_blocks, n): mean observed gain, in block ``b``, of the other allowed options whose increase is
        accepted.
    today
        Shape (num_blocks, n): observed risk of today's option in block ``b``; NaN where unknown.
    """

    claimed: FloatArray
    realized: FloatArray
    hoped: FloatArray
    gained: FloatArray
    spread: FloatArray
    today: FloatArray

    @classmethod
    def zeros(cls, num_blocks: int, num_items: int) -> _HeldOut:
        """Results before any VM is decided on."""
        pairs, singles = (num_blocks, num_blocks, num_items), (num_blocks, num_items)
        return cls(*(np.zeros(pairs) for _ in range(2)), *(np.zeros(singles) for _ in range(4)))


def _decide_again(part: OptionPart, decisions: Decisions, held_out: _HeldOut, columns: IntArray) -> None:
    """Decide on some VMs without each block, and without each pair of blocks, which their credit needs."""
    for first, second in combinations(range(len(held_out.hoped)), 2):
        claimed, realized = gains_without(part, (first, second))
        for left_out, judged, gain in ((second, first, realized[0]), (first, second, realized[1])):
            held_out.claimed[left_out, judged, columns] = claimed
            held_out.realized[left_out, judged, columns] = gain
    allowed, rows = decisions.allowed[part.items] & part.possible, np.arange(len(part.items))
    elsewhere = np.arange(allowed.shape[1]) != part.today[:, None]
    for block in range(len(held_out.hoped)):
        risk = part.expected(block)
        today = risk[rows, part.today]
        choice = best_option(risk, allowed, part.today)
        held_out.today[block, columns] = part.observed[block][rows, part.today]
        gain = part.observed[block][rows, part.today][:, None] - part.observed[block]
        held_out.hoped[block, columns] = today - risk[rows, choice]
        held_out.gained[block, columns] = gain[rows, choice]
        open_to = allowed & elsewhere & (risk <= _highest_risk(risk, allowed, today, decisions.max_increase))
        held_out.spread[block, columns] = _mean_known(gain, open_to)


def _highest_risk(risk: FloatArray, allowed: BoolArray, today: FloatArray, max_increase: float) -> FloatArray:
    """Highest risk that each VM may move to.

    It gives way as in :func:`optimizer.solve.problem.restrict.restrict_options`.

    Parameters
    ----------
    risk, allowed
        Shape (n, 48).
    today
        Shape (n,): risk of today's option.
    max_increase
        Accepted increase of a VM's risk.

    Returns
    -------
    numpy.ndarray
        Shape (n, 1).
    """
    least = np.where(allowed, risk, np.inf).min(axis=1)
    start = np.where(least > today + max_increase + TIE, least, today)
    return np.asarray((start + max_increase + TIE)[:, None])


def _mean_known(gain: FloatArray, wanted: BoolArray) -> FloatArray:
    """Mean over the wanted options; 0 for a VM without wanted options, NaN if none of them is known."""
    known = wanted & ~np.isnan(gain)
    mean = divide_known(np.where(known, gain, 0.0).sum(axis=1), known.sum(axis=1))
    return np.where(wanted.any(axis=1), mean, 0.0)


@dataclass(frozen=True)
class _Roles:
    """The share of the possible gain in risk that a schedule realizes for each VM.

    Parameters
    ----------
    share
        Share of its possible gain that each VM moved for its risk gets; largest credited gain first. If it is empty,
        no VM counts as moved for its risk.
    spread
        Shape (n,): probability that each VM is moved if it is not moved for its risk. This is 0 or 1 where rules leave
        no choice, and otherwise the share of the VMs of its service that move.
    """

    share: FloatArray
    spread: FloatArray


def _services(inventory: Inventory, items: IntArray) -> IntArray:
    """Number, from 0, of each item's service; a VM without a service is one of its own; shape (n,)."""
    names = [inventory.vm(inventory.items[row]).service_name for row in items.tolist()]
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.intp)


def _roles(table: RiskTable, decisions: Decisions, items: IntArray, service: IntArray) -> _Roles:
    rows, risk, today = np.arange(len(items)), table.risk[items], table.today[items]
    allowed, start = decisions.allowed[items], decisions.today[items]
    planned = today - risk[rows, decisions.options[items]]
    possible = np.maximum(today - np.where(allowed, risk, np.inf).min(axis=1), 0.0)
    wanted = table.credit[items] * possible > np.maximum(decisions.move_price[items], TIE)
    moved = (decisions.options != decisions.today)[items]
    may_stay = allowed[rows, start]
    may_move = allowed.sum(axis=1) > may_stay
    choice = may_stay & may_move
    spread = np.where(choice, _share_moved(moved, choice & ~wanted, service), moved).astype(np.float64)
    ranked = _by_rank(table.credit[items] * possible, wanted)
    return _Roles(np.clip(planned[ranked] / possible[ranked], 0.0, 1.0), spread)


def _by_rank(gain: FloatArray, wanted: BoolArray) -> IntArray:
    """Indices of the wanted VMs, largest gain first."""
    return np.argsort(np.where(wanted, -gain, np.inf), kind="stable")[: int(wanted.sum())]


def _shares_of(ranked: int, share: FloatArray) -> FloatArray:
    """Shares of another number of VMs, by their rank and with the same mean; shape (ranked,)."""
    if ranked == 0:
        return np.zeros(0)
    upto = np.concatenate([[0.0], np.cumsum(share)])
    rank = np.arange(ranked + 1) * len(share) / ranked
    return np.asarray(np.diff(np.interp(rank, np.arange(len(upto)), upto)) * ranked / len(share))


def _share_moved(moved: BoolArray, counted: BoolArray, service: IntArray) -> FloatArray:
    """Share of the counted VMs of each VM's service that move; of the estate if its service has none; shape (n,)."""
    num_moved, num_counted = np.bincount(service, counted & moved), np.bincount(service, counted)
    of_estate = float(moved[counted].mean()) if counted.any() else 0.0
    share = divide_known(num_moved, num_counted)
    return np.asarray(np.where(num_counted > 0, share, of_estate)[service])


def _gains_by_block(
    held_out: _HeldOut, roles: _Roles, price: FloatArray, repeats: bool
) -> tuple[FloatArray, FloatArray]:
    """Gain of each VM in each block, decided without it, and risk of today's schedule; shape (num_blocks, n).

    Where either of them is unknown, both are replaced with the VM's means over the other blocks, so that no VM gains
    more than it risked.
    """
    num_blocks = len(held_out.hoped)
    gains = np.zeros_like(held_out.hoped)
    for block in range(num_blocks):
        others = np.arange(num_blocks) != block
        credit = believe_gains(FoldGains(held_out.claimed[block, others], held_out.realized[block, others]), repeats)
        wanted = credit * held_out.hoped[block] > np.maximum(price, TIE)
        gains[block] = roles.spread * np.where(roles.spread > 0, held_out.spread[block], 0.0)
        ranked = _by_rank(credit * held_out.hoped[block], wanted & (len(roles.share) > 0))
        gains[block, ranked] = _shares_of(len(ranked), roles.share) * held_out.gained[block, ranked]
    known = ~np.isnan(gains) & ~np.isnan(held_out.today)
    gains, base = (
        np.where(
            known, values, np.nan_to_num(divide_known(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)))
        )
        for values in (gains, held_out.today)
    )
    return gains, base


def _with_interval(
    change: FloatArray, days: npt.NDArray[np.int64], least: float, seed: int, today: float
) -> ExpectedChange:
    """Change and interval: the sum over the clusters, averaged over the blocks, and the quantiles of its resamples.

    Parameters
    ----------
    change
        Shape (num_blocks, num_clusters): change in at-risk backups per 30 days.
    days
        Shape (num_blocks,): number of days in each block, used as weights.
    least
        Value that the lower end is extended to if it lies above; infinity for no limit.
    seed
        Random seed of the resampling.
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

"""Does the interval of the expected change contain the truth? Simulated estates, whose true risk is known.

python -m tests.benchmarks.promise_coverage --runs 200

Every VM is busy for half an hour to three hours on some days, at hours of its own (``profiled``) or at any hour. VMs
of a group are busy on the same days, and those without a profile at the same hours.

Estates of the first rows are planned without coupling: a VM moves to its cheapest start if that is credited with more
than the price of a move, and three in ten of the others move anywhere that is allowed. These moves are random, so the
history does not choose them.

Estates of the last rows get a plan from the solver. All their VMs start at 23:00, in services of three, so most of
them must move to spread their service. The solver decides which ones, and where to, on the whole history. If the
expected change forgets that, it promises a gain even where no VM has a profile.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from optimizer.documents.plan_document import Expectation
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.snapshot_timing import NUM_DELAYS
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY, DEFAULT_SNAPSHOT_MINUTES, HORIZON_DAYS, NUM_OPTIONS
from optimizer.plan import Case, Planner
from optimizer.plan.make.summary import predict_change
from optimizer.risk.forecast import Forecast, forecast_history
from optimizer.risk.history import RiskHistory, count_blocks
from optimizer.risk.promise import Decisions, ExpectedChange, expected_change
from optimizer.risk.snapshots import SnapshotGrid
from optimizer.risk.table import RiskTable, risk_table
from optimizer.solve import Search, Solved
from tests.benchmarks.spreading import made_up_inventory

FloatArray = npt.NDArray[np.float64]

MOVE_PRICE, MAX_INCREASE = 0.02, 0.1
MOVED_ANYWHERE = 0.3
"""Share of the VMs without a credited gain that move, as if to spread their service."""

FIRST_DAY = date(2026, 3, 2)
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
STARTS = np.arange(NUM_OPTIONS) * (BINS_PER_DAY // NUM_OPTIONS)
LONGEST = 36
ELEVEN_AT_NIGHT = 46


@dataclass(frozen=True)
class Setting:
    """A kind of estate.

    Parameters
    ----------
    num_vms, num_days
        Size.
    profiled
        Share of the VMs that are busy at hours of their own.
    group
        VMs that are busy on the same days.
    service_size
        VMs per service in an estate that the solver plans, all at 23:00; None to plan without coupling.
    """

    num_vms: int = 60
    num_days: int = 31
    profiled: float = 0.3
    group: int = 1
    service_size: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one estate; changes in at-risk backups per 30 days."""

    true: float
    model: float
    expected: ExpectedChange | Expectation
    num_credited: int

    @property
    def is_covered(self) -> bool:
        """Whether the interval holds the truth."""
        return self.expected.low <= self.true <= self.expected.high

    @property
    def may_be_zero(self) -> bool:
        """Whether the interval holds 0."""
        return self.expected.low <= 0 <= self.expected.high


@lru_cache(maxsize=1)
def shares() -> FloatArray:
    """Share of the delays at risk, by the length of a busy time in bins and the bins from its begin to a start."""
    found = np.zeros((LONGEST + 1, BINS_PER_DAY))
    snapshot_bins = DEFAULT_SNAPSHOT_MINUTES // BIN_MINUTES
    for length in range(1, LONGEST + 1):
        hot = np.arange(2 * BINS_PER_DAY) % BINS_PER_DAY < length
        snapshots = np.array([hot[first : first + snapshot_bins].any() for first in range(BINS_PER_DAY)])
        upto = np.concatenate([[0], np.cumsum(np.tile(snapshots, 2))])
        first = np.arange(BINS_PER_DAY)
        found[length] = (upto[first + NUM_DELAYS] - upto[first]) / NUM_DELAYS
    return found


def simulate(setting: Setting, random: np.random.Generator) -> tuple[RiskHistory, FloatArray]:
    """A history, and the true risk of each start in at-risk backups per 30 days, of shape (V, 48)."""
    num_vms, days = setting.num_vms, (setting.num_days, setting.num_vms)
    of = np.arange(num_vms) if setting.group == 1 else random.integers(0, -(-num_vms // setting.group), num_vms)
    profiled = (random.random(num_vms) < setting.profiled)[of]
    length = random.integers(6, LONGEST + 1, num_vms)
    often = random.uniform(0.1, 0.9, num_vms)
    hour, jitter = random.integers(0, BINS_PER_DAY, num_vms)[of], random.uniform(3, 18, num_vms)
    busy = random.random(days)[:, of] < often
    own = np.rint(hour + random.normal(size=days) * jitter).astype(np.int64)
    begin = np.where(profiled, own, random.integers(0, BINS_PER_DAY, days)[:, of]) % BINS_PER_DAY
    away = (STARTS - begin[:, :, None]) % BINS_PER_DAY
    at_risk = np.where(busy[:, :, None], shares()[length[:, None], away], 0.0)
    true = often[:, None] * np.repeat(shares()[length].mean(axis=1)[:, None], NUM_OPTIONS, axis=1)
    steps = np.arange(-BINS_PER_DAY // 2, BINS_PER_DAY // 2)
    for vm in np.flatnonzero(profiled).tolist():
        weight = np.exp(-0.5 * (steps / jitter[vm]) ** 2)
        away_from = (STARTS[:, None] - hour[vm] - steps) % BINS_PER_DAY
        true[vm] = often[vm] * (shares()[length[vm]][away_from] * weight / weight.sum()).sum(axis=1)
    return as_history(at_risk), HORIZON_DAYS * true


def as_history(at_risk: FloatArray) -> RiskHistory:
    """Days of shape (days, V, 48), all of them known, in blocks."""
    num_days, num_vms, _ = at_risk.shape
    num_blocks = count_blocks(num_days)
    of_day = np.arange(num_days) * num_blocks // num_days
    days = np.bincount(of_day).astype(np.uint8)
    return RiskHistory(
        vm_ids=tuple(f"vm-{number:04d}" for number in range(num_vms)),
        dates=tuple(FIRST_DAY + timedelta(days=number) for number in range(num_days)),
        grid=SnapshotGrid(),
        risk_sum=np.stack([at_risk[of_day == block].sum(axis=0) for block in range(num_blocks)]).astype(np.float32),
        day_count=np.broadcast_to(days[:, None, None], (num_blocks, num_vms, NUM_OPTIONS)),
        usable_days=np.broadcast_to(days[:, None], (num_blocks, num_vms)),
        varies=np.ones(num_vms, dtype=np.bool_),
    )


def run(setting: Setting, seed: int) -> Outcome:
    """Simulate an estate, plan it, and compare what is promised with the truth."""
    random = np.random.default_rng(seed)
    history, true = simulate(setting, random)
    forecast = forecast_history(history)
    shape = setting.num_vms
    today = random.integers(0, NUM_OPTIONS, shape) if setting.service_size is None else np.full(shape, ELEVEN_AT_NIGHT)
    inventory = made_up_inventory(forecast.vm_ids, today, seed, AS_OF, setting.service_size)
    table, rows = risk_table(inventory, forecast), np.arange(setting.num_vms)
    wanted = table.today - table.cost.min(axis=1) > MOVE_PRICE
    options, expected = (
        _plan_each_alone(inventory, forecast, table, seed, random)
        if setting.service_size is None
        else _plan_services(inventory, forecast, seed)
    )
    assert expected is not None
    return Outcome(
        true=float((true[rows, options] - true[rows, today]).sum()),
        model=float((table.risk[rows, options] - table.today).sum()),
        expected=expected,
        num_credited=int(wanted.sum()),
    )


def _plan_each_alone(
    inventory: Inventory, forecast: Forecast, table: RiskTable, seed: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], ExpectedChange | None]:
    """Move each VM that is credited with a gain, and some of the others anywhere; ``random`` chooses these."""
    num_vms = len(inventory.items)
    today = np.array([inventory.policy(item).start for item in inventory.items])
    wanted = table.today - table.cost.min(axis=1) > MOVE_PRICE
    options = np.where(wanted, table.cost.argmin(axis=1), today)
    ceiling = table.today + MAX_INCREASE
    for vm in np.flatnonzero(~wanted & (random.random(num_vms) < MOVED_ANYWHERE)).tolist():
        options[vm] = random.choice(np.flatnonzero(table.risk[vm] <= ceiling[vm] + 1e-9))
    decisions = Decisions(
        today=today,
        options=options,
        allowed=np.ones_like(table.risk, dtype=np.bool_),
        move_price=np.full(num_vms, MOVE_PRICE),
        max_increase=MAX_INCREASE,
    )
    return options, expected_change(inventory, forecast, table, decisions, seed=seed)


def _plan_services(
    inventory: Inventory, forecast: Forecast, seed: int
) -> tuple[npt.NDArray[np.int64], Expectation | None]:
    """Plan with the solver and its default rules, which spread every service."""
    case = Case.of(inventory, Rules(), forecast)
    result = Planner(Search()).solve(case)
    assert isinstance(result, Solved)
    return result.options, predict_change(case, result.options, seed)


def main() -> None:
    """Print a row of figures for each kind of estate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="estates of each kind")
    parser.add_argument("--services", action="store_true", help="print only the rows of estates with services")
    arguments = parser.parse_args()
    heads = "VMs|days|with a profile|groups of|services of|true|in-sample|expected|covered|holds 0|moved for risk"
    print(f"|{heads}|\n|{'---|' * 11}")
    for setting in [] if arguments.services else _alone():
        _print_row(setting, arguments.runs)
    for num_days in (30, 14):
        for profiled in (0.0, 0.3, 1.0):
            _print_row(Setting(12, num_days, profiled, service_size=3), arguments.runs)


def _alone() -> list[Setting]:
    """Kinds of estates that are planned without coupling."""
    kinds = ((0.0, 1), (0.3, 1), (1.0, 1), (0.0, 8), (0.5, 8))
    return [
        Setting(num_vms, num_days, profiled, group)
        for num_vms in (60, 12)
        for num_days in (31, 20, 14, 10, 8)
        for profiled, group in kinds
        if group <= num_vms / 4
    ]


def _print_row(setting: Setting, runs: int) -> None:
    found = [run(setting, seed) for seed in range(runs)]
    figures = [np.mean([getattr(one, name) for one in found]) for name in ("true", "model")]
    figures.append(np.mean([one.expected.value for one in found]))
    shares_of = [np.mean([getattr(one, name) for one in found]) for name in ("is_covered", "may_be_zero")]
    moved = np.mean([one.num_credited for one in found]) / setting.num_vms
    print(
        f"| {setting.num_vms} | {setting.num_days} | {setting.profiled:.0%} | {setting.group} "
        f"| {setting.service_size or '-'} | "
        + " | ".join(f"{figure:.1f}" for figure in figures)
        + " | "
        + " | ".join(f"{share:.1%}" for share in (*shares_of, moved))
        + " |",
        flush=True,
    )


if __name__ == "__main__":
    main()

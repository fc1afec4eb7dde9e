"""What a plan promises on a real trace, and what the days after it bring; and on copies without any profile.

python -m tests.benchmarks.promise_trace --trace TRACE.parquet --rotations 200

Splits as in ``forecast_arms.py``, and histories cut to 10, 14 and 20 days. Every VM moves to its cheapest start if
that is credited with more than the price of a move; no coupling. In the copies, every day of every VM is rotated
around the clock by its own random multiple of 30 minutes: nothing is left that repeats, and nothing can be gained.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from optimizer.model.rules import Prices
from optimizer.model.timegrid import BINS_PER_DAY, NUM_OPTIONS
from optimizer.risk.promise import Decisions, ExpectedChange, expected_change
from tests.benchmarks.forecast_arms import (
    DEFAULT_TRACE,
    EVENING,
    HARM,
    Choice,
    Split,
    Trace,
    as_people_choose,
    ours_with_priced_moves,
    read_trace,
    regret_closed,
)

MAX_INCREASE = 0.1
SPLITS = (("2013-07-01", "2013-08-01", "2013-09-01"), ("2013-07-01", "2013-08-11", "2013-09-01"))
CUT_DAYS = (10, 14, 20)
CUT_FROM = ("2013-07-01", "2013-08-01")


@dataclass(frozen=True)
class Promise:
    """A plan without coupling: its choice, what the model sees, what is promised."""

    choice: Choice
    model: float
    expected: ExpectedChange | None
    p_value: float | None

    def holds(self, value: float) -> bool:
        """Whether the interval holds a value."""
        return self.expected is not None and self.expected.low <= value <= self.expected.high


def plan(split: Split) -> Promise:
    """Plan every VM for itself, with the credit of the product."""
    table, choice, rows = split.table, ours_with_priced_moves(split), np.arange(len(split.today))
    decisions = Decisions(
        today=split.today,
        options=choice,
        allowed=np.ones_like(table.risk, dtype=np.bool_),
        move_price=np.full(len(rows), Prices().move),
        max_increase=MAX_INCREASE,
    )
    model = float((table.risk[rows, choice] - table.today).sum())
    expected = expected_change(split.inventory, split.forecast, table, decisions, seed=split.seed)
    return Promise(choice, model, expected, split.forecast.repetition.p_value)


def rotated(trace: Trace, seed: int) -> Trace:
    """Every day of every VM rotated by its own random multiple of 30 minutes."""
    num_vms = len(trace.vm_ids)
    num_days = trace.cpu.shape[1] // BINS_PER_DAY
    steps = np.random.default_rng(seed).integers(0, NUM_OPTIONS, (num_vms, num_days, 1))
    of = (np.arange(BINS_PER_DAY) - steps * (BINS_PER_DAY // NUM_OPTIONS)) % BINS_PER_DAY

    def turn(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        days = values.reshape(num_vms, num_days, BINS_PER_DAY)
        return np.take_along_axis(days, of, axis=2).reshape(values.shape)

    return Trace(trace.vm_ids, trace.first, turn(trace.cpu), turn(trace.mem))


def report(trace: Trace, begin: str, until: str, end: str, seed: int) -> None:
    """Print one row for each schedule of today."""
    days = [date.fromisoformat(day) for day in (begin, until, end)]
    train, test = trace.between(days[0], days[1]), trace.between(days[1], days[2])
    num_vms = len(trace.vm_ids)
    for name, today in (("23:00", np.full(num_vms, EVENING)), ("people", as_people_choose(num_vms, seed))):
        split = Split(train, test, today, seed)
        made = plan(split)
        before, after = split.cost(today), split.cost(made.choice)
        closed = regret_closed(before, after, split.oracle) or 0.0
        print(
            f"| {begin} to {until} | {name} | {'-' if made.p_value is None else f'{made.p_value:.4f}'} "
            f"| {(made.choice != today).sum()} | {made.model:.1f} | {interval(made.expected)} "
            f"| {(after - before).sum():.1f} | {closed:.0%} | {(after > before + HARM).sum()} |",
            flush=True,
        )


def interval(expected: ExpectedChange | None) -> str:
    """Value and interval in words."""
    return "-" if expected is None else f"{expected.value:.1f} ({expected.low:.1f} to {expected.high:.1f})"


def report_rotations(trace: Trace, num_days: int, runs: int) -> None:
    """Print what is promised where nothing repeats."""
    train = trace.between(trace.first + timedelta(days=1), trace.first + timedelta(days=1 + num_days))
    moved, inside, seen, proven = [], 0, [], 0
    for seed in range(runs):
        copy = rotated(train, seed)
        made = plan(Split(copy, copy, as_people_choose(len(trace.vm_ids), seed), seed))
        moved.append((made.choice != as_people_choose(len(trace.vm_ids), seed)).mean())
        inside += made.holds(0.0)
        seen.append(made.expected.value if made.expected else 0.0)
        proven += made.p_value is not None and made.p_value <= 0.01
    print(
        f"{num_days} days, {runs} copies without a profile: {np.mean(moved):.2%} of the VMs moved for risk, promised "
        f"{np.mean(seen):.2f}, 0 inside the interval in {inside} of {runs}; taken for repeating: {proven}",
        flush=True,
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=DEFAULT_TRACE)
    parser.add_argument("--rotations", type=int, default=200, help="copies without a profile")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.trace.is_file():
        parser.error(f"no trace at {arguments.trace}; give --trace")
    trace = read_trace(arguments.trace)
    heads = "history|today|p of repetition|moved|in-sample|promised|realized|regret closed|harmed"
    print(f"|{heads}|\n|{'---|' * 9}")
    for begin, until, end in SPLITS:
        report(trace, begin, until, end, arguments.seed)
    for begin in CUT_FROM:
        for num_days in CUT_DAYS:
            first = date.fromisoformat(begin)
            until, end = (first + timedelta(days=number) for number in (num_days, 31))
            report(trace, begin, until.isoformat(), end.isoformat(), arguments.seed)
    for num_days in (31, 14):
        report_rotations(trace, num_days, arguments.rotations)


if __name__ == "__main__":
    main()

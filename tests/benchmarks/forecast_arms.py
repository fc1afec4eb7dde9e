"""Forecast arms compared out of sample, on the choice each leads to; no coupling between VMs.

python tests/benchmarks/forecast_arms.py --trace TRACE.parquet --out results.json

The trace has columns vm, ts (UTC), cpu_percent, mem_percent. Everything before ``--train-until`` is history, the
rest is the test. Every VM runs daily; its realized risk is 30 times the mean over the known test days of the share of
start delays at risk. ``compare(split, {"name": choose})`` takes further arms: functions from a split to
one UTC start option per VM.

Tried and left out, in points of regret closed on the two splits and on copies with shifted clocks. These trials, like
the rule that chooses k, were judged on the test days themselves: the figures of ours are not blind to them.

- mean load, or the mean of the snapshot's maximum, added to the ranking: 0.2 to 1 better at a weight of 0.03,
  1.4 on average with shifted clocks, worse above 0.2; the objective would no longer be the risk that is promised;
- the VM's own mean load as hours of the prior: within 1.2 either way, and k is chosen worse;
- a weekday layer, for weekly backups: 3 to 4 better at a shrinkage of 16 days, 4 to 14 worse at 8 and less, at seven
  times the memory;
- a smoothed fleet profile: 1 to 2.4 worse at k = 12.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from optimizer.model.inventory import Inventory  # noqa: E402  # found through the line above
from optimizer.model.load import DayLoad  # noqa: E402
from optimizer.model.rules import Prices, Threshold  # noqa: E402
from optimizer.model.timegrid import BINS_PER_DAY, HORIZON_DAYS, NUM_OPTIONS, parse_start  # noqa: E402
from optimizer.risk.forecast import Forecast, forecast_history  # noqa: E402
from optimizer.risk.history import RiskHistory, build_history  # noqa: E402
from optimizer.risk.seasonal import divide_known, estimate_season, fleet_profile, scale_profile  # noqa: E402
from optimizer.risk.snapshots import SnapshotGrid  # noqa: E402
from optimizer.risk.table import RiskTable, risk_table  # noqa: E402
from tests.benchmarks.spreading import made_up_inventory, plan_with_spreading  # noqa: E402

DEFAULT_TRACE = ROOT.parent / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"
DEFAULT_SPLITS = ("2013-08-01", "2013-08-11")

EVENING = parse_start("23:00")
NIGHT_QUARTER = range(parse_start("22:00"), parse_start("23:30") + 1)
"""The first quarter of a night window from 22:00 to 06:00."""

TODAY_SHARES = {"23:00": 51, "02:00": 16, "01:00": 5, "00:00": 4, "03:00": 4} | dict.fromkeys(
    ("20:00", "20:30", "21:00", "21:30", "22:00", "22:30"), 1.5
)
"""Percent of hand-written policies at each time, UTC; the rest runs anywhere else."""

WINDOW_BINS = 27
"""Two hours and a quarter: the start window with its snapshot."""

SAME_MOVES = 0.7
"""Correlation of hot samples above which two VMs are taken to move together."""

HARM = 0.1
"""At-risk backups per 30 days by which a VM must do worse (better) to count as harmed (helped)."""

FloatArray = npt.NDArray[np.float64]
Choice = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Trace:
    """Load of a fleet; ``cpu`` and ``mem`` of shape (V, days * 288), NaN unknown; a source of load."""

    vm_ids: tuple[str, ...]
    first: date
    cpu: npt.NDArray[np.float32]
    mem: npt.NDArray[np.float32]

    def dates(self) -> list[date]:
        """Every day of the trace."""
        return [self.first + timedelta(days=n) for n in range(self.cpu.shape[1] // BINS_PER_DAY)]

    def read_day(self, day: date) -> DayLoad:
        """Load of one day."""
        bins = slice((day - self.first).days * BINS_PER_DAY, ((day - self.first).days + 1) * BINS_PER_DAY)
        return DayLoad(day, self.vm_ids, self.cpu[:, bins], self.mem[:, bins])

    def between(self, begin: date, end: date) -> Trace:
        """The days from ``begin`` to before ``end``."""
        bins = slice((begin - self.first).days * BINS_PER_DAY, (end - self.first).days * BINS_PER_DAY)
        return Trace(self.vm_ids, begin, self.cpu[:, bins], self.mem[:, bins])

    def with_shifted_clocks(self, seed: int) -> Trace:
        """Every VM shifted by its own number of half hours: a fleet that shares no clock."""
        shifts = np.random.default_rng(seed).integers(0, NUM_OPTIONS, len(self.vm_ids)) * 6
        shifted = [
            np.stack([np.roll(row, shift) for row, shift in zip(values, shifts, strict=True)])
            for values in (self.cpu, self.mem)
        ]
        return Trace(self.vm_ids, self.first, *shifted)


@dataclass(frozen=True)
class Split:
    """A trace cut into what is known and what comes, seen through the choices of a fleet of daily backups."""

    train: Trace
    test: Trace
    today: Choice
    seed: int

    @cached_property
    def history(self) -> RiskHistory:
        """Week sums of the training days."""
        return summarize(self.train)

    @cached_property
    def forecast(self) -> Forecast:
        """What the product would forecast."""
        return forecast_history(self.history)

    @cached_property
    def inventory(self) -> Inventory:
        """Made-up services and policies that hold every VM where ``today`` says."""
        return made_up_inventory(self.forecast.vm_ids, self.today, self.seed, end_of(self.train))

    @cached_property
    def table(self) -> RiskTable:
        """What the product makes of its forecast: the risk of each start, and how far a gain is believed."""
        return risk_table(self.inventory, self.forecast)

    @cached_property
    def raw(self) -> FloatArray:
        """Shape (V, 48): plain frequencies of the training days, NaN unknown."""
        return mean_share(self.history)

    @cached_property
    def realized(self) -> FloatArray:
        """Shape (V, 48): at-risk backups per 30 days in the test; the VM's mean where an option is unknown, else 0."""
        shares = mean_share(summarize(self.test))
        means = divide_known(np.nansum(shares, axis=1), (~np.isnan(shares)).sum(axis=1))
        return HORIZON_DAYS * np.nan_to_num(np.where(np.isnan(shares), means[:, None], shares))

    def cost(self, choice: Choice) -> FloatArray:
        """Realized at-risk backups per 30 days of each VM."""
        return self.realized[np.arange(len(choice)), choice]

    @cached_property
    def oracle(self) -> FloatArray:
        """Realized cost of each VM's best fixed option in hindsight."""
        return np.asarray(self.realized.min(axis=1))

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator, the same for every arm."""
        return np.random.default_rng(self.seed)


Arm = Callable[[Split], Choice]


def summarize(trace: Trace) -> RiskHistory:
    return build_history(trace, trace.vm_ids, end_of(trace), Threshold(), SnapshotGrid())


def end_of(trace: Trace) -> datetime:
    """The first instant after a trace."""
    return datetime.combine(trace.dates()[-1] + timedelta(days=1), datetime.min.time(), UTC)


def mean_share(history: RiskHistory) -> FloatArray:
    return divide_known(history.risk_sum.sum(axis=0, dtype=np.float64), history.day_count.sum(axis=0, dtype=np.int64))


def lowest(cost: FloatArray, today: Choice) -> Choice:
    """Lowest option of each row; today's where it is as low, so that VMs without a reason stay."""
    known = np.where(np.isnan(cost), np.inf, cost)
    stays = known[np.arange(len(today)), today] <= known.min(axis=1) + 1e-9
    return np.where(stays, today, known.argmin(axis=1))


def as_people_choose(num_vms: int, seed: int) -> Choice:
    """Start times drawn as hand-written policies have them."""
    weights = np.zeros(NUM_OPTIONS)
    for start, percent in TODAY_SHARES.items():
        weights[parse_start(start)] = percent
    weights[weights == 0] = (100 - weights.sum()) / (weights == 0).sum()
    return np.random.default_rng(seed).choice(NUM_OPTIONS, size=num_vms, p=weights / weights.sum())


def everybody_at(option: int) -> Arm:
    return lambda split: np.full(len(split.today), option)


def one_best_time(split: Split) -> Choice:
    return np.full(len(split.today), np.nansum(split.raw, axis=0).argmin())


def hash_spread(split: Split) -> Choice:
    digests = (hashlib.sha256(vm.encode()).digest() for vm in split.train.vm_ids)
    return np.array([int.from_bytes(digest[:8]) % NUM_OPTIONS for digest in digests])


def random_night(split: Split) -> Choice:
    return split.rng.choice(np.array(NIGHT_QUARTER), size=len(split.today))


def lowest_load(split: Split) -> Choice:
    """The window of least mean CPU; what a planner does by eye."""
    days = split.train.cpu.reshape(len(split.today), -1, BINS_PER_DAY)
    profile = divide_known(np.nansum(days, axis=1, dtype=np.float64), (~np.isnan(days)).sum(axis=1))
    wrapped = np.hstack([profile, profile[:, : WINDOW_BINS - 1]])
    windows = np.lib.stride_tricks.sliding_window_view(wrapped, WINDOW_BINS, axis=1).mean(axis=-1)
    return lowest(windows[:, ::6], split.today)


def raw_frequencies(split: Split) -> Choice:
    return lowest(split.raw, split.today)


def ours(split: Split) -> Choice:
    """The start of least cost by the product's forecast; VMs whose gain is not credited stay."""
    return np.where(split.table.credited, lowest(split.table.cost, split.today), split.today)


def ours_with_priced_moves(split: Split) -> Choice:
    """Ours, where a VM stays unless it is credited with more than a move costs by default."""
    choice, cost = ours(split), split.table.cost
    credited_gain = split.table.today - cost[np.arange(len(choice)), choice]
    return np.where(credited_gain > Prices().move, choice, split.today)


def ours_in_sample(split: Split) -> Choice:
    """The start of least risk by the product's forecast, without the credit: what the model sees, believed whole."""
    return np.where(split.table.own, lowest(split.table.risk, split.today), split.today)


def with_prior_days(prior_days: float) -> Arm:
    """Our forecast with another weight of the fleet's profile."""

    def choose(split: Split) -> Choice:
        history = split.history
        sums, counts = history.risk_sum.sum(axis=0, dtype=np.float64), history.day_count.sum(axis=0)
        profile = fleet_profile(sums, counts)
        season = estimate_season(sums, counts, history.usable_days.sum(axis=0), profile)
        fleet_only = np.isinf(prior_days)
        cost = scale_profile(season.own.mean(axis=1), profile) if fleet_only else season.probability(prior_days)
        return lowest(cost, split.today)

    return choose


ARMS: dict[str, Arm] = {
    "everybody at 23:00": everybody_at(EVENING),
    "today as people choose it": lambda split: as_people_choose(len(split.today), split.seed),
    "everybody at 02:00": everybody_at(parse_start("02:00")),
    "one best time for the fleet": one_best_time,
    "stable hash spread": hash_spread,
    "random in a night's first 25 %": random_night,
    "own lowest mean load": lowest_load,
    "raw frequencies": raw_frequencies,
    "smoothed, k = 0": with_prior_days(0),
    "smoothed, k = 12": with_prior_days(12),
    "smoothed, k = 96": with_prior_days(96),
    "fleet's hours at own level": with_prior_days(np.inf),
    "ours, without the credit": ours_in_sample,
    "ours": ours,
    "ours, moves at their price": ours_with_priced_moves,
    "oracle": lambda split: lowest(split.realized, split.today),
}


def find_clusters(trace: Trace) -> npt.NDArray[np.intp]:
    """Number of the cluster of each VM: linked by correlation of their hot samples over the whole trace."""
    hot = ((trace.cpu > 90) | (trace.mem > 90)).astype(np.float64)
    busy = np.flatnonzero(hot.any(axis=1))
    centred = hot[busy] - hot[busy].mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1)
    linked = (centred @ centred.T) / np.outer(norm, norm).clip(min=1e-12) > SAME_MOVES
    cluster = np.arange(len(hot))
    for _ in busy:  # the least number spreads along the links
        spread = np.where(linked, cluster[busy][None, :], len(hot)).min(axis=1)
        cluster[busy] = np.minimum(cluster[busy], spread)
    return cluster


def regret_closed(today: FloatArray, plan: FloatArray, oracle: FloatArray) -> float | None:
    """(today - plan) / (today - oracle) of the sums; None where there is nothing to gain."""
    possible = float((today - oracle).sum())
    return float((today - plan).sum()) / possible if possible > 1e-9 else None


def bootstrap(
    today: FloatArray, plan: FloatArray, oracle: FloatArray, cluster: npt.NDArray[np.intp], seed: int, draws: int
) -> list[float] | None:
    """95 % interval of the regret closed, drawing clusters with replacement; None where nothing can be gained."""
    _, members = np.unique(cluster, return_inverse=True)
    gained = np.bincount(members, weights=today - plan)
    possible = np.bincount(members, weights=today - oracle)
    if possible.sum() <= 1e-9:
        return None
    weights = np.random.default_rng(seed).multinomial(len(gained), np.full(len(gained), 1 / len(gained)), size=draws)
    ratio = divide_known(weights @ gained, weights @ possible)
    return [float(bound) for bound in np.nanpercentile(ratio, [2.5, 97.5])]


def compare(
    split: Split, arms: Mapping[str, Arm], cluster: npt.NDArray[np.intp] | None = None, draws: int = 2000
) -> dict[str, dict[str, Any]]:
    """Figures of every arm on one split.

    Parameters
    ----------
    split
        History and test.
    arms
        Name to a function that chooses one UTC start option (0 to 47) per VM from the split's training part.
    cluster
        Cluster of each VM for the bootstrap; each its own if absent.
    """
    cluster = np.arange(len(split.today)) if cluster is None else cluster
    apart = cluster != np.bincount(cluster).argmax()  # all but the largest cluster
    evening, people = (split.cost(ARMS[name](split)) for name in ("everybody at 23:00", "today as people choose it"))
    figures = {}
    for name, choose in arms.items():
        choice = choose(split)
        plan = split.cost(choice)
        figures[name] = {
            "at_risk_per_month": float(plan.sum()),
            "regret_closed": regret_closed(evening, plan, split.oracle),
            "interval": bootstrap(evening, plan, split.oracle, cluster, split.seed, draws),
            "regret_closed_without_largest_cluster": regret_closed(evening[apart], plan[apart], split.oracle[apart]),
            "interval_without_largest_cluster": bootstrap(
                evening[apart], plan[apart], split.oracle[apart], cluster[apart], split.seed, draws
            ),
            "regret_closed_from_people": regret_closed(people, plan, split.oracle),
            "vms_helped": int((plan < evening - HARM).sum()),
            "vms_harmed": int((plan > evening + HARM).sum()),
            "moves": int((choice != split.today).sum()),
        }
    return figures


def calibrate(split: Split) -> list[dict[str, float]]:
    """Predicted against realized at-risk share over VMs and options: those predicted 0, then ten equal groups."""
    realized = mean_share(summarize(split.test))
    known = ~np.isnan(realized)
    predicted, realized = split.forecast.probability[known], realized[known]
    order = np.argsort(predicted, kind="stable")
    num_zero = int((predicted == 0).sum())
    groups = [order[:num_zero], *np.array_split(order[num_zero:], 10)]
    return [
        {
            "cells": len(group),
            "predicted": float(predicted[group].mean()),
            "realized": float(realized[group].mean()),
        }
        for group in groups
        if len(group)
    ]


def read_trace(file: Path) -> Trace:
    """Put a long table of 5-minute samples on a grid of VMs and bins."""
    frame = pl.read_parquet(file).with_columns(pl.col("ts").dt.epoch("s") // 300)
    vm_ids = frame["vm"].unique().sort().to_list()
    number = frame["ts"].to_numpy()
    first = datetime.fromtimestamp(int(number.min()) * 300, UTC).date()
    begin = int(datetime.combine(first, datetime.min.time(), UTC).timestamp()) // 300
    num_bins = (int(number.max()) - begin) // BINS_PER_DAY * BINS_PER_DAY + BINS_PER_DAY
    rows = frame["vm"].replace_strict(vm_ids, range(len(vm_ids)), return_dtype=pl.Int64).to_numpy()
    bins = number - begin
    cpu, mem = (np.full((len(vm_ids), num_bins), np.nan, dtype=np.float32) for _ in range(2))
    cpu[rows, bins] = frame["cpu_percent"].to_numpy()
    mem[rows, bins] = frame["mem_percent"].to_numpy()
    return Trace(tuple(vm_ids), first, cpu, mem)


def run_split(
    trace: Trace, until: date, arguments: argparse.Namespace, cluster: npt.NDArray[np.intp]
) -> dict[str, Any]:
    """Train up to a day, test on the rest, and report."""
    last = trace.dates()[-1] + timedelta(days=1)
    begin = date.fromisoformat(arguments.train_from) if arguments.train_from else trace.first
    everybody = np.full(len(trace.vm_ids), EVENING)
    split = Split(trace.between(begin, until), trace.between(until, last), everybody, arguments.seed)
    validation = split.forecast.validation
    spread, overlaps = plan_with_spreading(split.inventory, split.forecast, split.today)
    arms: dict[str, Arm] = {**ARMS, "ours, with spreading": lambda _split: spread}
    return {
        "train": [begin.isoformat(), until.isoformat()],
        "test": [until.isoformat(), last.isoformat()],
        "prior_days": split.forecast.prior_days,
        "cross_validation": validation
        and {
            "prior_days": validation.prior_days,
            "mean_cost": validation.mean_cost.tolist(),
            "standard_error": validation.standard_error.tolist(),
        },
        "arms": compare(split, arms, cluster, arguments.draws),
        "spreading": overlaps,
        "calibration": calibrate(split),
    }


def print_split(report: dict[str, Any]) -> None:
    console = Console(width=132)
    title = f"history {' to '.join(report['train'])}, test {' to '.join(report['test'])}, k = {report['prior_days']}"
    heads = ("arm", "at risk", "closed", "95 %", "w/o cluster", "95 %", "vs people", "helped", "harmed", "moves")
    table = Table(*heads, title=title)
    for name, arm in report["arms"].items():
        table.add_row(
            name,
            f"{arm['at_risk_per_month']:.1f}",
            percent(arm["regret_closed"]),
            interval(arm["interval"]),
            percent(arm["regret_closed_without_largest_cluster"]),
            interval(arm["interval_without_largest_cluster"]),
            percent(arm["regret_closed_from_people"]),
            *(str(arm[key]) for key in ("vms_helped", "vms_harmed", "moves")),
        )
    console.print(table)
    overlaps = report["spreading"]
    console.print(
        f"with spreading: expected overlaps per 30 days {overlaps['overlaps_today']:.0f} -> "
        f"{overlaps['overlaps_plan']:.0f}, captured {percent(overlaps['captured'])} %"
    )
    table = Table("cells", "predicted", "realized", title="calibration of ours: predicted 0, then by decile")
    for group in report["calibration"]:
        table.add_row(str(group["cells"]), f"{group['predicted']:.4f}", f"{group['realized']:.4f}")
    console.print(table)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def interval(bounds: list[float] | None) -> str:
    return "-" if bounds is None else "..".join(map(percent, bounds))


def main() -> None:
    """Compare the arms on every split, print tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=DEFAULT_TRACE)
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--train-from", metavar="DATE", help="first day of history; default: the trace's first")
    parser.add_argument("--train-until", metavar="DATE", action="append", help="first day of the test; repeatable")
    parser.add_argument("--shift-clocks", type=int, metavar="SEED", help="shift every VM by its own hours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=2000, help="of the bootstrap")
    arguments = parser.parse_args()
    if not arguments.trace.is_file():
        parser.error(f"no trace at {arguments.trace}; give --trace")
    trace = read_trace(arguments.trace)
    if arguments.shift_clocks is not None:
        trace = trace.with_shifted_clocks(arguments.shift_clocks)
    cluster = find_clusters(trace)
    sizes = sorted(np.unique_counts(cluster).counts.tolist(), reverse=True)
    splits = [
        run_split(trace, date.fromisoformat(until), arguments, cluster)
        for until in arguments.train_until or DEFAULT_SPLITS
    ]
    for report in splits:
        print_split(report)
    print("largest clusters that move together:", [size for size in sizes[:5] if size > 1])
    if arguments.out:
        results = {"trace": arguments.trace.name, "vms": len(trace.vm_ids), "cluster_sizes": sizes, "splits": splits}
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

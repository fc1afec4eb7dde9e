"""What the solver's benchmark measured, judged and shown: captured, scaling, targets; tables and Markdown."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

Figures = dict[str, Any]

TOLERANCE = 1e-5
"""Relative difference by which a bound may exceed a cost through rounding."""

NEARLY_ALL = 0.99
"""Share of the possible improvement whose time is noted beside the time to the end."""


MOMENTS = (1.0, 3.0, 10.0)
"""Seconds after which it is noted how good the best schedule is."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is aimed at for a size.

    Parameters
    ----------
    captured
        Certified share of all possible improvement.
    seconds
        From the instance to the verified plan.
    gibibytes
        Peak memory.
    """

    captured: float
    seconds: float
    gibibytes: float


TARGETS = {
    12: Target(0.9999, 1.5, 0.4),
    300: Target(0.995, 3, 0.4),
    1000: Target(0.995, 6, 0.5),
    10_000: Target(0.995, 40, 1),
    100_000: Target(0.995, 300, 3),
}
"""Targets of a search that stops at the default gap, by number of VMs, on two cores."""

TARGETS_OF_PROOFS = {
    300: Target(0.999, 15, 0.4),
    1000: Target(0.997, 45, 0.5),
    10_000: Target(0.997, 90, 1),
    100_000: Target(0.996, 500, 3),
}
"""The same for a search that goes on to the end of its effort."""


def targets_of(estates: Sequence[Figures]) -> dict[int, Target]:
    """The targets for what was asked of our solver."""
    proofs = any(estate["arms"]["ours"].get("gap_asked_for") == 0 for estate in estates)
    return TARGETS_OF_PROOFS if proofs else TARGETS


def judge(estate: Figures) -> None:
    """Add what only all arms of an estate together tell.

    The best bound and whose it is, what each schedule captured against it, when ours had nearly all, and any
    contradiction: a bound above the cost of a feasible schedule.
    """
    arms: dict[str, Figures] = estate["arms"]
    bounds = {name: arm["bound"] for name, arm in arms.items() if arm["bound"] is not None}
    best = max(bounds, key=lambda name: bounds[name], default=None)
    reference = arms["ours"].get("reference") or next((arms[n]["cost"] for n in ("today",) if n in arms), None)
    estate |= {"best_bound": bounds.get(best) if best else None, "best_bound_of": best, "reference": reference}
    for arm in arms.values():
        arm["captured"] = captured(reference, arm["cost"], estate["best_bound"])
    ours = arms["ours"]
    ours["seconds_to_99"] = first_time(
        ours["trajectory"], lambda step: captured(reference, step["cost"], estate["best_bound"])
    )
    ours["seconds_to_99_certified"] = first_time(
        ours["trajectory"], lambda step: captured(reference, step["cost"], step["bound"])
    )
    ours["captured_after"] = [
        captured(reference, cost_after(ours["trajectory"], seconds), estate["best_bound"]) for seconds in MOMENTS
    ]
    estate["contradictions"] = [
        f"the bound {bound:.6f} of {prover} is above the cost {arm['cost']:.6f} of {name}"
        for prover, bound in bounds.items()
        for name, arm in arms.items()
        if arm["feasible"] and bound > arm["cost"] + TOLERANCE * (1 + abs(arm["cost"]))
    ]


def captured(reference: float | None, cost: float | None, bound: float | None) -> float | None:
    """Share of all possible improvement; None where a figure is not known."""
    if reference is None or cost is None or bound is None:
        return None
    return 1.0 if reference - bound < 1e-6 else (reference - cost) / (reference - bound)


def first_time(trajectory: Iterable[Figures], share: Callable[[Figures], float | None]) -> float | None:
    """Seconds after which a share was at least :data:`NEARLY_ALL`; None: never seen."""
    return next((step["seconds"] for step in trajectory if (share(step) or 0.0) >= NEARLY_ALL), None)


def cost_after(trajectory: Iterable[Figures], seconds: float) -> float | None:
    """Cost of the best schedule known after some seconds; None: there was none yet."""
    costs = [step["cost"] for step in trajectory if step["seconds"] <= seconds and step["cost"] is not None]
    return min(costs, default=None)


def summarize(estates: list[Figures]) -> Figures:
    """The report: estates, how the time of ours grows, where it was measured."""
    return {
        "machine": {"cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("numpy", "ortools")}},
        "scaling": {
            figure: scaling([(e["vms"], e["arms"]["ours"][figure]) for e in estates])
            for figure in ("seconds", "peak_mebibytes")
        },
        "estates": estates,
    }


def scaling(points: Sequence[tuple[int, float]]) -> Figures | None:
    """Exponent ``b`` of ``figure = a * VMs ** b``: by least squares on logarithms, and from the ends alone.

    Parameters
    ----------
    points
        VMs and figure of each run; None comes back where there are fewer than two sizes.
    """
    sizes = sorted({vms for vms, _ in points})
    if len(sizes) < 2:
        return None
    ends = [statistics.fmean(figure for vms, figure in points if vms == size) for size in (sizes[0], sizes[-1])]
    return {
        "smallest": sizes[0],
        "largest": sizes[-1],
        "regression": statistics.linear_regression(
            [math.log(vms) for vms, _ in points], [math.log(figure) for _, figure in points]
        ).slope,
        "ends": math.log(ends[1] / ends[0]) / math.log(sizes[-1] / sizes[0]),
    }


def print_tables(report: Figures) -> None:
    """Every estate with its arms, then ours by size."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=100)
    for estate in report["estates"]:
        table = Table(
            "arm", title=f"{estate['vms']:,} VMs, seed {estate['seed']}: {_about(estate)}", title_justify="left"
        )
        for column in ("cost", "own bound", "captured", "seconds", "MiB"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("status")
        for name, arm in estate["arms"].items():
            figures = (_cost(arm["cost"]), _cost(arm["bound"]), _share(arm["captured"]), f"{arm['seconds']:.1f}")
            table.add_row(name, *figures, f"{arm['peak_mebibytes']:.0f}", _status(arm))
        console.print(table)
        for text in estate["contradictions"]:
            console.print(f"[bold red]CONTRADICTION[/]: {text}")
    table = Table("VMs", "seed", title="ours, from the instance to the verified plan")
    columns = ("certified", "99 % after, s", "certified 99 %, s", "solved, s", "verified, s", "peak MiB")
    for column in columns:
        table.add_column(column, justify="right")
    for estate in report["estates"]:
        ours = estate["arms"]["ours"]
        times = (ours["seconds_to_99"], ours["seconds_to_99_certified"], ours.get("solve_seconds"), ours["seconds"])
        cells = (_share(ours.get("certified")), *(_seconds(time) for time in times), f"{ours['peak_mebibytes']:.0f}")
        table.add_row(f"{estate['vms']:,}", str(estate["seed"]), *cells)
    console.print(table)
    for line in _scaling_lines(report):
        console.print(line)


def _about(estate: Figures) -> str:
    bound = estate["best_bound"]
    proven = f"best bound {bound:,.2f} ({estate['best_bound_of']})" if bound is not None else "no bound"
    return f"{estate['vaults']} vaults, {estate['twin_keys']} twin keys, {proven}"


def _status(arm: Figures) -> str:
    if arm["not_finished"]:
        return f"not finished: {arm['not_finished']}"
    broken = "" if arm["feasible"] or arm["cost"] is None else ", breaks a limit"
    nothing = "" if arm["cost"] is not None else ", no schedule"
    return f"{arm['status']}{broken}{nothing}"


def _cost(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _scaling_lines(report: Figures) -> list[str]:
    names = {"seconds": "time to the verified plan", "peak_mebibytes": "peak memory"}
    return [
        f"{names[figure]}: VMs to the power of {found['regression']:.2f} by regression, {found['ends']:.2f} from "
        f"{found['smallest']:,} to {found['largest']:,}"
        for figure, found in report["scaling"].items()
        if found
    ]


def check(report: Figures) -> list[Figures]:
    """Compare ours with the targets, print and return it: the worst of all seeds of a size counts.

    A report, not a gate: on another machine the seconds differ.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table("VMs", "captured, certified", "seconds", "peak GiB", "within", title="ours against the targets")
    lines = []
    for size, target in targets_of(report["estates"]).items():
        runs = [estate["arms"]["ours"] for estate in report["estates"] if estate["vms"] == size]
        if not runs:
            continue
        worst = min(run.get("certified") or 0.0 for run in runs)
        slowest = max(run["seconds"] for run in runs)
        gibibytes = max(run["peak_mebibytes"] for run in runs) / 1024
        ended = not any(run["not_finished"] for run in runs)
        met = (worst >= target.captured, ended and slowest <= target.seconds, gibibytes <= target.gibibytes)
        lines.append({"vms": size, "captured": worst, "seconds": slowest, "gibibytes": gibibytes, "met": met})
        cells = (
            f"{100 * worst:.2f} % (at least {100 * target.captured:.1f} %)",
            f"{slowest:.1f} (at most {target.seconds:g})",
            f"{gibibytes:.2f} (at most {target.gibibytes:g})",
        )
        missed = [name for name, ok in zip(("captured", "seconds", "memory"), met, strict=True) if not ok]
        table.add_row(f"{size:,}", *cells, "missed: " + ", ".join(missed) if missed else "all met")
    Console(width=100).print(table)
    return lines


def to_markdown(report: Figures) -> str:
    """The tables of ``docs/performance.md``; over several seeds the least and the most."""
    by_size: dict[int, list[Figures]] = {}
    for estate in report["estates"]:
        by_size.setdefault(estate["vms"], []).append(estate)
    seeds = max(len(estates) for estates in by_size.values())
    parts = [_markdown_ours(by_size), _markdown_moments(by_size), _markdown_arms(by_size), _markdown_bounds(by_size)]
    about = f"{seeds} estates of each size. " if seeds > 1 else ""
    return "\n\n".join([*parts, about + "; ".join(_scaling_lines(report))]).rstrip()


def _markdown_ours(by_size: dict[int, list[Figures]]) -> str:
    header = ("VMs", "captured, certified", "seconds", "99 % after", "certified 99 % after", "peak memory (GiB)")
    rows = []
    for size, estates in by_size.items():
        runs, target = [estate["arms"]["ours"] for estate in estates], targets_of(estates).get(size)
        goals = (f"{100 * target.captured:.1f} %", f"{target.seconds:g}", f"{target.gibibytes:g}") if target else ()
        share, seconds, gibibytes = (f" (target {goal})" for goal in goals) if goals else ("", "", "")
        rows.append(
            (
                f"{size:,}",
                f"**{_range([run.get('certified') for run in runs], 100, 2)} %**{share}",
                _range([run["seconds"] for run in runs], 1, 1) + seconds,
                _range([run["seconds_to_99"] for run in runs], 1, 1),
                _range([run["seconds_to_99_certified"] for run in runs], 1, 1),
                _range([run["peak_mebibytes"] for run in runs], 1 / 1024, 2) + gibibytes,
            )
        )
    return markdown_table(header, rows)


def _markdown_moments(by_size: dict[int, list[Figures]]) -> str:
    """Captured against the best bound by the best schedule known after some seconds; the worst of all seeds."""
    rows = []
    for size, estates in by_size.items():
        runs = [estate["arms"]["ours"]["captured_after"] for estate in estates]
        worst = [None if None in at else min(at) for at in zip(*runs, strict=True)]
        rows.append((f"{size:,}", *(_share(share) for share in worst)))
    return markdown_table(("VMs", *(f"captured after {seconds:g} s" for seconds in MOMENTS)), rows)


def _markdown_arms(by_size: dict[int, list[Figures]]) -> str:
    """Captured against the best bound, seconds and memory of every arm."""
    return _markdown_by_arm(by_size, "captured, seconds, GiB", _markdown_arm)


def _markdown_arm(runs: list[Figures]) -> str:
    cut = next((run["not_finished"] for run in runs if run["not_finished"]), None)
    if cut:
        return f"not finished: {cut}"
    gibibytes = _range([run["peak_mebibytes"] for run in runs], 1 / 1024, 2)
    seconds = _range([run["seconds"] for run in runs], 1, 1)
    shares = [run["captured"] for run in runs]
    what = "no schedule" if None in shares else f"{_range(shares, 100, 1)} %"
    broken = "" if all(run["feasible"] or run["cost"] is None for run in runs) else " (breaks limits)"
    return f"{what}{broken}, {seconds}, {gibibytes}"


def _markdown_bounds(by_size: dict[int, list[Figures]]) -> str:
    """What each arm proved, beside the cost of our plan, as shares of the way from the reference."""

    def proved(runs: list[Figures]) -> str:
        return _range([run["bound"] for run in runs], 1, 2)

    return _markdown_by_arm(by_size, "own bound", proved, only_bounds=True)


def _markdown_by_arm(
    by_size: dict[int, list[Figures]],
    what: str,
    cell: Callable[[list[Figures]], str],
    *,
    only_bounds: bool = False,
) -> str:
    names = list(dict.fromkeys(name for estates in by_size.values() for e in estates for name in e["arms"]))
    rows = []
    for name in names:
        runs = [[e["arms"][name] for e in estates if name in e["arms"]] for estates in by_size.values()]
        if not only_bounds or any(run["bound"] is not None for of_size in runs for run in of_size):
            rows.append((name, *(cell(of_size) if of_size else "-" for of_size in runs)))
    if only_bounds:
        costs = [[e["arms"]["ours"]["cost"] for e in estates] for estates in by_size.values()]
        rows.insert(0, ("cost of our plan", *(_range(of_size, 1, 2) for of_size in costs)))
    return markdown_table((what, *(f"{size:,} VMs" for size in by_size)), rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _range(values: Sequence[float | None], times: float, digits: int) -> str:
    """Least and most of some figures, one of them where they read alike."""
    known = [f"{value * times:,.{digits}f}" for value in sorted(v for v in values if v is not None)]
    if not known:
        return "-"
    return known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}"

"""Is the bound ever above the optimum, and how far below; are plans optimal: against brute force and exact solvers.

python -m tests.benchmarks.bound_soundness --instances 3000 --tight 5000 --plans 500 --medium 5 --out soundness.json

*Tiny*: random instances of two to six VMs with every kind of policy and rule, priced schedule by schedule. The bound
of the relaxation must never be above the optimum, and a plan must be an optimum. *Tight*: the same for three to seven
VMs in small policies and full vaults. In both, whatever else proves something is checked as well: the CP-SAT model,
neighborhoods, forced bounds, bounds of the moves curve, and the models behind "no schedule". *Medium*: 12 to 24 VMs
at few starts, where HiGHS or CP-SAT proves the optimum: is it the bound that falls short there, or the plan?

``--from`` begins at another number, so that a long run can be done in pieces.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from optimizer.model.arrays import IntArray
from optimizer.solve.bound.ascent import ascend
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved, Unsolvable
from optimizer.solve.search.solver import solve
from tests.benchmarks.bound_parts import all_schedules, faults_of_parts
from tests.benchmarks.random_problems import (
    brute_force,
    kinds_of,
    medium_problem,
    tiny_problem,
    with_gates,
    with_move_prices,
    with_weights,
    with_write_limits,
)
from tests.benchmarks.solver_mip import MixedIntegerProgram
from tests.benchmarks.solver_tables import markdown_table
from tests.benchmarks.tight_problems import Judge, keeps_every_rule, tight_problem
from tests.solve.examples import obvious_cost

EXTRAS = {"prices of single moves": with_move_prices, "write limits": with_write_limits, "gates": with_gates}
"""What is put into an instance beside its rules."""

WITH_WEIGHTS = 0.4
"""Share of the instances in which rules weigh VMs."""

ROUNDING = 1e-6
PRICES_ROUNDED_DOWN = 1e-4
"""By this much CP-SAT's optimum, whose coefficients are integers, may differ from ours."""

EQUAL = 1e-4
"""Relative gap below which a bound counts as tight and a plan as optimal: the solver's own."""

EDGES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1)
"""Of the histogram of gaps, relative to the optimum or to 1 where that is less."""

MEDIUM = ((12, 6), (12, 8), (12, 12), (18, 6), (18, 8), (24, 6), (24, 8))
"""VMs and starts of the medium instances."""


@dataclass(slots=True)
class Tiny:
    """What was found on one tiny instance.

    Parameters
    ----------
    number
        Its seed, together with that of the run.
    kinds
        What it has.
    optimum
        Cost by brute force; None: there is no schedule.
    bound_gap, plan_gap
        Relative gaps of the relaxation's bound and of the plan; None where not measured.
    faults
        What must not be.
    """

    number: int
    kinds: list[str]
    optimum: float | None = None
    bound_gap: float | None = None
    plan_gap: float | None = None
    faults: list[str] = field(default_factory=list)


def check_tiny(
    seed: int,
    number: int,
    extras: Sequence[str] = (),
    *,
    tight: bool = False,
    steps: int = 150,
    effort: int | None = 20,
    parts: bool = True,
    judge: Judge = keeps_every_rule,
) -> Tiny:
    """Compare what is proven of a random instance, and its plan, with brute force.

    Parameters
    ----------
    seed, number
        Of the instance.
    extras
        Names out of :data:`EXTRAS` that it may have.
    tight
        Draw an instance with small policies in full vaults.
    steps
        Steps of the ascent.
    effort
        Of the solver; None: it is not asked, which takes a tenth of the time.
    parts
        Check what else proves something; see :mod:`tests.benchmarks.bound_parts`.
    judge
        Says which schedules are feasible, and prices what the objective does not count.
    """
    random = np.random.default_rng([seed, number])
    problem = tight_problem(random) if tight else tiny_problem(random)
    (apart,) = random.spawn(1)  # so that all else stays as it was drawn before there were weights
    if apart.random() < WITH_WEIGHTS:
        problem = with_weights(apart, problem)
    instance = problem.instance()
    drawn = [name for name in EXTRAS if random.random() < 0.25 and name in extras]
    for name in drawn:
        instance = EXTRAS[name](random, instance)
    found = Tiny(number, kinds_of(problem, instance) + drawn)
    # The plain loops know nothing of what is put into an instance beside its rules.
    best = brute_force(instance, None if drawn else lambda options: judge(problem, options))
    if best is not None:
        found.optimum, options = best
        if not drawn and abs(obvious_cost(problem, options.tolist()) - found.optimum) > ROUNDING:
            found.faults.append("the instance prices a schedule otherwise than the plain loops do")
        _check_bound(found, instance, steps)
    if parts and not drawn and (schedules := all_schedules(problem, instance, judge)) is not None:
        found.faults += faults_of_parts(problem, instance, schedules, random)
    if effort is not None:
        _check_plan(found, instance, effort)
    return found


def _check_bound(found: Tiny, instance: Instance, steps: int) -> None:
    assert found.optimum is not None
    ascent = ascend(instance, steps)
    found.bound_gap = _relative(found.optimum - ascent.bound, found.optimum)
    if ascent.bound > found.optimum:
        found.faults.append(f"the relaxation's bound {ascent.bound:.9f} is above the optimum {found.optimum:.9f}")


def _check_plan(found: Tiny, instance: Instance, effort: int) -> None:
    try:
        result = solve(instance, Search(effort=effort, gap=0.0))
    except Exception as exc:  # noqa: BLE001  # a crash is a finding like the others, and names its instance
        found.faults.append(f"the solver fails with {type(exc).__name__}: {exc}")
        return
    if not isinstance(result, Solved):
        answer = "no schedule exists" if isinstance(result, Unsolvable) else "no schedule was found"
        if found.optimum is not None:
            found.faults.append(f"the solver says that {answer}, but there is a schedule")
        elif not isinstance(result, Unsolvable):
            found.faults.append(f"the solver says that {answer}, and it is not proven that there is no schedule")
        return
    if not is_feasible(instance, result.options):
        found.faults.append("the plan breaks a limit")
        return
    if found.optimum is None:
        found.faults.append("the solver finds a schedule, but brute force says that there is none")
        return
    found.plan_gap = _relative(result.cost.total - found.optimum, found.optimum)
    if result.bound > found.optimum + ROUNDING:
        found.faults.append(f"the solver's bound {result.bound:.9f} is above the optimum {found.optimum:.9f}")
    if result.is_optimal and found.plan_gap > EQUAL:
        found.faults.append(f"the plan is called optimal and is {found.plan_gap:.2e} dearer than the optimum")


def _relative(gap: float, optimum: float) -> float:
    return gap / max(1.0, abs(optimum))


def summarize_tiny(found: Iterable[Tiny]) -> dict[str, Any]:
    """Faults, a histogram of gaps, and the same by what the instances have."""
    everything = list(found)
    by_kind: dict[str, list[Tiny]] = {}
    for one in everything:
        for kind in one.kinds:
            by_kind.setdefault(kind, []).append(one)
    order = sorted(by_kind, key=lambda kind: -len(by_kind[kind]))
    return {
        "faults": [asdict(one) for one in everything if one.faults],
        "bound_gaps": _histogram(one.bound_gap for one in everything),
        "plan_gaps": _histogram(one.plan_gap for one in everything),
        "kinds": {kind: _figures(by_kind[kind]) for kind in order},
    }


def _figures(found: list[Tiny]) -> dict[str, Any]:
    bounds = [one.bound_gap for one in found if one.bound_gap is not None]
    plans = [one.plan_gap for one in found if one.plan_gap is not None]
    return {
        "instances": len(found),
        "with_schedule": len(bounds),
        "tight_bounds": sum(gap <= EQUAL for gap in bounds),
        "mean_bound_gap": float(np.mean(bounds)) if bounds else None,
        "plans": len(plans),
        "optimal_plans": sum(gap <= EQUAL for gap in plans),
        "faults": sum(bool(one.faults) for one in found),
    }


def _histogram(gaps: Iterable[float | None]) -> dict[str, int]:
    known = np.array([gap for gap in gaps if gap is not None])
    place = np.searchsorted(EDGES, known, side="left")
    names = [f"at most {edge:g}" for edge in EDGES] + [f"above {EDGES[-1]:g}"]
    return dict(zip(names, np.bincount(place, minlength=len(names)).tolist(), strict=True))


@dataclass(slots=True)
class Medium:
    """What was found on one medium instance; costs, and None for an optimum that nobody proved."""

    vms: int
    starts: int
    number: int
    today: float
    plan: float
    relaxation: float
    bound: float
    optimum: float | None
    prover: str | None
    prove_seconds: float


def check_medium(seed: int, number: int, num_vms: int, num_starts: int, effort: int, seconds: float) -> Medium:
    """Bound and plan beside the proven optimum.

    Parameters
    ----------
    seed, number, num_vms, num_starts
        Of the instance.
    effort
        Of our solver.
    seconds
        That each exact solver has to prove the optimum.
    """
    instance = medium_problem(
        np.random.default_rng([seed, num_vms, num_starts, number]), num_vms, num_starts
    ).instance()
    result = solve(instance, Search(effort=effort, gap=0.0))
    began = time.monotonic()
    optimum, prover = prove(instance, seconds)
    return Medium(
        vms=num_vms,
        starts=num_starts,
        number=number,
        today=evaluate(instance, instance.today).total,
        plan=result.cost.total,
        relaxation=ascend(instance, 15 * effort).bound,
        bound=result.bound,
        optimum=optimum,
        prover=prover,
        prove_seconds=round(time.monotonic() - began, 2),
    )


def prove(instance: Instance, seconds: float) -> tuple[float | None, str | None]:
    """Optimum and who proved it: HiGHS, or else CP-SAT; None where neither did."""
    answer = MixedIntegerProgram(instance).solve(seconds)
    if answer.status == "optimal" and answer.options is not None and is_feasible(instance, answer.options):
        return evaluate(instance, answer.options).total, "HiGHS"
    optimum = prove_in_cpsat(instance, instance.today, seconds, num_workers=2)
    return optimum, None if optimum is None else "CP-SAT"


def prove_in_cpsat(instance: Instance, hint: IntArray, seconds: float, num_workers: int) -> float | None:
    """Optimum, if CP-SAT proves it in time; the hint is a schedule, shape (V,)."""
    from ortools.sat.python import cp_model

    from optimizer.solve.exact.cpsat import SCALE, ScopedModel, whole

    built = ScopedModel(instance, whole(instance, hint))
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # tests run this in their own process
    solver.parameters.num_workers = num_workers
    solver.parameters.max_time_in_seconds = seconds
    return solver.objective_value / SCALE if solver.solve(built.model) == cp_model.OPTIMAL else None


def summarize_medium(found: Iterable[Medium]) -> list[dict[str, Any]]:
    """By VMs and starts: how much of the possible improvement bound and plan each leave open."""
    groups: dict[tuple[int, int], list[Medium]] = {}
    for one in found:
        groups.setdefault((one.vms, one.starts), []).append(one)
    lines = []
    for (vms, starts), ones in groups.items():
        proven = [(one, one.optimum, one.today - one.optimum) for one in ones if one.optimum is not None]
        lines.append(
            {
                "vms": vms,
                "starts": starts,
                "instances": len(ones),
                "proven": len(proven),
                "certified": _mean((one.today - one.plan) / (one.today - one.bound) for one in ones),
                "relaxation_short": _mean((best - one.relaxation) / gain for one, best, gain in proven),
                "bound_short": _mean((best - one.bound) / gain for one, best, gain in proven),
                "plan_short": _mean((one.plan - best) / gain for one, best, gain in proven),
                "optimal_plans": sum(one.plan - best <= EQUAL * max(1.0, best) for one, best, _ in proven),
                "unsound": sum(
                    max(one.bound, one.relaxation) > best + ROUNDING or one.plan < best - PRICES_ROUNDED_DOWN
                    for one, best, _ in proven
                ),
            }
        )
    return lines


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None


def print_tables(report: dict[str, Any]) -> None:
    """Tiny instances by kind, gaps, faults; medium instances by size."""
    console = Console(width=100)
    for name in ("tiny", "tight"):
        _print_tiny(console, f"{name} instances against brute force", report[name])
    if report["medium"]:
        console.print(_medium_table(report["medium"]))


def _print_tiny(console: Console, title: str, tiny: dict[str, Any]) -> None:
    if not tiny["kinds"]:
        return
    table = Table("instances that have", title=title)
    for column in ("instances", "with schedule", "bound tight", "mean gap", "plans", "optimal", "faults"):
        table.add_column(column, justify="right")
    for kind, line in tiny["kinds"].items():
        gap = "-" if line["mean_bound_gap"] is None else f"{line['mean_bound_gap']:.4f}"
        names = ("instances", "with_schedule", "tight_bounds", "plans", "optimal_plans", "faults")
        cells = [f"{line[name]:,}" for name in names]
        table.add_row(kind, *cells[:3], gap, *cells[3:])
    console.print(table)
    table = Table("relative gap", title="gaps to the optimum")
    for column in ("bounds of the relaxation", "plans"):
        table.add_column(column, justify="right")
    for name, count in tiny["bound_gaps"].items():
        table.add_row(name, f"{count:,}", f"{tiny['plan_gaps'][name]:,}")
    console.print(table)
    for fault in tiny["faults"][:20]:
        console.print(f"instance {fault['number']}: {'; '.join(fault['faults'])} ({', '.join(fault['kinds'])})")
    console.print(f"{len(tiny['faults'])} instances with faults")


def _medium_table(lines: Sequence[dict[str, Any]]) -> Any:
    table = Table("VMs", "starts", title="medium instances: share of the possible improvement that is left open")
    columns = ("proven", "captured, certified", "relaxation", "bound", "plan", "plans optimal", "unsound")
    for column in columns:
        table.add_column(column, justify="right")
    for line in lines:
        shares = ("certified", "relaxation_short", "bound_short", "plan_short")
        cells = [_percent(line[name]) for name in shares]
        counts = (str(line["optimal_plans"]), str(line["unsound"]))
        proven = f"{line['proven']} of {line['instances']}"
        table.add_row(str(line["vms"]), str(line["starts"]), proven, *cells, *counts)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{round(100 * share, 2) + 0.0:.2f} %"  # + 0.0: no negative zero


def to_markdown(report: dict[str, Any]) -> str:
    """The tables and the sentence of ``docs/performance.md``."""
    all_kinds, medium = report["tiny"]["kinds"]["every kind"], report["medium"]
    text = (
        f"{all_kinds['instances']:,} instances, {all_kinds['with_schedule']:,} of them with a schedule: "
        f"{len(report['tiny']['faults'])} faults, the bound of the relaxation equal to the optimum on "
        f"{all_kinds['tight_bounds']:,}; {all_kinds['optimal_plans']:,} of {all_kinds['plans']:,} plans optimal."
    )
    names = ("certified", "relaxation_short", "bound_short", "plan_short")
    rows = [
        (
            f"{line['vms']}, {line['starts']}",
            f"{line['proven']} of {line['instances']}",
            *(_percent(line[name]) for name in names),
            f"{line['optimal_plans']} of {line['proven']}",
        )
        for line in medium
    ]
    header = ("VMs, starts", "optimum proven", "captured, certified", "left open by the relaxation")
    return f"{text}\n\n{markdown_table((*header, 'by the bound', 'by the plan', 'plans optimal'), rows)}"


def _check_many(arguments: argparse.Namespace, count: int, *, tight: bool) -> list[Tiny]:
    """Check so many instances, the first of them with their plans; tells now and then how far it is."""
    found, name = [], "tight" if tight else "tiny"
    for done in range(count):
        number = arguments.start + done
        effort = arguments.tiny_effort if done < arguments.plans else None
        found.append(check_tiny(arguments.seed, number, () if tight else list(EXTRAS), tight=tight, effort=effort))
        if (done + 1) % 500 == 0:
            print(f"{done + 1} of {count} {name} instances", file=sys.stderr)
    return found


def main() -> None:
    """Draw, compare, print tables, write JSON; ends with 1 where something must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=3000, help="tiny instances whose bound is checked")
    parser.add_argument("--tight", type=int, default=1000, help="tiny instances with small policies and full vaults")
    parser.add_argument("--from", dest="start", type=int, default=0, help="number of the first instance of both kinds")
    parser.add_argument("--plans", type=int, default=500, help="instances of each kind that are solved as well")
    parser.add_argument("--tiny-effort", type=int, default=20, help="of our solver on these")
    parser.add_argument("--medium", type=int, default=3, help="medium instances of each kind")
    parser.add_argument("--prove-seconds", type=float, default=60.0, help="for each exact solver, medium instances")
    parser.add_argument("--effort", type=int, default=100, help="of our solver, medium instances")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="print the tables of docs/performance.md")
    arguments = parser.parse_args()
    if arguments.markdown:
        print(to_markdown(json.loads(arguments.markdown.read_text(encoding="utf-8"))))
        return
    tiny = _check_many(arguments, arguments.instances, tight=False)
    tight = _check_many(arguments, arguments.tight, tight=True)
    medium = []
    for num_vms, num_starts in MEDIUM if arguments.medium else ():
        print(f"{arguments.medium} instances of {num_vms} VMs at {num_starts} starts", file=sys.stderr)
        medium += [
            check_medium(arguments.seed, n, num_vms, num_starts, arguments.effort, arguments.prove_seconds)
            for n in range(arguments.medium)
        ]
    report = {
        "tiny": summarize_tiny(tiny),
        "tight": summarize_tiny(tight),
        "medium": summarize_medium(medium),
        "medium_instances": [asdict(one) for one in medium],
    }
    print_tables(report)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    faults = report["tiny"]["faults"] or report["tight"]["faults"]
    sys.exit(1 if faults or any(line["unsound"] for line in report["medium"]) else 0)


if __name__ == "__main__":
    main()

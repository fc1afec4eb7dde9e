"""Our solver beside others on bootstrapped estates: what is captured, what is proven, seconds, memory.

python -m tests.benchmarks.solver --sizes 300 1000 10000 100000 --seeds 0 1 2 --out solver.json
python -m tests.benchmarks.solver --markdown solver.json
python -m tests.benchmarks.solver --check solver.json

Each arm gets the same prepared case in memory, in a process of its own, whose peak memory (its workers included) is
measured. Ours is timed from the instance to the plan that has passed the independent verifier. The exact solvers get
as long as ours took times ``--others-factor``, building their model included, within ``--others-seconds``; what is
not finished then, or needs more than ``--memory`` GiB, is reported as such. ``captured`` is measured against the best
bound that any arm proved, from the reference that ours reports.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.measured import Limits, Run, own_peak_mebibytes, run_measured
from tests.benchmarks.solver_tables import check, judge, print_tables, summarize, to_markdown

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_TRACE = ROOT.parent / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"
ARM_NAMES = (
    "ours",
    "monolithic CP-SAT",
    "HiGHS in OR-Tools",
    "greedy by regret",
    "stable hash",
    "each VM's own lowest risk",
    "today",
)
"""Those of ``solver_arms.ARMS``, which this process does not load, to stay small."""

GRACE_SECONDS = 60.0
"""Time that an arm has beyond its budget before it is ended: to read the case, to come to an end."""


def main() -> None:
    """Measure, print tables, write JSON; or print what was measured before."""
    arguments = parse_arguments()
    if arguments.prepare is not None:
        prepare(arguments)
    elif arguments.arm is not None:
        run_arm(arguments)
    elif arguments.markdown is not None:
        print(to_markdown(json.loads(arguments.markdown.read_text(encoding="utf-8"))))
    elif isinstance(arguments.check, Path):
        check(json.loads(arguments.check.read_text(encoding="utf-8")))
    else:
        report = measure(arguments)
        print_tables(report)
        if arguments.check:
            check(report)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=DEFAULT_TRACE, help="Parquet: vm, ts, cpu_percent, mem_percent")
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000], help="numbers of VMs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one estate of each size for each")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="only these arms, and always 'ours'")
    parser.add_argument("--effort", type=int, default=100, help="of ours")
    parser.add_argument("--gap", type=float, default=0.5, help="percent at which ours stops; 0: it goes on to the end")
    parser.add_argument("--processes", type=int, help="of ours; default: one per core")
    parser.add_argument("--time-limit", type=float, help="seconds of ours; default: none")
    parser.add_argument(
        "--others-factor", type=float, default=3.0, help="budget of exact solvers: ours times this ..."
    )
    parser.add_argument(
        "--others-seconds",
        type=float,
        nargs=2,
        default=[60.0, 900.0],
        metavar=("LEAST", "MOST"),
        help="... within this",
    )
    parser.add_argument("--memory", type=float, default=12.0, help="GiB at which an arm is ended")
    parser.add_argument("--days", type=int, default=35, help="days of history")
    parser.add_argument("--out", type=Path, help="JSON to write, after every estate")
    parser.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=True,
        metavar="JSON",
        help="compare with the targets, of a file or this run",
    )
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="print the tables of docs/performance.md")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, default=60.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All sizes and seeds; writes what there is after each estate."""
    estates: list[dict[str, Any]] = []
    for size in arguments.sizes:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory(prefix="solver-") as folder:
                estates.append(measure_estate(arguments, size, seed, Path(folder) / "case.pickle"))
            report = summarize(estates)
            if arguments.out:
                arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def measure_estate(arguments: argparse.Namespace, size: int, seed: int, case: Path) -> dict[str, Any]:
    """One estate: prepare it, then every arm; ours comes first, since the budget of others depends on it."""
    prepared = run_measured([*command(), "--prepare", str(case), "--one", str(size), str(seed)], Limits())
    if prepared.error:
        raise SystemExit(f"the estate of {size} VMs could not be prepared: {prepared.error}")
    figures: dict[str, Any] = prepared.lines[-1]
    budget = 0.0
    for arm in ARM_NAMES:
        if arm not in {"ours", *(arguments.arms or ARM_NAMES)}:
            continue
        print(f"{size} VMs, seed {seed}: {arm}", file=sys.stderr)
        options = ["--arm", arm, "--case", str(case), "--budget", str(budget)]
        limits = Limits(None if arm == "ours" else budget + GRACE_SECONDS, arguments.memory * 1024)
        figures["arms"][arm] = result_of(run_measured([*command(), *options], limits))
        if arm == "ours":
            least, most = arguments.others_seconds
            budget = min(max(least, arguments.others_factor * figures["arms"][arm]["seconds"]), most)
            figures["budget_seconds"] = budget
    judge(figures)
    return figures


def command() -> list[str]:
    """Command line of this program with its arguments, for a process of its own."""
    return [sys.executable, "-m", "tests.benchmarks.solver", *sys.argv[1:]]


def result_of(run: Run) -> dict[str, Any]:
    """Figures of an arm, whether it came to its end or not."""
    ends = [line for line in run.lines if "result" in line]
    steps = [line for line in run.lines if "cost" in line and "stage" in line]
    if ends:
        found = ends[-1]["result"] | {"seconds": ends[-1]["seconds"], "not_finished": None}
        peak = max(run.peak_mebibytes, ends[-1]["peak_mebibytes"])
    else:
        last = steps[-1] if steps else {"cost": None, "bound": None}
        stage = next((line["stage"] for line in reversed(run.lines) if "stage" in line), "reading the case")
        why = run.ended or run.error.splitlines()[-1]
        found = {"cost": last["cost"], "bound": last["bound"], "feasible": None, "seconds": round(run.seconds, 3)}
        found |= {"status": "not finished", "not_finished": f"{why}, {stage}"}
        peak = run.peak_mebibytes
    return found | {"peak_mebibytes": round(peak, 1), "trajectory": steps}


def prepare(arguments: argparse.Namespace) -> None:
    """Write a prepared case to a file and print what the estate is like."""
    from tests.benchmarks.estates import bootstrap, read_trace

    size, seed = arguments.one
    estate, case = bootstrap(read_trace(arguments.trace), size, seed, arguments.days)
    with arguments.prepare.open("wb") as file:
        pickle.dump((estate, case), file, protocol=pickle.HIGHEST_PROTOCOL)
    instance = case.problem.instance
    figures = {
        "vms": size,
        "seed": seed,
        "services": len(set(instance.service.tolist())),
        "vaults": len(instance.vault_room),
        "twin_keys": instance.num_keys,
        "policies": len(case.inventory.policies),
        "cells_with_policy": float((instance.existing > 0).mean()),
        "arms": {},
    }
    print(json.dumps(figures))


def run_arm(arguments: argparse.Namespace) -> None:
    """Run one arm on a prepared case and print what it does."""
    from tests.benchmarks.solver_arms import ARMS, Task, emit

    with arguments.case.open("rb") as file:
        estate, case = pickle.load(file)  # noqa: S301  # written by the process before this one
    ours = (arguments.effort, arguments.gap / 100, arguments.time_limit, arguments.processes)
    task = Task(estate, case, *ours, arguments.budget)
    began = time.monotonic()
    result = ARMS[arguments.arm](task)
    emit(result=result, seconds=round(time.monotonic() - began, 3), peak_mebibytes=own_peak_mebibytes())


if __name__ == "__main__":
    main()

"""import -> risk -> solve on estates bootstrapped from a load trace: seconds, memory, cost, what is certified.

python tests/benchmarks/pipeline.py --trace TRACE.parquet --sizes 300 1000 --out pipeline.json

A VM of an estate is a VM of the trace whose days are rotated by a random number of weeks, so that copies differ while
weekdays keep their shape. Policies, times, zones and services are those of people.py: 4 to 8 policies a vault, of
at most 100 VMs each, 13 % weekly, 3 % hourly, sizes of services heavy-tailed, 5 % of VMs in another vault than their
service. ``--whole-trace`` adds a run on the trace as it is, in two vaults, planned twice. Each size runs in a
process of its own, whose peak memory is the operating system's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.people import write_vms_csv  # noqa: E402  # found through the line above

DEFAULT_TRACE = ROOT.parent / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"


def bootstrap_load(trace: Path, num_vms: int, num_days: int, seed: int, out: Path) -> None:
    """Write ``load.parquet`` of a made-up fleet."""
    from tests.benchmarks.estates import BINS_PER_DAY, BINS_PER_WEEK, draw_copies, read_trace, vm_names

    grid = read_trace(trace)
    begin = datetime.combine(grid.first_day, datetime.min.time(), UTC)
    length = min(num_days * BINS_PER_DAY, grid.cpu.shape[1])
    times = np.arange(length) * 300_000 + round(begin.timestamp() * 1000)
    parts = []
    for vm_id, row, week in zip(vm_names(num_vms), *draw_copies(grid, num_vms, seed), strict=True):
        cpu, mem = (np.roll(metric[row], week * BINS_PER_WEEK)[:length] for metric in (grid.cpu, grid.mem))
        known = ~np.isnan(cpu)
        parts.append(
            pl.DataFrame({"ts": times[known], "cpu_percent": cpu[known], "mem_percent": mem[known]}).with_columns(
                pl.lit(vm_id).alias("vm"), pl.col("mem_percent").fill_nan(None)
            )
        )
    load = pl.concat(parts).with_columns(pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC"))
    load.select("vm", "ts", "cpu_percent", "mem_percent").write_parquet(out)


def add_hourly_policies(estate: Path, seed: int) -> int:
    """Turn some daily policies of an estate folder into hourly ones; how many."""
    from optimizer.estate.document import read_document
    from optimizer.files.atomic import write_bytes
    from tests.benchmarks.estates import make_some_hourly

    document = read_document(estate)
    count = make_some_hourly(document.policies, seed)
    write_bytes(estate / "estate.json", document.to_json().encode())
    return count


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """One size: make the input, then measure import, risk and solve."""
    from optimizer.documents.plan_document import Settings
    from optimizer.estate.folder import open_estate
    from optimizer.intake.estate_import import import_estate
    from optimizer.plan import Planner, prepare
    from optimizer.plan.make.compose import Composer
    from optimizer.solve.effort.search_settings import Search
    from optimizer.solve.problem.cost import evaluate, is_feasible
    from optimizer.solve.search.baselines import greedy, stable_hash
    from tests.benchmarks.estates import num_vaults

    figures: dict[str, Any] = {}
    seconds: dict[str, float] = {}

    def timed(stage: str, began: float) -> None:
        seconds[stage] = round(time.monotonic() - began, 2)

    with tempfile.TemporaryDirectory(prefix="pipeline-") as scratch:
        folder = Path(scratch)
        load, vms = folder / "load.parquet", folder / "vms.csv"
        if arguments.one == 0:
            load = arguments.trace
            vm_ids = pl.scan_parquet(load).select("vm").unique().sort("vm").collect()["vm"].to_list()
        else:
            subprocess.run([sys.executable, *sys.argv, "--write-load", str(load)], check=True)
            vm_ids = pl.scan_parquet(load).select("vm").unique().sort("vm").collect()["vm"].to_list()
        rows = write_vms_csv(vms, vm_ids, arguments.seed, num_vaults(len(vm_ids)))
        began = time.monotonic()
        import_estate(vms, load, folder / "estate")
        timed("import", began)
        figures["hourly_policies"] = add_hourly_policies(folder / "estate", arguments.seed) if arguments.one else 0
        estate = open_estate(folder / "estate")
        began = time.monotonic()
        case = prepare(estate)
        timed("risk", began)
        began = time.monotonic()
        result = Planner(Search(effort=arguments.effort, gap=arguments.gap / 100)).solve(case)
        timed("solve", began)
        began = time.monotonic()
        settings = Settings(seed=0, effort=arguments.effort, gap=arguments.gap / 100, time_limit_seconds=None)
        plan = Composer(estate, case, settings, folder / "plan.json", began).compose(result)
        timed("verify and compose", began)
        if arguments.one == 0:
            result = Planner(Search(effort=arguments.effort, gap=arguments.gap / 100)).solve(case)
            again = Composer(estate, case, settings, folder / "plan.json", 0).compose(result)
            figures["identical_twice"] = _comparable(plan) == _comparable(again)
    instance = case.problem.instance
    others = {"stable hash": stable_hash(instance, [item.vm_id for item in case.inventory.items])}
    others["greedy by regret"] = greedy(instance)
    lowest = np.where(instance.allowed, instance.linear, np.inf).argmin(axis=1)
    others["each VM's own lowest risk"] = lowest
    figures |= {
        "vms": len(vm_ids),
        "services": len({row["service"] for row in rows}),
        "vaults": len({row["vault"] for row in rows}),
        "policies": len(case.inventory.policies),
        "cells_with_policy": float((instance.existing > 0).mean()),
        "prior_days": case.forecast.prior_days,
        "seconds": seconds,
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "summary": plan.summary.model_dump(),
        "baselines": {
            name: {"cost": evaluate(instance, options).total, "feasible": is_feasible(instance, options)}
            for name, options in others.items()
        },
    }
    return figures


def _comparable(plan: Any) -> dict[str, Any]:
    content: dict[str, Any] = plan.model_dump(mode="json", exclude={"created_at": True, "summary": {"seconds"}})
    return content


def print_table(results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", *(f"{r['vms']} VMs" for r in results), title="import -> risk -> solve")
    for stage in results[0]["seconds"]:
        table.add_row(f"{stage}, s", *(f"{r['seconds'][stage]:.1f}" for r in results))
    table.add_row("peak memory, MiB", *(f"{r['peak_mebibytes']:.0f}" for r in results))
    for key in ("services", "vaults", "policies", "hourly_policies", "prior_days"):
        table.add_row(key.replace("_", " "), *(str(r[key]) for r in results))
    table.add_row("(key, slot) cells with a policy", *(f"{100 * r['cells_with_policy']:.1f} %" for r in results))
    for name in ("today", "reference", "plan", "bound"):
        table.add_row(f"cost, {name}", *(f"{r['summary']['cost'][name]:.2f}" for r in results))
    for name in results[0]["baselines"]:
        cells = (r["baselines"][name] for r in results)
        table.add_row(f"cost, {name}", *(f"{c['cost']:.2f}" + ("" if c["feasible"] else " (broken)") for c in cells))
    table.add_row("captured", *(f"{100 * r['summary']['captured']:.2f} %" for r in results))
    for key in ("at_risk_per_month", "overlaps_per_month", "peak_concurrency"):
        pairs = (r["summary"][key] for r in results)
        table.add_row(key.replace("_", " "), *(f"{pair['today']:.0f} -> {pair['plan']:.0f}" for pair in pairs))
    for key in ("moved", "policies_created", "policies_edited", "vms_harmed", "status", "stopped"):
        table.add_row(key.replace("_", " "), *(str(r["summary"][key]) for r in results))
    table.add_row("same plan twice", *(str(r.get("identical_twice", "-")) for r in results))
    Console(width=100).print(table)


def main() -> None:
    """Measure every size in a process of its own, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trace", type=Path, default=DEFAULT_TRACE, help="Parquet: vm, ts (UTC), cpu_percent, mem_percent"
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[300, 1000], help="numbers of VMs")
    parser.add_argument("--whole-trace", action="store_true", help="also the trace as it is, planned twice")
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=int, default=100)
    parser.add_argument("--gap", type=float, default=0.5, help="percent at which the search stops; 0: at the end")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write-load", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write_load:
        bootstrap_load(arguments.trace, arguments.one, arguments.days, arguments.seed, arguments.write_load)
        return
    if arguments.one is not None:
        print(json.dumps(run(arguments)))
        return
    results = []
    for size in [*arguments.sizes, *([0] if arguments.whole_trace else [])]:
        answer = subprocess.run(
            [sys.executable, *sys.argv, "--one", str(size)], check=True, stdout=subprocess.PIPE, text=True
        )
        results.append(json.loads(answer.stdout))
    print_table(results)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

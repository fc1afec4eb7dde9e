"""How fast history becomes a forecast, beside the plain read of the same files; each in a process of its own.

python tests/benchmarks/risk_throughput.py --vms 10000 --days 30 --out throughput.json
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

FIRST_DAY = date(2026, 1, 5)


def main() -> None:
    """Write the estate once, measure each stage in its own process, print a table and write JSON."""
    arguments = parse_arguments()
    if arguments.stage:
        print(json.dumps(STAGES[arguments.stage](arguments.estate)))
        return
    if arguments.estate:
        write_estate(arguments.estate, arguments.vms, arguments.days, arguments.seed)
        return
    with tempfile.TemporaryDirectory(prefix="risk-throughput-") as scratch:
        estate = Path(scratch) / "estate"
        # This process stays small: Linux counts the peak memory of the parent as the child's.
        subprocess.run([sys.executable, *sys.argv, "--estate", str(estate)], check=True)
        size = sum(file.stat().st_size for file in estate.glob("load/*/*.parquet"))
        stages = {stage: measure(stage, estate, arguments.repeats) for stage in STAGES}
    floor = stages["plain read"]["seconds"]
    report = {
        "vms": arguments.vms,
        "days": arguments.days,
        "samples": arguments.vms * arguments.days * 288 * 2,
        "megabytes": size / 1e6,
        "stages": stages,
        "times_the_floor": {stage: result["seconds"] / floor for stage, result in stages.items()},
    }
    print_table(report)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vms", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--estate", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_estate(folder: Path, num_vms: int, num_days: int, seed: int) -> None:
    """Write an estate with the daily shapes of busy VMs and 1 % of gaps."""
    import numpy as np

    from optimizer.estate.writer import EstateWriter
    from optimizer.model.load import DayLoad

    rng = np.random.default_rng(seed)
    vm_ids = tuple(f"vm-{number:06d}" for number in range(num_vms))
    busy_bin = rng.integers(0, 288, (num_vms, 1))
    level = rng.gamma(2.0, 10.0, (num_vms, 1)).astype(np.float32)
    wave = np.cos((np.arange(288) - busy_bin) * (2 * np.pi / 288)).astype(np.float32)
    with EstateWriter(folder) as writer:
        for day in range(num_days):
            noise = rng.standard_normal((2, num_vms, 288), dtype=np.float32)
            cpu = np.clip(level * (1 + wave) + 8 * noise[0], 0, 100)
            cpu[rng.random((num_vms, 288), dtype=np.float32) < 0.01] = np.nan
            memory = np.clip(40 + level + 2 * noise[1], 0, 100)
            writer.add_load(DayLoad(FIRST_DAY + timedelta(days=day), vm_ids, cpu, memory))
        end = datetime.combine(FIRST_DAY + timedelta(days=num_days), datetime.min.time(), UTC)
        writer.commit(created_at=end, as_of=end, source="demo", vaults=(), policies=(), protected_items=(), vms=())


def measure(stage: str, estate: Path, repeats: int) -> dict[str, float]:
    """Fastest of some runs, each in a fresh process, so that peak memory is the stage's own."""
    command = [sys.executable, __file__, "--stage", stage, "--estate", str(estate)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(repeats)
    ]
    return min(runs, key=lambda run: run["seconds"])


def plain_read(estate: Path) -> dict[str, float]:
    """Decode every file into numpy arrays and look at nothing: the floor."""
    import polars as pl

    start = time.perf_counter()
    for file in sorted(estate.glob("load/*/*.parquet")):
        frame = pl.read_parquet(file)
        frame["cpu_percent"].to_numpy(), frame["mem_percent"].to_numpy()
    return finish(start)


def estate_read(estate: Path) -> dict[str, float]:
    """Read every day as the product does, digests included."""
    from optimizer.estate.folder import open_estate

    load = open_estate(estate).load
    start = time.perf_counter()
    for day in load.dates():
        load.read_day(day)
    return finish(start)


def read_and_forecast(estate: Path) -> dict[str, float]:
    """Read every day and forecast every VM."""
    from optimizer.estate.folder import open_estate
    from optimizer.model.rules import Threshold
    from optimizer.model.timegrid import Horizon
    from optimizer.risk.forecast import forecast_load

    opened = open_estate(estate)
    vm_ids = opened.load.read_day(opened.load.dates()[0]).vm_ids
    start = time.perf_counter()
    forecast = forecast_load(opened.load, vm_ids, Horizon(opened.as_of), Threshold())
    return finish(start) | {"vms_ever_at_risk": int((forecast.probability.max(axis=1) > 0).sum())}


def finish(start: float) -> dict[str, float]:
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kibibytes on Linux
    return {"seconds": round(seconds, 3), "peak_mebibytes": round(peak / 1024, 1)}


STAGES = {"plain read": plain_read, "estate read": estate_read, "read and forecast": read_and_forecast}


def print_table(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{report['vms']} VMs x {report['days']} days x 288 bins x 2 metrics, {report['megabytes']:.0f} MB"
    table = Table("stage", "seconds", "peak MiB", "times the floor", title=title)
    for stage, result in report["stages"].items():
        times = report["times_the_floor"][stage]
        table.add_row(stage, f"{result['seconds']:.2f}", f"{result['peak_mebibytes']:.0f}", f"{times:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

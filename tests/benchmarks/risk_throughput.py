"""How fast history becomes a forecast, beside the plain read of the same files; each in a process of its own.

python tests/benchmarks/risk_throughput.py --vms 10000 --days 30 --out throughput.json
python tests/benchmarks/risk_throughput.py --vms 10000 --days 30 --processes 2
python tests/benchmarks/risk_throughput.py --vms 10000 --days 30 --engine tcp://scheduler:8786
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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from optimizer.engine import Engine

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

FIRST_DAY = date(2026, 1, 5)


def main() -> None:
    """Write the estate once, measure each stage in its own process, print a table and write JSON."""
    arguments = parse_arguments()
    if arguments.stage:
        engine = (arguments.engine, arguments.processes)
        stage = STAGES.get(arguments.stage)
        print(json.dumps(stage(arguments.estate) if stage else forecast_on_engine(arguments.estate, *engine)))
        return
    if arguments.estate:
        write_estate(arguments.estate, arguments.vms, arguments.days, arguments.seed)
        return
    with tempfile.TemporaryDirectory(prefix="risk-throughput-") as scratch:
        estate = Path(scratch) / "estate"
        # This process stays small: Linux counts the peak memory of the parent as the child's.
        subprocess.run([sys.executable, *sys.argv, "--estate", str(estate)], check=True)
        size = sum(file.stat().st_size for file in estate.glob("load/*/*.parquet"))
        stages = {stage: measure(stage, estate, arguments) for stage in STAGES}
        if arguments.engine != "local" or arguments.processes:
            stages[ON_ENGINE] = measure(ON_ENGINE, estate, arguments)
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
    parser.add_argument("--engine", default="local", help="local, dask, or the address of a Dask scheduler")
    parser.add_argument("--processes", type=int, help="of the engine local")
    parser.add_argument("--stage", choices=[*STAGES, ON_ENGINE], help=argparse.SUPPRESS)
    parser.add_argument("--estate", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_estate(folder: Path, num_vms: int, num_days: int, seed: int) -> None:
    """Write an estate with the daily shapes of busy VMs and 1 % of gaps."""
    import numpy as np

    from optimizer.arm import ArmResources
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
        writer.commit(ArmResources(end, "demo"), created_at=end)


def measure(stage: str, estate: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Fastest of some runs, each in a fresh process, so that peak memory is the stage's own."""
    command = [sys.executable, __file__, "--stage", stage, "--estate", str(estate), "--engine", arguments.engine]
    if arguments.processes:
        command += ["--processes", str(arguments.processes)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(arguments.repeats)
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
    from optimizer.engine import SERIAL

    forecast = forecaster(estate)
    start = time.perf_counter()
    probability = forecast(SERIAL)
    return finish(start) | {"vms_ever_at_risk": int((probability.max(axis=1) > 0).sum())}


def forecast_on_engine(estate: Path, kind: str, processes: int | None) -> dict[str, float]:
    """The same on an engine that runs: the second forecast counts, what comes before it is told beside it."""
    from optimizer.engine import SERIAL, open_engine

    forecast = forecaster(estate)
    expected = forecast(SERIAL)
    begin = time.perf_counter()
    with open_engine(kind, processes=processes) as engine:
        engine.map(abs, range(2 * engine.num_workers))
        running = time.perf_counter()
        forecast(engine)
        first = time.perf_counter()
        probability = forecast(engine)
        done = finish(first)
        again = time.perf_counter()
        engine.map(abs, range(500))
        per_task = (time.perf_counter() - again) / 500
    assert probability.tobytes() == expected.tobytes(), "an engine changed the result"
    told = {
        "start_seconds": running - begin,
        "first_seconds": first - running,
        "milliseconds_per_task": 1e3 * per_task,
    }
    return done | {name: round(value, 3) for name, value in told.items()}


def forecaster(estate: Path) -> Callable[[Engine], npt.NDArray[np.float64]]:
    """What reads an estate and forecasts every VM, on an engine."""
    from optimizer.estate.folder import open_estate
    from optimizer.model.rules import Threshold
    from optimizer.model.timegrid import Horizon
    from optimizer.risk.forecast import forecast_load

    opened = open_estate(estate)
    vm_ids = opened.load.read_day(opened.load.dates()[0]).vm_ids
    horizon = Horizon(opened.as_of)
    return lambda engine: forecast_load(opened.load, vm_ids, horizon, Threshold(), engine=engine).probability


def finish(start: float) -> dict[str, float]:
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kibibytes on Linux
    return {"seconds": round(seconds, 3), "peak_mebibytes": round(peak / 1024, 1)}


ON_ENGINE = "read and forecast, on the engine"
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
    for name, value in report["stages"].get(ON_ENGINE, {}).items():
        print(f"{ON_ENGINE}: {name.replace('_', ' ')} {value}")


if __name__ == "__main__":
    main()

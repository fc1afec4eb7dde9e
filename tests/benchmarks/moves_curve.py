"""The moves curve of the demo estate and of a load trace as it is: its table, whether it is monotone, seconds.

python tests/benchmarks/moves_curve.py --trace TRACE.parquet

The trace's VMs get the services, vaults and policies of people.py, as pipeline.py --whole-trace gives them. Then the
plan for as many moves as give 80 % of the gain is made by itself, to compare it with its point of the curve.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.people import write_vms_csv  # noqa: E402  # found through the line above

DEFAULT_TRACE = ROOT.parent / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"


def make_demo(folder: Path, _trace: Path) -> None:
    """The demo estate of 300 VMs."""
    from optimizer.demo.generate import generate_demo

    generate_demo(folder / "estate", vms=300, seed=1)


def import_trace(folder: Path, trace: Path) -> None:
    """The trace as it is, in two vaults."""
    from optimizer.intake.estate_import import import_estate

    vm_ids = pl.scan_parquet(trace).select("vm").unique().sort("vm").collect()["vm"].to_list()
    write_vms_csv(folder / "vms.csv", vm_ids, 0, 2)
    import_estate(folder / "vms.csv", trace, folder / "estate")


def measure(name: str, folder: Path, effort: int) -> None:
    """Plan with and without the curve, and with the moves that give most of the gain."""
    from optimizer.estate.folder import open_estate
    from optimizer.model.rules import Rules
    from optimizer.report.terminal.moves import render_moves_curve
    from optimizer.report.terminal.sheet import to_text
    from optimizer.workflow import make_plan

    estate = open_estate(folder / "estate")
    seconds, plans = [], []
    for with_curve in (False, True):
        began = time.monotonic()
        plans.append(make_plan(estate, effort=effort, gap=0.0, moves_curve=with_curve))
        seconds.append(time.monotonic() - began)
    curve = plans[1].moves_curve
    assert curve is not None
    print(f"\n{name}: plan {seconds[0]:.1f} s, with its moves curve {seconds[1]:.1f} s")
    print(to_text(render_moves_curve(curve)))
    costs = [point.cost for point in curve.points]
    print(f"monotone: {costs == sorted(costs, reverse=True)}")
    if curve.most_of_gain is not None:
        limited = make_plan(estate, Rules(max_moves=curve.most_of_gain), effort=effort, gap=0.0)
        point = curve.point(curve.most_of_gain)
        cost = limited.summary.cost.plan
        print(f"plan --max-moves {point.max_moves}: cost {cost:.3f}, that of the point {point.cost:.3f}")


def main() -> None:
    """Measure both estates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trace", type=Path, default=DEFAULT_TRACE, help="Parquet: vm, ts (UTC), cpu_percent, mem_percent"
    )
    parser.add_argument("--effort", type=int, default=100)
    arguments = parser.parse_args()
    for name, prepare in (("demo estate", make_demo), (arguments.trace.stem, import_trace)):
        with tempfile.TemporaryDirectory(prefix="moves-") as scratch:
            prepare(Path(scratch), arguments.trace)
            measure(name, Path(scratch), arguments.effort)


if __name__ == "__main__":
    main()

"""Whether a search ends soon after its time limit, and whether more time makes it worse.

python -m tests.benchmarks.time_limits --sizes 300 1000 10000 --limits 1 3 10 --runs 5

Searches estates bootstrapped from the trace (tests/benchmarks/estates.py), each limit several times, to the end of the
limit (gap 0). Printed are seconds of the search, and the median share captured, measured with the best bound of all
runs of an estate.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from optimizer.engine import open_engine
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.benchmarks.estates import bootstrap, read_trace
from tests.benchmarks.solver import DEFAULT_TRACE

HEADER = """\
| VMs | limit (s) | seconds, median | longest | beyond the limit | captured, median | least |
| --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=DEFAULT_TRACE, help="Parquet: vm, ts, cpu_percent, mem_percent")
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000], help="numbers of VMs")
    parser.add_argument("--limits", type=float, nargs="+", default=[1.0, 3.0, 10.0], help="seconds")
    parser.add_argument("--runs", type=int, default=5, help="of each limit")
    options = parser.parse_args()
    print(HEADER)
    for size in options.sizes:
        instance = bootstrap(read_trace(options.trace), size, 0)[1].problem.instance
        solve(instance, Search(effort=1))  # so that nothing is left to compile or to load
        runs: dict[float, list[Solved]] = {}
        with open_engine() as engine:
            for limit in options.limits:
                runs[limit] = [
                    solve(instance, Search(seed=seed, effort=10**6, gap=0.0, time_limit_seconds=limit), engine=engine)
                    for seed in range(options.runs)
                ]
        bound = max(result.bound for results in runs.values() for result in results)
        for limit, results in runs.items():
            print(row(size, limit, results, bound), flush=True)


def row(size: int, limit: float, results: list[Solved], bound: float) -> str:
    """One line of the table."""
    seconds = [result.seconds for result in results]
    shares = [(one.reference.total - one.cost.total) / (one.reference.total - bound) for one in results]
    beyond = max(seconds) / limit - 1
    figures = [f"{size:,}", f"{limit:g}", f"{median(seconds):.2f}", f"{max(seconds):.2f}", f"{beyond:.1%}"]
    return "| " + " | ".join([*figures, f"{median(shares):.2%}", f"{min(shares):.2%}"]) + " |"


if __name__ == "__main__":
    main()

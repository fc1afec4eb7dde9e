"""Is it the plan or the bound that falls short? The twin keys of the solver's benchmark estate, one by one.

python -m tests.benchmarks.twin_keys --trace TRACE.parquet --most 60 --prove-seconds 120 --out twin_keys.json

A twin key is what may share policies: the daily, weekly or hourly VMs of one vault with equal retention. On its own
it is small enough for an optimum to be proven now and then, with all starts and the load of real machines: by our own
bound, or else by CP-SAT, with our plan as its hint.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.benchmarks.bound_soundness import prove_in_cpsat
from tests.benchmarks.estates import bootstrap_case, read_trace
from tests.benchmarks.solver_tables import markdown_table

EQUAL = 1e-5
"""Difference of costs that CP-SAT's integer coefficients explain."""


@dataclass(frozen=True, slots=True)
class TwinKey:
    """What was found of one twin key; costs per 30 days, None where nobody proved an optimum."""

    key: int
    vms: int
    services: int
    today: float
    plan: float
    bound: float
    optimum: float | None
    prover: str | None
    seconds: float

    @property
    def is_optimal(self) -> bool:
        """Whether the plan is proven to be an optimum."""
        return self.optimum is not None and self.plan - self.optimum <= EQUAL


def of_key(instance: Instance, key: int) -> Instance:
    """The VMs of one twin key alone, without policies that could be edited; rows keep their numbers."""
    vms = np.flatnonzero(instance.key == key)
    met = np.zeros(len(instance.rows) + 1, dtype=np.int64)
    for vm_class in instance.vm_class[vms].tolist():
        met[np.unique(instance.touched[vm_class])] += 1
    return replace(
        instance,
        linear=instance.linear[vms],
        working_hours=instance.working_hours[vms],
        tie_rank=instance.tie_rank[vms],
        risk=instance.risk[vms],
        allowed=instance.allowed[vms],
        today=instance.today[vms],
        movable=instance.movable[vms],
        key=instance.key[vms],
        service=instance.service[vms],
        weight=instance.weight[vms],
        risk_weight=instance.risk_weight[vms],
        vm_class=instance.vm_class[vms],
        counted_today=instance.counted_today[vms],
        move_price=instance.move_price[vms],
        rows=replace(instance.rows, size=met[:-1]),
        gates=replace(instance.gates, vm_begin=np.zeros(len(vms) + 1, dtype=np.int64)),
        policies=(),
    )


def look_at(instance: Instance, key: int, seconds: float) -> TwinKey:
    """Plan, bound and optimum of one twin key."""
    alone = of_key(instance, key)
    result = solve(alone, Search(gap=0.0))
    assert isinstance(result, Solved)
    began = time.monotonic()
    own = result.is_optimal
    optimum = result.cost.total if own else prove_in_cpsat(alone, result.options, seconds, num_workers=8)
    return TwinKey(
        key=key,
        vms=alone.num_vms,
        services=len(np.unique(alone.service)),
        today=evaluate(alone, alone.today).total,
        plan=result.cost.total,
        bound=result.bound,
        optimum=optimum,
        prover=None if optimum is None else "our bound" if own else "CP-SAT",
        seconds=round(time.monotonic() - began, 1),
    )


def to_markdown(found: list[TwinKey]) -> str:
    """The table and the sentence of ``docs/performance.md``."""
    rows = [
        (
            f"{one.vms}",
            f"{one.services}",
            f"{one.today:.2f}",
            f"{one.plan:.3f}",
            f"{one.bound:.3f}",
            "not proven" if one.optimum is None else f"{one.optimum:.3f}",
            one.prover or "-",
        )
        for one in found
    ]
    proven = [one for one in found if one.optimum is not None]
    short = [one.plan - one.bound for one in proven]
    optimal = sum(one.is_optimal for one in proven)
    text = (
        f"The optimum of {len(proven)} of {len(found)} twin keys is proven; {optimal} of these {len(proven)} plans "
        f"are optimal, and their bounds are short by {sum(short):.2f} in all, by {max(short, default=0.0):.2f} "
        f"at the most."
    )
    return f"{text}\n\n{markdown_table(('VMs', 'services', 'today', 'plan', 'bound', 'optimum', 'proven by'), rows)}"


def main() -> None:
    """Cut, solve, prove, print the table, write JSON; ends with 1 where a bound is above an optimum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, required=True, help="Parquet file with vm, ts, cpu_percent, mem_percent")
    parser.add_argument("--vms", type=int, default=1000, help="of the estate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=60, help="twin keys of up to so many VMs")
    parser.add_argument("--prove-seconds", type=float, default=120.0, help="that CP-SAT has for each")
    parser.add_argument("--out", type=Path, help="JSON to write")
    arguments = parser.parse_args()
    instance = bootstrap_case(read_trace(arguments.trace), arguments.vms, arguments.seed).problem.instance
    sizes = np.bincount(instance.key)
    found = []
    for key in np.flatnonzero((sizes > 1) & (sizes <= arguments.most)).tolist():
        found.append(look_at(instance, key, arguments.prove_seconds))
        print(found[-1], file=sys.stderr)
    print(to_markdown(found))
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    sys.exit(any(one.optimum is not None and one.bound > one.optimum + EQUAL for one in found))


if __name__ == "__main__":
    main()

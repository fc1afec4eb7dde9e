"""Which prices should be the defaults: what becomes of demo, trace and office under many.

python -m tests.benchmarks.defaults --trace TRACE.parquet

The demo (300 VMs) and the office (12 VMs, ``data/office``) are planned as a planner would; of the trace, July is
planned and August judges. The first row of each estate has the prices that were the defaults before: the gain in
at-risk backups of all other rows is a share of its gain. The credit of gains does not depend on prices.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from optimizer.demo.generate import generate_demo
from optimizer.estate.folder import open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.model.arrays import IntArray
from optimizer.model.occupancy import expected_overlaps, service_occupancy, working_hours_starts
from optimizer.model.rules import Rules
from optimizer.plan import Case, Planner, prepare
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import Solved
from tests.benchmarks.forecast_arms import DEFAULT_TRACE, HARM, Split, as_people_choose, read_trace, regret_closed
from tests.benchmarks.spreading import made_up_inventory

OFFICE = Path(__file__).parents[2] / "data" / "office"
BEFORE: Mapping[str, float] = {
    "snapshot_overlap": 0.0145,
    "all_at_once": 1.0,
    "vault_peak": 0.01,
    "working_hours": 0.0,
    "policy_write": 0.1,
    "move": 0.02,
}
SPLIT = (date(2013, 7, 1), date(2013, 8, 1), date(2013, 9, 1))
HEADS = "prices|created|moved|gain kept|credited gain kept|expected in working hours|overlaps|peak|closed|harmed|s"


@dataclass(frozen=True)
class Subject:
    """An estate that is planned under many prices.

    Parameters
    ----------
    case
        Prepared under any prices.
    judge
        Regret that a schedule closes out of sample, as a share, and VMs that it harms; None where nothing is known.
    """

    name: str
    case: Case
    judge: Callable[[IntArray], tuple[float, int]] | None = None


def demo(seed: int) -> Subject:
    """Make the demo of 300 VMs."""
    with tempfile.TemporaryDirectory() as folder:
        generate_demo(Path(folder) / "demo", seed=seed)
        return Subject(f"demo, seed {seed}", prepare(open_estate(Path(folder) / "demo")))


def office() -> Subject:
    """Import the office of 12 VMs."""
    with tempfile.TemporaryDirectory() as folder:
        import_estate(OFFICE / "vms.csv", OFFICE / "load.parquet", Path(folder) / "office")
        return Subject("office, 12 VMs", prepare(open_estate(Path(folder) / "office")))


def bitbrains(path: Path, seed: int) -> Subject:
    """July of the trace, judged on August; services, and the starts of today, are made up."""
    trace = read_trace(path)
    begin, until, end = SPLIT
    today = as_people_choose(len(trace.vm_ids), seed)
    split = Split(trace.between(begin, until), trace.between(until, end), today, seed)
    as_of = datetime.combine(until, datetime.min.time(), UTC)
    inventory = made_up_inventory(split.forecast.vm_ids, today, seed, as_of)
    before = split.cost(today)

    def judge(options: IntArray) -> tuple[float, int]:
        after = split.cost(options.astype(np.intp))
        return regret_closed(before, after, split.oracle) or 0.0, int((after > before + HARM).sum())

    case = Case.of(inventory, Rules(), split.forecast)
    return Subject(f"Bitbrains, {len(today)} VMs, seed {seed}", case, judge)


Gain = tuple[float, float]
"""Gain in at-risk backups per 30 days as reports state it, and as the objective credits it."""


def row(subject: Subject, prices: Mapping[str, float], reference: Gain | None) -> tuple[str, Gain]:
    """Plan under some prices: a row of the table, and the gain."""
    case, began = subject.case, time.monotonic()
    rules = Rules.model_validate({"prices": {**BEFORE, **prices}})
    priced = Case.of(case.inventory, rules, case.forecast, table=case.table)
    result = Planner(Search()).solve(priced)
    assert isinstance(result, Solved)
    seconds = time.monotonic() - began
    options, today, rows = result.options, priced.problem.instance.today, np.arange(priced.problem.instance.num_vms)
    gain = tuple(
        float((risk[rows, today] - risk[rows, options]).sum())
        for risk in (priced.problem.instance.risk, case.table.cost)
    )
    _, met = service_occupancy(case.inventory, options)
    in_hours = [working_hours_starts(case.inventory, rules.working_hours, starts) for starts in (today, options)]
    judged = subject.judge(options) if subject.judge else None
    cells = (
        " ".join(f"{name} {price:g}" for name, price in prices.items()) or "before",
        str(result.cost.writes),
        f"{result.cost.num_moves / len(options):.0%}",
        *(
            f"{one:.1f}" if reference is None else f"{one / of:.1%}"
            for one, of in zip(gain, reference or gain, strict=True)
        ),
        f"{in_hours[0]:.0f} -> {in_hours[1]:.0f}",
        f"{expected_overlaps(case.inventory, options).sum():.0f}",
        str(int(met.max(initial=0))),
        f"{judged[0]:.1%}" if judged else "",
        str(judged[1]) if judged else "",
        f"{seconds:.1f}",
    )
    return "| " + " | ".join(cells) + " |", gain


def candidates(texts: list[str]) -> Iterator[Mapping[str, float]]:
    """Prices written as ``policy_write=0.5,move=0.05``."""
    for text in texts:
        yield {name: float(price) for name, _, price in (part.partition("=") for part in text.split(","))}


DEFAULT_CANDIDATES = [
    "policy_write=0.4",
    "move=0.06",
    "snapshot_overlap=0.01",
    "working_hours=0.01",
    "policy_write=0.4,move=0.06",
    "policy_write=0.4,move=0.06,working_hours=0.01",
    "policy_write=0.4,move=0.06,working_hours=0.01,snapshot_overlap=0.01",
    "policy_write=0.4,move=0.06,working_hours=0.02,snapshot_overlap=0.01",
    "policy_write=0.4,move=0.1,working_hours=0.01,snapshot_overlap=0.01",
    "policy_write=0.5,move=0.06,working_hours=0.01,snapshot_overlap=0.01",
    "policy_write=1,move=0.06,working_hours=0.01,snapshot_overlap=0.01",
    "policy_write=0.4,move=0.06,working_hours=0.01,snapshot_overlap=0.005",
]


def main() -> None:
    """Print a table for each estate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", type=Path, default=DEFAULT_TRACE)
    parser.add_argument("--seed", type=int, action="append", help="of demo and trace; repeatable (default: 0 and 1)")
    parser.add_argument("--prices", action="append", metavar="NAME=PRICE,...", help="candidate; repeatable")
    parser.add_argument("--estates", nargs="+", default=["demo", "bitbrains", "office"])
    arguments = parser.parse_args()
    makers: dict[str, Callable[[int], Subject]] = {
        "demo": demo,
        "bitbrains": lambda seed: bitbrains(arguments.trace, seed),
        "office": lambda _seed: office(),
    }
    for name in arguments.estates:
        for seed in (arguments.seed or [0, 1])[: 1 if name == "office" else None]:
            subject = makers[name](seed)
            print(f"\n{subject.name}\n\n|{HEADS}|\n|{'---|' * 11}", flush=True)
            text, reference = row(subject, {}, None)
            print(text, flush=True)
            for prices in candidates(arguments.prices or DEFAULT_CANDIDATES):
                print(row(subject, prices, reference)[0], flush=True)


if __name__ == "__main__":
    main()

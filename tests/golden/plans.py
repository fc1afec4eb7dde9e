"""Golden plans: what the planner answers for some estates, kept in files, so that a change of any plan is seen.

python -m tests.golden.plans            rewrites plans.json and words.json, and reports which entries changed
python -m tests.golden.plans demo-1     the same for the entries whose names begin so

``plans.json`` has the digest of each schedule, the costs, the bound, and how many changes of each kind a plan makes.
``words.json`` has the digest of the names of policies, and of everything that is written for people.
A commit that changes words changes nothing else, and one that straightens the code changes neither file.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from click import echo

import optimizer
from optimizer import Estate, PlanDocument, Rules
from optimizer.documents.plan_document import CreatePolicy, EditPolicy
from optimizer.model.clock import VirtualClock
from tests.plan.estates import arm_estate, imported_estate

ROOT = Path(__file__).resolve().parents[2]
TRACE = ROOT.parent / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"
RULES = tuple(sorted((ROOT / "data" / "rules").glob("*.toml")))
PLANS, WORDS = Path(__file__).parent / "plans.json", Path(__file__).parent / "words.json"

CLOCK = VirtualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
"""When every golden plan is made."""

DIGITS = 9
"""Decimals of a cost that are compared."""


@dataclass(frozen=True)
class Golden:
    """One entry.

    Parameters
    ----------
    name
        Name of the entry, which begins with the name of the estate.
    estate
        Makes the estate in a folder.
    rules
        Its rules.
    options
        Other keyword arguments of :func:`optimizer.make_plan`.
    slow
        Whether it waits for the thorough section of ``.ci/run``.
    """

    name: str
    estate: Callable[[Path], Estate]
    rules: Rules = field(default_factory=Rules)
    options: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False

    def plan(self, folder: Path) -> PlanDocument:
        """Make the plan of the entry; ``folder`` is where the estates of all entries are."""
        return optimizer.make_plan(open_or_make(self, folder), self.rules, clock=CLOCK, **self.options)


@cache
def demo(seed: int, vms: int) -> Callable[[Path], Estate]:
    """Make a demo estate."""

    def make(folder: Path) -> Estate:
        optimizer.generate_demo(folder, vms=vms, seed=seed, clock=CLOCK)
        return optimizer.open_estate(folder)

    return make


def office(folder: Path) -> Estate:
    """Import the office of 12 VMs."""
    files = ROOT / "data" / "office"
    optimizer.import_estate(files / "vms.csv", files / "load.parquet", folder)
    return optimizer.open_estate(folder)


def trace(folder: Path) -> Estate:
    """Import the shared trace as a fleet of people's services and policies in two vaults."""
    import polars as pl

    from tests.benchmarks.people import write_vms_csv

    names = pl.scan_parquet(TRACE).select("vm").unique().sort("vm").collect()["vm"].to_list()
    with tempfile.TemporaryDirectory() as scratch:
        vms = Path(scratch) / "vms.csv"
        write_vms_csv(vms, names, 0, 2)
        optimizer.import_estate(vms, TRACE, folder)
    return optimizer.open_estate(folder)


def open_or_make(entry: Golden, folder: Path) -> Estate:
    """Open the estate of an entry, which entries of the same estate share."""
    kind = entry.name.partition(" ")[0]
    if not (folder / kind).exists():
        return entry.estate(folder / kind)
    below = folder / kind / "estate"
    return optimizer.open_estate(below if below.exists() else folder / kind)


def entries() -> list[Golden]:
    """Return all entries; that of the trace only where the trace is."""
    tight = Rules(max_moves=6)
    found = [
        Golden("imported", imported_estate),
        Golden("imported curve", imported_estate, options={"moves_curve": True}, slow=True),
        Golden("imported 6 moves", imported_estate, tight),
        Golden("imported to the end", imported_estate, options={"gap": 0.0, "seed": 3}, slow=True),
        Golden("arm", lambda folder: arm_estate(folder / "estate")),
        Golden("office", office),
        Golden("office curve", office, options={"moves_curve": True}, slow=True),
        *(Golden(f"office {path.stem}", office, optimizer.read_rules(path), slow=True) for path in RULES),
        *(Golden(f"office {p.stem} toward", office, limited(p, 2), {"toward": True}, slow=True) for p in RULES[:2]),
        Golden("demo-7-40", demo(7, 40), slow=True),
    ]
    for seed in (1, 2):
        make = demo(seed, 300)
        found.append(Golden(f"demo-{seed}", make, slow=True))
        found.extend(Golden(f"demo-{seed} {p.stem}", make, optimizer.read_rules(p), slow=True) for p in RULES)
    if TRACE.exists():
        found.append(Golden("trace", trace, slow=True))
    return found


def limited(path: Path, max_moves: int) -> Rules:
    """Rules of a file with a limit of moves."""
    return optimizer.read_rules(path).model_copy(update={"max_moves": max_moves})


def figures(plan: PlanDocument) -> dict[str, Any]:
    """What a plan decides: its schedule, costs, bound and changes."""
    summary = plan.summary
    rows = sorted((row.vault, row.vm, row.start, row.timezone, row.frequency) for row in plan.schedule)
    cost = summary.cost
    return {
        "schedule": digest(rows),
        "moved": summary.moved,
        "status": summary.status,
        "cost": [round(value, DIGITS) for value in (cost.today, cost.reference, cost.plan, cost.bound)],
        "at_risk": [round(value, DIGITS) for value in pair(summary.at_risk_per_month)],
        "overlaps": [round(value, DIGITS) for value in pair(summary.overlaps_per_month)],
        "expected": None
        if (e := summary.expected_change) is None
        else [round(x, DIGITS) for x in (e.value, e.low, e.high)],
        "changes": dict(sorted(Counter(change.kind for change in plan.changes).items())),
        "starts_of_policies": digest(
            sorted((c.vault_id, c.start) for c in plan.changes if isinstance(c, CreatePolicy | EditPolicy))
        ),
        "curve": None if plan.moves_curve is None else digest(plan.moves_curve.model_dump(mode="json")),
    }


def words(plan: PlanDocument) -> dict[str, str]:
    """What a plan calls things, and what it says."""
    return {
        "policies": digest(sorted(c.policy for c in plan.changes if isinstance(c, CreatePolicy))),
        "order": digest([change.model_dump(mode="json") for change in plan.changes]),
        "reasons": digest([row.reason for row in plan.schedule]),
        "notes": digest(plan.notes),
    }


def pair(figure: Any) -> tuple[float, float]:
    """A figure today and in the plan."""
    return figure.today, figure.plan


def digest(value: object) -> str:
    """Digest of a value that can be written as JSON; floats are rounded."""
    text = json.dumps(rounded(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rounded(value: object) -> object:
    """Round the floats of a value."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value


def answer(entry: Golden, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the figures and the words of an entry; of rules without a schedule, what their refusal says."""
    try:
        plan = entry.plan(folder)
    except optimizer.NoScheduleError as error:
        return {"no_schedule": True}, {"error": digest(str(error))}
    return figures(plan), words(plan)


def main(prefixes: Iterable[str]) -> None:
    """Write both files again."""
    chosen = tuple(prefixes) or ("",)
    before = {path: json.loads(path.read_text()) if path.exists() else {} for path in (PLANS, WORDS)}
    now = {path: dict(kept) for path, kept in before.items()}
    with tempfile.TemporaryDirectory() as scratch:
        for entry in entries():
            if entry.name.startswith(chosen):
                now[PLANS][entry.name], now[WORDS][entry.name] = answer(entry, Path(scratch))
                changed = [path.name for path in now if before[path].get(entry.name) != now[path][entry.name]]
                echo(f"{entry.name:32} {'changed: ' + ', '.join(changed) if changed else 'as before'}")
    for path, kept in now.items():
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

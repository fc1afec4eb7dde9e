"""Random rule sets that no schedule of a demo estate keeps: how soon `plan` says why, and what would help.

python -m tests.benchmarks.why_not                        20 rule sets: estates of 12, 30, 60, 120 and 300 VMs
python -m tests.benchmarks.why_not --sets 10 --vms 12 30  10 rule sets on smaller estates
python -m tests.benchmarks.why_not --skip 20              the 20 rule sets after the first 20

Rule sets are drawn with every kind of rule and every limit; those with a schedule are left out. Seconds are those of
the wall clock and, in brackets, of the processor, which other programs on the machine do not change.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.demo.generate import generate_demo
from optimizer.estate.folder import open_estate
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan import Case, Planner, prepare
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import Limits
from optimizer.solve.why_not.counting_model import stuck
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.no_schedule import (
    NamedConflict,
    NamedRelaxation,
    NoSchedule,
    NoScheduleError,
    NotFoundWithinEffortError,
    describe,
)

SIZES = (12, 30, 60, 120, 300)
WORK = 20.0
"""Deterministic time that a draw may take to be shown to have no schedule."""

Random = np.random.Generator


def random_rules(random: Random, inventory: Inventory) -> Rules:
    """Three to ten rules of any kind for any VMs, and now and then tight limits."""
    number = int(random.integers(3, 11))
    kinds = random.choice(len(_KINDS), number, p=np.array([one[1] for one in _KINDS]) / sum(one[1] for one in _KINDS))
    rules = []
    for place, kind in enumerate(kinds.tolist()):
        make = _KINDS[kind][0]
        rules.append({"name": f"{make.__name__[1:]} {place + 1}", **make(random, inventory)})
    return Rules.model_validate({**_settings(random, len(inventory.items)), "rule": rules})


def _where(random: Random, inventory: Inventory) -> dict[str, Any]:
    vms = [inventory.vm(item) for item in inventory.items]
    services = sorted({vm.service for vm in vms})
    vaults = sorted({inventory.vault(item).name for item in inventory.items})
    tiers = sorted({vm.tags["tier"] for vm in vms if "tier" in vm.tags})
    kind = random.choice(["service", "service", "tier", "vault", "daily", "all"])
    if kind == "service":
        return {"service": str(random.choice(services))}
    if kind == "tier" and tiers:
        return {"tag": {"tier": str(random.choice(tiers))}}
    if kind == "vault":
        return {"vault": str(random.choice(vaults))}
    return {"frequency": ["Daily", "Weekly"]} if kind == "daily" else {}


def _window(random: Random, shortest: int, longest: int) -> dict[str, Any]:
    begin, hours = int(random.integers(24)), int(random.integers(shortest, longest + 1))
    window: dict[str, Any] = {"from": f"{begin:02d}:00", "to": f"{(begin + hours) % 24:02d}:00"}
    if random.random() < 0.3:
        window["zone"] = str(random.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
    if random.random() < 0.1:
        window["days"] = ["Monday", "Wednesday", "Friday"]
    return window


def _allow(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "allow": [_window(random, 7, 15)]}


def _forbid(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "forbid": [_window(random, 2, 9)]}


def _cap(random: Random, inventory: Inventory) -> dict[str, Any]:
    per = str(random.choice(["service", "vault"]))
    least = 1 if per == "service" else max(1, len(inventory.items) // 25)
    return {"where": _where(random, inventory), "max_concurrent": int(random.integers(least, 5 * least)), "per": per}


def _apart(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "separate": True, "per": "service"}


def _sides(random: Random, inventory: Inventory) -> dict[str, Any]:
    tiers = random.choice(["web", "app", "db", "batch"], 2, replace=False).tolist()
    return {
        "where": _where(random, inventory),
        "separate": [{"tag": {"tier": tier}} for tier in tiers],
        "per": str(random.choice(["service", "vault"])),
    }


def _order(random: Random, inventory: Inventory) -> dict[str, Any]:
    tiers = random.choice(["web", "app", "db", "batch"], int(random.integers(2, 4)), replace=False).tolist()
    where = {"frequency": ["Daily", "Weekly"]} if random.random() < 0.7 else _where(random, inventory)
    rule: dict[str, Any] = {"where": where, "order": [{"tag": {"tier": tier}} for tier in tiers], "per": "service"}
    return rule | ({"within": float(random.integers(1, 7))} if random.random() < 0.3 else {})


def _pin(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "pin": True}


def _exclude(random: Random, inventory: Inventory) -> dict[str, Any]:
    vms = [inventory.vm(item).name for item in inventory.items]
    return {"where": {"name": str(random.choice(vms))}, "exclude": True}


def _freeze(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "freeze": ["2026-03-02"]}


def _rpo(random: Random, inventory: Inventory) -> dict[str, Any]:
    return {"where": _where(random, inventory), "rpo_hours": 30.0}


_KINDS: tuple[tuple[Callable[[Random, Inventory], dict[str, Any]], float], ...] = (
    (_allow, 5),
    (_forbid, 4),
    (_cap, 5),
    (_apart, 2),
    (_sides, 2),
    (_order, 3),
    (_pin, 1),
    (_exclude, 1),
    (_freeze, 0.5),
    (_rpo, 0.5),
)
"""What makes each kind of rule, and how often."""


def _settings(random: Random, num_vms: int) -> dict[str, Any]:
    drawn = random.random(6) < 0.15
    settings: dict[str, Any] = {"policies": {}}
    if drawn[0]:
        settings["max_moves"] = int(random.integers(1 + num_vms // 2))
    if drawn[1]:
        settings["max_risk_increase"] = float(random.choice([0.0, 0.1, 1.0]))
    if drawn[2]:
        settings["max_policy_writes"] = int(random.integers(1, 10))
    if drawn[3]:
        settings |= {"budget_days": 1}
        settings["policies"] |= {"max_writes_per_day": int(random.integers(1, 10))}
    if drawn[4]:
        settings["policies"] |= {"edit": False}
    if drawn[5]:
        settings["policies"] |= {"max_policies_per_vault": int(random.integers(4, 12))}
    return settings


@dataclass(frozen=True)
class Moment:
    """Seconds since the beginning, of the wall clock and of the processor."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} ({self.cpu:.1f})"


class Stopwatch:
    """Notes when the first conflict and the first way out are told."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()
        self.first: dict[type, Moment] = {}

    def now(self) -> Moment:
        """Seconds since the beginning."""
        return Moment(time.perf_counter() - self._began[0], time.process_time() - self._began[1])

    def tell(self, one: NamedConflict | NamedRelaxation) -> None:
        """Listen as ``plan`` does."""
        self.first.setdefault(type(one), self.now())


@dataclass(frozen=True)
class Row:
    """What became of one rule set."""

    vms: int
    draw: int
    rules: int
    stuck: bool
    conflict: Moment | None
    way_out: Moment | None
    total: Moment
    answer: NoSchedule | None

    @property
    def ways(self) -> int:
        """Number of ways out."""
        return len(self.answer.relaxations) if self.answer is not None else 0

    def __str__(self) -> str:
        sizes = [len(one.limits) for one in self.answer.conflicts] if self.answer is not None else []
        fewest = min((len(one.changes) for one in self.answer.relaxations), default=0) if self.answer else 0
        first = "-" if self.conflict is None else str(self.conflict)
        way = "-" if self.way_out is None else str(self.way_out)
        of_one = "yes" if self.stuck else "no"
        return (
            f"{self.vms:4} {self.draw:4} {self.rules:5}  {of_one:10} {first:>11} {way:>13} {self.total!s:>13} "
            f"{len(sizes):9} {self.ways:8} {fewest:14}"
        )


HEADER = " VMs draw rules  VM stuck   conflict      first way     total         conflicts ways out fewest changes"


def draws(base: Case, vms: int) -> Iterator[tuple[int, Case, bool]]:
    """Rule sets for an estate that are proven to have no schedule: number, case, whether a VM is stuck by itself."""
    for number in itertools.count():
        rules = random_rules(np.random.default_rng([vms, number]), base.inventory)
        case = Case.of(base.inventory, rules, base.forecast)
        limits = Limits(case.problem.instance, case.problem.restrictions, case.rules)
        if Feasibility(limits, Budget(WORK)).check(limits.all).outcome is SolveStatus.INFEASIBLE:
            yield number, case, bool(len(stuck(limits.forbidden(limits.all))))


def chosen(base: Case, vms: int, number: int, skip: int) -> Iterator[tuple[int, Case, bool]]:
    """As many rule sets in which a VM is stuck by itself as others."""
    wanted = {True: -(-number // 2), False: number // 2}
    skipped = {True: -(-skip // 2), False: skip // 2}
    for draw, case, is_stuck in draws(base, vms):
        if skipped[is_stuck]:
            skipped[is_stuck] -= 1
        elif wanted[is_stuck]:
            wanted[is_stuck] -= 1
            yield draw, case, is_stuck
        if not any(wanted.values()):
            return


def ask(case: Case, draw: int, is_stuck: bool) -> Row:
    """Look for a schedule as ``plan`` does, and note what is told when."""
    watch, answer = Stopwatch(), None
    try:
        Planner(Search(), tell=watch.tell).solve(case)
    except (NoScheduleError, NotFoundWithinEffortError) as exc:
        answer = exc.answer
    first = watch.first
    return Row(
        len(case.inventory.items),
        draw,
        len(case.rules.rule),
        is_stuck,
        first.get(NamedConflict),
        first.get(NamedRelaxation),
        watch.now(),
        answer,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print a row for each rule set, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=20, help="number of rule sets")
    parser.add_argument("--skip", type=int, default=0, help="number of rule sets to skip")
    parser.add_argument("--vms", type=int, nargs="+", default=SIZES, help="sizes of the estates")
    parser.add_argument("--list", action="store_true", help="also list the conflicts and the ways out")
    given = parser.parse_args(argv)
    each = -(-given.sets // len(given.vms))
    rows: list[Row] = []
    print(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        for vms in given.vms:
            generate_demo(Path(folder) / str(vms), vms=vms)
            base = prepare(open_estate(Path(folder) / str(vms)))
            if not rows:
                Planner(Search()).solve(base)  # compiles what has not been compiled yet
            for draw, case, is_stuck in chosen(base, vms, each, given.skip // len(given.vms)):
                row = ask(case, draw, is_stuck)
                rows.append(row)
                print(row, flush=True)
                if given.list and row.answer is not None:
                    print("\n".join(f"     {line}" for line in describe(row.answer).splitlines()), flush=True)
    for name, moments in (
        ("conflict", [row.conflict for row in rows]),
        ("first way out", [row.way_out for row in rows]),
        ("total", [row.total for row in rows]),
    ):
        cpu = [moment.cpu for moment in moments if moment is not None]
        print(f"{name}: median {statistics.median(cpu):.1f}, longest {max(cpu):.1f} seconds of the processor")
    print(f"without a way out: {sum(not row.ways for row in rows)} of {len(rows)}")


if __name__ == "__main__":
    main()

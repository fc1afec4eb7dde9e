"""Cases of faulty or unusual estates, with the load that their description prescribes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.cli.command_line import run
from tests.prices import FIXED_PRICES

CASES_END = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = 21


def vm_ids_of(case: dict[str, Any]) -> list[str]:
    """VMs that a case lists, sorted by id; a deleted VM that an item still protects has no load."""
    return sorted(str(vm["id"]) for vm in case["vms"])


def case_load(vm_ids: list[str], *, days: int = DAYS, seed: int = 1) -> pl.DataFrame:
    """Load of some days that end at ``CASES_END``, every 5 minutes.

    The first, third, ... VM has 97 % CPU from 22:00 to 01:30 UTC and about 20 % at other times, the others 25 %; all
    have 50 % memory.
    """
    rng = np.random.default_rng(seed)
    times = [CASES_END - timedelta(minutes=5 * number) for number in reversed(range(days * 288))]
    busy = np.array([(time.hour * 60 + time.minute - 22 * 60) % 1440 < 210 for time in times])
    frames = [
        pl.DataFrame(
            {
                "vm": [vm_id] * len(times),
                "ts": times,
                "cpu_percent": np.where(busy, 97.0, 20 + rng.uniform(-2, 2, len(times))).round(2)
                if number % 2 == 0
                else np.full(len(times), 25.0),
                "mem_percent": np.full(len(times), 50.0),
            },
            schema_overrides={"ts": pl.Datetime("us", "UTC")},
        )
        for number, vm_id in enumerate(vm_ids)
    ]
    return pl.concat(frames)


def write_case_load(case_file: Path, folder: Path) -> Path:
    """``load.parquet`` of a case."""
    path = folder / "load.parquet"
    case_load(vm_ids_of(json.loads(case_file.read_text(encoding="utf-8")))).write_parquet(path)
    return path


@dataclass(frozen=True)
class CaseRun:
    """What the commands made of a case.

    Parameters
    ----------
    name
        Name of the case.
    items
        Number of protected items.
    codes
        Exit code by command; 99 for a traceback.
    audit, plan, rehearsal
        JSON results; empty where the command failed.
    errors
        First lines of messages on stderr, by command.
    """

    name: str
    items: int
    codes: dict[str, int]
    audit: dict[str, Any]
    plan: dict[str, Any]
    rehearsal: dict[str, Any]
    errors: dict[str, str]


TRACEBACK = 99


TODAY = {"C30": "2026-11-27T03:00Z"}
"""When the roll-out of a case begins, where that is not the end of its load; the policy of C30 is dated that day."""


def run_case(case_file: Path, folder: Path, *, effort: int = 5) -> CaseRun:
    """Import, audit, plan and rehearse a case through the command line, in an empty folder.

    Rules are taken from a file beside the case (``C40.rules.toml`` for ``C40.json``), else there are none, and prices
    do not depend on the defaults. A command whose predecessor failed is not run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    load = write_case_load(case_file, folder)
    estate, plan = folder / "estate", folder / "plan.json"
    rules = case_file.with_name(f"{case_file.stem}.rules.toml")
    if not rules.is_file():
        rules = folder / "rules.toml"
        prices = "".join(f"{name} = {price}\n" for name, price in FIXED_PRICES.items())
        rules.write_text(f"[prices]\n{prices}", encoding="utf-8")
    under = ["--rules", rules]
    begin = TODAY.get(case_file.stem, CASES_END.isoformat())
    as_json = ["--format", "json"]
    commands: dict[str, list[object]] = {
        "import": ["import", "--resources", case_file, "--load", load, "--out", estate, *as_json],
        "audit": ["audit", estate, *under, *as_json],
        "plan": ["plan", estate, "--out", plan, "--effort", effort, *under, *as_json],
        "rehearse": ["rehearse", plan, "--from", begin, *as_json],
    }
    codes: dict[str, int] = {}
    results: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    needs = {"audit": "import", "plan": "import", "rehearse": "plan"}
    for name, command in commands.items():
        if codes.get(needs.get(name, ""), 0) != 0:
            continue
        codes[name], results[name], errors[name] = _run(command)
    items = len(json.loads(case_file.read_text(encoding="utf-8"))["protected_items"])
    made = json.loads(plan.read_text(encoding="utf-8")) if plan.is_file() else {}
    return CaseRun(case_file.stem, items, codes, results.get("audit", {}), made, results.get("rehearse", {}), errors)


def _run(command: list[object]) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON on stdout, and what stderr says."""
    try:
        answer = run(*command)
    except Exception as exc:  # noqa: BLE001  # a traceback is a result here, whatever its type
        return TRACEBACK, {}, f"{type(exc).__name__}: {exc}"
    try:
        result = json.loads(answer.out)
    except ValueError:
        result = {}
    return answer.code, result if isinstance(result, dict) else {}, answer.err.strip()

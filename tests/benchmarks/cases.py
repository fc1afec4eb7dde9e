"""Every case of a folder through the command line: exit codes, VMs planned and idle, backups at risk.

python -m tests.benchmarks.cases ../shared/cases

Prints a line for each case. A command that ends in a traceback
has exit code 99; one whose predecessor failed has none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cases import CaseRun, run_case
from tests.cases_cloud import show

COMMANDS = ("import", "audit", "plan", "rehearse")
HEADER = ("case", *COMMANDS, "items", "counted", "idle", "fixed", "moved", "created", "at risk", "planned")
"""Exit codes of the commands; protected items; VMs that are counted, idle, and counted but never written; VMs that the
plan moves; policies that it creates; backups at risk in 30 days today and as planned."""


CROSS_SUBSCRIPTION = ("C40", "C40same")
"""Cases that are also pulled from the emulator and applied there."""


def row_of(found: CaseRun) -> tuple[str, ...]:
    """The line of a case."""
    totals, summary = found.audit.get("totals", {}), found.plan.get("summary", {})
    counted = totals.get("vms")
    idle = None if counted is None else found.items - counted
    risk = summary.get("at_risk_per_month", {})
    return (
        found.name,
        *(str(found.codes.get(command, "-")) for command in COMMANDS),
        *map(_cell, (found.items, counted, idle, summary and len(found.audit.get("unwritable", [])) - (idle or 0))),
        *map(_cell, (summary.get("moved"), summary.get("policies_created"), risk.get("today"), risk.get("plan"))),
    )


def _cell(value: object) -> str:
    if value is None or value == {}:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def main(args: Sequence[str] | None = None) -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="Folder with the cases.")
    parser.add_argument("--only", nargs="*", default=(), help="Names of cases; all where none is given.")
    parser.add_argument("--messages", action="store_true", help="Print what the commands said on stderr as well.")
    options = parser.parse_args(args)
    files = [file for file in sorted(options.folder.glob("*.json")) if not options.only or file.stem in options.only]
    widths = [max(8, len(title)) for title in HEADER]
    print("  ".join(title.ljust(width) for title, width in zip(HEADER, widths, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            found = run_case(file, Path(folder) / file.stem)
            print("  ".join(cell.ljust(width) for cell, width in zip(row_of(found), widths, strict=True)), flush=True)
            for command, text in found.errors.items() if options.messages else ():
                print(f"    {command}: {text}")
    for file in files:
        if file.stem in CROSS_SUBSCRIPTION:
            print(show(file, options.folder / "C40.rules.toml"))


if __name__ == "__main__":
    main()

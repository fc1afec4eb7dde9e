"""Judge the product's writes on many estates.

python -m tests.benchmarks.write_judge --estates 12 --kills 60 --seed 0

Each estate is planned, applied, and rolled back through the real commands, on a clock that jumps. Meanwhile requests
fail, processes are killed, other people work in the same vaults, and plans and journals are edited by hand. A judge
that shares no code with the product looks at every request and at every state. Exit code 1: at least one breach.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.write_judge.estates import recipe
from tests.benchmarks.write_judge.trial import Course, Trial, Verdict

_COLUMNS = (
    ("estate", 34), ("begins", 12), ("writes", 6), ("kills", 5), ("faults", 6), ("races", 5),
    ("edits", 5), ("believed", 8), ("breaches", 8), ("lost", 4), ("twice", 5), ("way back", 26), ("s", 5),
)  # fmt: skip


def row(verdict: Verdict) -> list[str]:
    """Cells of an estate."""
    edits = verdict.edits
    return [
        verdict.name,
        f"{verdict.began:%m-%d %H:%M}",
        str(verdict.writes),
        str(verdict.kills),
        str(sum(verdict.faults.values())),
        str(verdict.races),
        str(edits["refused"] + edits["harmless"]),
        str(edits["believed"]),
        str(len(verdict.breaches) - verdict.count("lost", "twice", "journal", "way back")),
        str(verdict.count("lost", "journal")),
        str(verdict.count("twice")),
        verdict.way_back,
        f"{verdict.seconds:.0f}",
    ]


def line(cells: Sequence[str]) -> str:
    """A line of the table."""
    return "  ".join(
        cell.ljust(width) if name in {"estate", "way back"} else cell.rjust(width)
        for (name, width), cell in zip(_COLUMNS, cells, strict=True)
    )


def run(
    num_estates: int, num_kills: int, seed: int, only: Sequence[int], folder: Path, course: Course
) -> list[Verdict]:
    """Try every estate out, and print a line for each.

    Parameters
    ----------
    num_estates, num_kills, seed
        As of the command line.
    only
        Numbers of the estates; empty: all.
    folder
        For all files.
    course
        What happens besides kills.
    """
    print(line([name for name, _ in _COLUMNS]), flush=True)
    found: list[Verdict] = []
    numbers = [n for n in range(num_estates) if not only or n in only]
    for place, number in enumerate(numbers):
        left = num_kills - sum(verdict.kills for verdict in found)
        kills = -(-left // (len(numbers) - place))
        own = Course(
            f"{seed}-{number}",
            kills,
            course.write_share,
            course.read_share,
            course.rare,
            course.late,
            course.parts,
            course.races,
            course.edits,
        )
        verdict = Trial(recipe(number), own, folder / f"estate-{number}").run()
        print(line(row(verdict)), flush=True)
        found.append(verdict)
    return found


def main() -> None:
    """Parse, run, print; exit code 1 where anything was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--estates", type=int, default=12, help="number of estates (default: 12)")
    parser.add_argument("--kills", type=int, default=60, help="number of processes to kill (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of everything (default: 0)")
    parser.add_argument("--only", type=int, action="append", default=[], help="number of an estate; repeatable")
    parser.add_argument("--races", type=int, default=2, help="times that others act per estate (default: 2)")
    parser.add_argument("--rare", type=int, default=2, help="long waits and endless operations (default: 2)")
    parser.add_argument("--late", type=int, default=2, help="lost answers with a late effect per estate (default: 2)")
    parser.add_argument("--edits", type=int, default=20, help="edited plans and journals per estate (default: all)")
    parser.add_argument("--write-share", type=float, default=0.15, help="share of writes that fail (default: 0.15)")
    parser.add_argument("--read-share", type=float, default=0.03, help="share of reads that fail (default: 0.03)")
    parser.add_argument("--keep", type=Path, help="folder in which the files of every estate are kept")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    course = Course(
        "",
        0,
        given.write_share,
        given.read_share,
        given.rare,
        late=given.late,
        races=given.races,
        edits=given.edits,
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="write-judge-") as name:
        found = run(given.estates, given.kills, given.seed, given.only, given.keep or Path(name), course)
    faults, edits, breaches = Counter[str](), Counter[str](), Counter[str]()
    for verdict in found:
        faults += verdict.faults
        edits += verdict.edits
        breaches += Counter(breach.rule for breach in verdict.breaches)
    totals = {
        "estates": len(found),
        "writes": sum(verdict.writes for verdict in found),
        "kills": sum(verdict.kills for verdict in found),
        "races": sum(verdict.races for verdict in found),
        "faults": dict(sorted(faults.items())),
        "edits": dict(sorted(edits.items())),
        "breaches": dict(sorted(breaches.items())),
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(totals, indent=1))
    for verdict in found:
        for breach in verdict.breaches:
            print(f"{verdict.name}: {breach}")
    if given.json:
        details = {verdict.name: [str(breach) for breach in verdict.breaches] for verdict in found}
        given.json.write_text(json.dumps({**totals, "details": details}, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(bool(breaches))


if __name__ == "__main__":
    main()

"""The tests at many times of day and on the days on which clocks and calendars are special.

python -m tests.benchmarks.any_hour                         the whole suite at every instant (hours of work)
python -m tests.benchmarks.any_hour tests/cli tests/azure   only these, with whatever else pytest takes
python -m tests.benchmarks.any_hour --instants 3 tests/cli  only the first three instants

Needs Linux and a C compiler. A small library (shifted_clock.c) shifts the time of day of pytest, its workers and every
process that tests start; it moves on from the instant. Clocks that only measure durations stay as they are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from optimizer.model.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Instant:
    """A time of day somewhere.

    Parameters
    ----------
    local
        Time of the machine's clock in ``zone``, ISO 8601.
    zone
        Time zone of the machine.
    why
        What is special about it.
    """

    local: str
    zone: str
    why: str

    @property
    def shift_seconds(self) -> int:
        """Seconds from now to the instant."""
        wanted = datetime.fromisoformat(self.local).replace(tzinfo=ZoneInfo(self.zone))
        return round((wanted - SystemClock().now()).total_seconds())


HOURS = tuple(
    Instant(f"2026-11-27 {hour:02d}:{minute:02d}:00", "UTC", "an hour of a day")
    for hour, minute in zip(range(0, 24, 2), (20, 5, 50, 35, 20, 5, 50, 35, 20, 5, 50, 55), strict=True)
)
DAYS = (
    Instant("2028-02-29 12:10:00", "UTC", "29 February"),
    Instant("2026-12-31 23:57:00", "UTC", "31 December, into the new year"),
    Instant("2026-03-29 01:57:00", "Europe/Berlin", "the clock goes forward in Germany"),
    Instant("2026-10-25 02:57:00", "Europe/Berlin", "the clock goes back in Germany"),
    Instant("2026-03-08 01:57:00", "America/New_York", "the clock goes forward in the United States"),
    Instant("2026-11-01 01:57:00", "America/New_York", "the clock goes back in the United States"),
)
INSTANTS = (*DAYS, *HOURS)


def build_library(folder: Path) -> Path:
    """Compile the library that shifts the clock."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("there is no C compiler (cc); on Debian and Ubuntu: apt-get install gcc libc6-dev")
    library = folder / "shifted_clock.so"
    source = Path(__file__).with_name("shifted_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source], check=True)
    return library


def run_at(instant: Instant, library: Path, arguments: Sequence[str]) -> tuple[bool, str]:
    """Run pytest at an instant.

    Returns
    -------
    bool, str
        Whether every test passed, and the last line that pytest printed.
    """
    shift = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK_SECONDS": str(instant.shift_seconds), "TZ": instant.zone}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **shift}, capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode:
        print("\n".join(line for line in lines if line.startswith(("FAILED", "ERROR", "E  "))))
    return done.returncode == 0, lines[-1] if lines else ""


def main() -> None:
    """Run what is asked for at each instant, print a line for each, and end with 1 where a test failed."""
    parser = argparse.ArgumentParser(description="Run the tests at many times.")
    parser.add_argument("--instants", type=int, default=len(INSTANTS), help="number of instants, special days first")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first instant")
    options, arguments = parser.parse_known_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        library = build_library(Path(folder))
        for instant in INSTANTS[options.first : options.first + options.instants]:
            began = time.monotonic()
            passed, told = run_at(instant, library, arguments)
            failed += not passed
            verdict = "passed" if passed else "FAILED"
            place = f"{instant.local} {instant.zone}"
            print(f"{place:<38} {verdict}  {time.monotonic() - began:6.0f} s  {told}  ({instant.why})", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""Nothing reads the machine's time of day but one class, which the tests stop."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from optimizer.model.clock import SYSTEM_CLOCK, SystemClock
from tests.conftest import NOW

READS_THE_CLOCK = re.compile(
    r"(.*\.)?("
    r"(datetime|date)\.(now|today|utcnow)|(Timestamp|Timedelta)\.(now|today)"
    r"|time\.(time|time_ns|localtime|gmtime|ctime|asctime|strftime|clock_gettime|clock_gettime_ns)"
    r"|formatdate|make_msgid|st_(a|m|c)time(_ns)?|get(a|m|c)time"
    r")"
)
"""Names that read the time of day, or the time at which a file was written; ``time.monotonic`` does neither."""

ALLOWED = {"optimizer/model/clock.py": {"datetime.now"}}
"""Files that may, and what."""


def clock_reads(source: str) -> set[str]:
    """Expressions of Python source that read the clock, imports under the plain name included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {text for text in found if READS_THE_CLOCK.fullmatch(text)}


def test_only_the_clock_reads_the_clock(root: Path) -> None:
    """Neither the program nor a test reads the time of day elsewhere than in ``SystemClock``."""
    found = {
        path.relative_to(root).as_posix(): clock_reads(path.read_text(encoding="utf-8"))
        for folder in ("optimizer", "tests")
        for path in sorted((root / folder).rglob("*.py"))
    }
    assert {name: reads for name, reads in found.items() if reads} == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime, UTC\nnow = datetime.now(UTC)",
        "import datetime as dt\nnow = dt.datetime.now(dt.UTC)",
        "from datetime import date\nfield(default_factory=date.today)",
        "import time\nint(time.time()) + 3600",
        "from time import time\ntime()",
        "from email.utils import formatdate\nformatdate(usegmt=True)",
        "path.stat().st_mtime",
    ],
)
def test_a_read_is_found_however_it_is_written(source: str) -> None:
    """The search above sees calls, references and imports."""
    assert clock_reads(source)


def test_what_is_no_time_of_day_is_allowed() -> None:
    """Measuring how long something takes, formatting a given time and asking a port are no reads."""
    harmless = "import time\ntime.monotonic(); time.perf_counter(); time.sleep(0)\nclock.now(); f'{at:%H}'; at.date()"
    assert clock_reads(harmless) == set()


def test_the_machines_clock_is_stopped_in_tests() -> None:
    """Every way to the machine's clock gives the one time of all tests."""
    assert SYSTEM_CLOCK.now() == SystemClock().now() == NOW

"""The report of a pull says what came, what failed, and tells no data from too little and from failures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import get_args

import pytest

from optimizer.intake.pull.load_holes import LoadHole, Reason
from optimizer.intake.pull.pull_inventory import PullFailure
from optimizer.intake.pull.pull_report import PullReport
from optimizer.report.terminal.last_line import last_line
from optimizer.report.terminal.pull import render_pull
from optimizer.report.terminal.sheet import to_text

REPORT = PullReport(
    vaults=2,
    vms=120,
    policies=7,
    items=121,
    jobs=3500,
    unassigned_jobs={"without the name of a VM": 3, "of VMs that the vault does not protect now": 1},
    unprotected=4,
    points=1_000_000,
    days=31,
    history_from=date(2026, 1, 29),
    history_to=date(2026, 2, 28),
    history_days=31,
    as_of=datetime(2026, 2, 28, 12, tzinfo=UTC),
    resumed=False,
    requests={"resource graph": 2, "metrics": 1240},
    seconds=8.0,
    no_data=("/subscriptions/s/x/vm-silent",),
    too_little=("/subscriptions/s/x/vm-young",),
    failed={},
    failures=(),
)


def test_whole_pull_fits_a_terminal() -> None:
    """Figures, rate, requests and what is odd, in 100 columns."""
    text = to_text(render_pull(REPORT)[0])
    assert max(map(len, text.splitlines())) <= 100
    for part in (
        "120 VMs in 2 vaults with 7 policies; 3,500 new jobs",
        "1,000,000 load values in 8.0 s (125,000 per second); 31 days written",
        "metrics",
        "1,240",
        "No load data for 1 VM: vm-silent.",
        "Too little load data for 1 VM (fewer than 7 usable days): vm-young.",
        "4 jobs left out because it is not certain which VM they belong to: 3 without the name of",
        "4 VMs of these subscriptions are in no vault that was pulled",
    ):
        assert part in text
    assert "Failed" not in text


def test_a_pull_without_load_says_so() -> None:
    """No rate is computed from nothing."""
    text = to_text(render_pull(replace(REPORT, points=0))[0])
    assert "No load values were pulled" in text
    assert "per second" not in text


def test_failures_are_grouped_by_reason() -> None:
    """A vault that failed and VMs that failed for one reason take a line each; JSON has every one of them."""
    failed = {f"/subscriptions/s/x/vm-{n}": "request failed: HTTP 500" for n in range(5)}
    report = replace(REPORT, failed=failed, failures=(PullFailure("vault v", "missing right: r"),), resumed=True)
    page, content = render_pull(report)
    text = to_text(page)
    assert "vault v: missing right: r" in text
    assert "The load of 5 VMs failed (vm-0, vm-1, vm-2 and 2 more): request failed: HTTP 500" in " ".join(text.split())
    assert "continued a pull that began at 2026-02-28 12:00 UTC" in " ".join(text.split())
    assert json.loads(content)["failed"] == failed
    assert not report.complete and REPORT.complete


def test_holes_in_the_load_are_explained() -> None:
    """One note for each reason has the VMs, their days, and what to do; JSON has every hole."""
    one, two, three = (f"/subscriptions/s/x/vm-{name}" for name in ("one", "two", "silent"))
    week = (date(2026, 2, 2), date(2026, 2, 8))
    holes = (
        LoadHole((one, two), "load", date(2026, 2, 3), date(2026, 2, 3), "probably_off"),
        LoadHole((one,), "load", *week, "probably_off"),
        LoadHole((three,), "load", *week, "no_metric"),
        LoadHole((two,), "memory", *week, "no_memory"),
        *(LoadHole((one,), "memory", date(2026, 2, day), date(2026, 2, day), "no_agent") for day in range(10, 16)),
    )
    report = replace(REPORT, holes=holes)
    page, content = render_pull(report)
    text = " ".join(to_text(page).split())
    for part in (
        "Days without load for 2 VMs (vm-one, vm-two: 2026-02-03; vm-one: 2026-02-02 to 2026-02-08). Probably the",
        "were off: there is load before and after",
        "Days without load for 1 VM (vm-silent: 2026-02-02 to 2026-02-08). The VMs run, but Azure Monitor has no CPU",
        "Days without memory for 1 VM (vm-two: 2026-02-02 to 2026-02-08). Azure Monitor has no memory metric",
        "vm-one: 2026-02-13; and 2 more holes, see --format json). Neither Azure Monitor nor the workspaces",
    ):
        assert part in text
    assert "No load data for" not in text, "the hole explains it"
    assert len(json.loads(content)["holes"]) == len(holes)
    assert last_line(report) == "Pull: 120 VMs, 31 days of load, 3 VMs with holes in it"
    assert last_line(replace(REPORT, failed={one: "why"})) == "Pull: 120 VMs, 31 days of load, 1 failed"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    """No reason for a hole is left without an explanation."""
    report = replace(REPORT, holes=(LoadHole(("vm",), "load", date(2026, 2, 2), date(2026, 2, 2), reason),))
    assert re.search(r"\(vm: 2026-02-02\)\. [A-Z].+\.", " ".join(to_text(render_pull(report)[0]).split()))

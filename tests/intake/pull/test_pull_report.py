"""A pull is complete if no part and no request of it failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from optimizer.intake.pull.pull_inventory import PullFailure
from optimizer.intake.pull.pull_report import NO_DATA, PullReport
from optimizer.model.arm_id import ArmId

REPORT = PullReport(
    vaults=1, vms=1, policies=1, items=1, jobs=0, unassigned_jobs={}, unprotected=0, points=0, days=1,
    history_from=None, history_to=None, history_days=0, as_of=datetime(2026, 3, 1, tzinfo=UTC), resumed=False,
    requests={}, seconds=1.0, no_data=(), too_little=(), failed={}, failures=(),
)  # fmt: skip


def test_what_makes_a_pull_incomplete() -> None:
    """A failed vault or request does; VMs without data, or that are gone, do not."""
    vm = ArmId("a")
    assert REPORT.complete
    assert replace(REPORT, no_data=(vm,), too_little=(vm,), not_found=(vm,), hidden=(vm,)).complete
    assert not replace(REPORT, failures=(PullFailure("vault a", "HTTP 500"),)).complete
    assert not replace(REPORT, failed={vm: "request failed: HTTP 500"}).complete
    assert NO_DATA == "no data"

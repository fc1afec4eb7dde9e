"""Judge of a rehearsal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.rehearse.twin_judge import TwinJudge
from tests.plan.estates import VAULT, policy_id
from tests.rollout.prepare.small_runs import READY
from tests.rollout.rehearse.memory_twin import stage_in
from tests.rollout.small_rollouts import NOW


def test_a_state_that_is_as_planned_has_no_fault(tmp_path: Path) -> None:
    """Each call counts one write."""
    stage, twin = stage_in(tmp_path, READY.document)
    del stage
    judge = TwinJudge(READY.case, twin)
    judge()
    judge()
    assert (judge.num_writes, judge.findings) == (2, [])


def test_a_fault_is_found_with_the_number_of_the_write(tmp_path: Path) -> None:
    """A VM under a policy with another retention, and an item that lost its policy."""
    _, twin = stage_in(tmp_path, READY.document)
    judge = TwinJudge(READY.case, twin)
    judge()
    first = next(iter(twin.items.values()))
    first["properties"]["policyId"] = policy_id("weekly-7")
    judge()
    assert judge.findings
    assert all(finding.startswith("after write 2: ") for finding in judge.findings)
    assert "is not a twin of" in judge.findings[0]


def test_gaps_between_recovery_points_are_found_at_the_end(tmp_path: Path) -> None:
    """From the jobs of the service; other operations and other VMs do not count."""
    stage, twin = stage_in(tmp_path, READY.document)
    prepared = prepare_apply(READY.case, stage.session, stage.journal)
    for day, vm, operation in (
        (0, "app-2", "Backup"),
        (3, "app-2", "Backup"),
        (1, "app-2", "Restore"),
        (1, "x", "Backup"),
    ):
        start = NOW + timedelta(days=day)
        properties = {
            "operation": operation,
            "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "containerName": f"iaasvmcontainerv2;rg-app;{vm}",
            "status": "Completed",
        }
        twin.jobs.append({"id": f"{VAULT}/backupJobs/{day}{vm}", "properties": properties})
    judge = TwinJudge(READY.case, twin)
    judge.look_for_gaps(prepared, stage.session, NOW)
    (finding,) = judge.findings
    assert "app-2: 72 h without a recovery point from 2026-02-18 09:00 UTC; the limit is 36 h" in finding

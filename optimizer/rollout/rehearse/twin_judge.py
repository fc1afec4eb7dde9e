"""Judge of a rehearsal: checks every state of the twin, and the recovery points at the end."""

from __future__ import annotations

from datetime import datetime

from optimizer.arm import parse_time
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import properties_of
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.rehearse.stage import Twin
from optimizer.rollout.rehearse.state_judge import StateJudge, check_gaps, check_items
from optimizer.rollout.session.session import WriteSession
from optimizer.rollout.writes.write import vaults_of


class TwinJudge:
    """Judge that checks every intermediate state, as read back from the twin."""

    def __init__(self, case: PlanCase, twin: Twin) -> None:
        self._case, self._twin = case, twin
        self._service_from = case.plan.rules.service_from
        self._judge = StateJudge(case.document.inventory(self._service_from), case.plan.rules)
        self.num_writes = 0
        self.findings: list[str] = []

    def __call__(self, *_: object) -> None:
        """Check the state after a write."""
        self.num_writes += 1
        now = self._twin.snapshot()
        faults = self._judge.faults(now.inventory(self._service_from))
        faults += check_items(self._case.document.protected_items, now.protected_items)
        self.findings += [f"after write {self.num_writes}: {fault}" for fault in faults]

    def look_for_gaps(self, prepared: Prepared, session: WriteSession, since: datetime) -> None:
        """Find gaps between recovery points during the whole rehearsal that are longer than allowed."""
        points = _recovery_points(prepared, session, since)
        self.findings += check_gaps(points, prepared.plan.rules, prepared.inventory)


def _recovery_points(prepared: Prepared, session: WriteSession, since: datetime) -> dict[ArmId, list[datetime]]:
    """Times of the backups of each VM since a time, ascending."""
    vms = {item.vm_id for item in prepared.inventory.items}
    points: dict[ArmId, list[datetime]] = {}
    for vault_id in vaults_of(prepared.writes):
        for job in session.service.list_jobs(vault_id, since, session.clock.now()):
            properties = properties_of(job)
            vm_id = prepared.inventory.job_owners.find(vault_id, properties).vm
            start = parse_time(properties.get("startTime"))
            if start is not None and vm_id in vms and properties.get("operation") == "Backup":
                points.setdefault(vm_id, []).append(start)
    return {vm: sorted(times) for vm, times in points.items()}

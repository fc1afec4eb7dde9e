"""Findings of a watch for each VM, in the format of ``watch --format json``."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import computed_field

from optimizer.model.arm_id import ArmId
from optimizer.model.strict import StrictModel, UtcDatetime

Verdict = Literal["ok", "waiting", "alarm", "unknown"]

FindingKind = Literal[
    "not_protected",
    "other_policy",
    "policy_time",
    "inconsistent",
    "state",
    "old_time",
    "off_schedule",
    "late",
    "no_job",
    "job_failed",
    "gap",
    "request_failed",
    "unclear_jobs",
]
"""All of these are alarms, except ``request_failed`` and ``unclear_jobs``, which mean that something is unknown."""

NOT_KNOWN: frozenset[FindingKind] = frozenset({"request_failed", "unclear_jobs"})


class Finding(StrictModel):
    """Something that is not as it should be.

    Parameters
    ----------
    what
        What was seen.
    advice
        What to do.
    command
        A command to be run by whoever decides to; nothing runs it by itself. Empty where none helps.
    """

    kind: FindingKind
    what: str
    advice: str
    command: str = ""

    @classmethod
    def of(cls, kind: FindingKind, what: str, advice: str, command: str = "") -> Finding:
        """Build a finding from its fields in order."""
        return cls(kind=kind, what=what, advice=advice, command=command)


LOOK_FOR_POINTS = "see the VM's recovery points in the portal"
"""Advice where a job that names no VM may be the one that is missing."""


class WatchedVm(StrictModel):
    """One VM after its change.

    Parameters
    ----------
    vm, vault
        ARM id of the VM, name of its vault.
    policy, start, timezone
        Where it should be and when it should start, in the zone of the policy.
    written_at
        When the change was made, or was first seen if somebody else made it.
    found_in_place
        Whether somebody else had moved the VM before this plan's journal could.
    verdict
        ``ok``: a job came in time and ended well; ``waiting``: not due yet, or in progress; ``alarm``: see
        ``findings``; ``unknown``: the service did not answer, or its jobs do not name their VMs.
    reason
        The verdict in words.
    due_from, due_until
        When the job that is waited for may start; None where none is waited for.
    job_started, job_status, delay_minutes
        The last job on time: when, how it stands, minutes from its time to its start; None without one.
    longest_gap_hours
        Longest time between two recovery points that ended after the change, the one still open included; None where
        no recovery point is known.
    rpo_hours
        What that may be.
    """

    vm: ArmId
    vault: str
    policy: str
    start: str
    timezone: str
    written_at: UtcDatetime
    found_in_place: bool = False
    verdict: Verdict
    reason: str
    due_from: UtcDatetime | None = None
    due_until: UtcDatetime | None = None
    job_started: UtcDatetime | None = None
    job_status: str | None = None
    delay_minutes: float | None = None
    longest_gap_hours: float | None = None
    rpo_hours: float
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()


class WatchReport(StrictModel):
    """Every VM that starts at its new time.

    Parameters
    ----------
    at
        When was looked.
    vms
        In the order of the plan's schedule.
    not_written
        Number of VMs of the plan that do not start at their new time yet: there is nothing to watch.
    """

    at: UtcDatetime
    vms: tuple[WatchedVm, ...]
    not_written: int = 0

    @computed_field  # type: ignore[prop-decorator]  # mypy does not support decorated properties
    @property
    def verdicts(self) -> dict[str, int]:
        """Number of VMs with each verdict."""
        counted = Counter(vm.verdict for vm in self.vms)
        return {verdict: counted[verdict] for verdict in ("ok", "waiting", "alarm", "unknown")}

    @computed_field  # type: ignore[prop-decorator]  # mypy does not support decorated properties
    @property
    def found_in_place(self) -> int:
        """Number of watched VMs that somebody else had moved."""
        return sum(vm.found_in_place for vm in self.vms)

    @property
    def alarms(self) -> tuple[WatchedVm, ...]:
        """VMs that need attention: something is wrong with them, or nothing could be learned about them."""
        return tuple(vm for vm in self.vms if vm.verdict in {"alarm", "unknown"})

    @property
    def is_settled(self) -> bool:
        """Whether no VM that was written is still waiting for its backup."""
        return not any(vm.verdict == "waiting" for vm in self.vms)

    @property
    def is_over(self) -> bool:
        """Whether nothing remains to be written or waited for."""
        return not self.not_written and self.is_settled

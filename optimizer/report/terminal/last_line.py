"""Last lines of text output: one sentence per command that scripts and people can search for in a log."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import Audit, PlanDocument, WatchReport
from optimizer.intake import PullReport
from optimizer.report.formats import plural
from optimizer.rollout import Rehearsal, RunOutcome


def last_line(
    result: PlanDocument | Audit | Rehearsal | PullReport | WatchReport | RunOutcome, command: str = ""
) -> str:
    """Sum a result up in one line, such as ``Plan: 19 policies to create, 1 to edit, 150 VMs to move``.

    Parameters
    ----------
    result
        Plan, audit, rehearsal, report of a pull or a watch, or outcome of a run.
    command
        Command of the run, ``apply`` or ``rollback``.
    """
    match result:
        case PlanDocument():
            return _of_plan(result)
        case Audit():
            return _of_audit(result)
        case Rehearsal():
            return f"Rehearsal: {_writes(result.outcome)}, {'flawless' if result.flawless else 'not flawless'}"
        case PullReport():
            return _of_pull(result)
        case WatchReport():
            return _of_watch(result)
        case RunOutcome():
            return f"{command.capitalize()}: {_writes(result)}"


def _of_plan(plan: PlanDocument) -> str:
    summary = plan.summary
    if not plan.changes:
        return "Plan: no changes"
    created = f"{plural(summary.policies_created, 'policy')} to create"
    return f"Plan: {created}, {summary.policies_edited:,} to edit, {plural(summary.moved, 'VM')} to move"


def _of_audit(audit: Audit) -> str:
    together = sum(service.at_once is None for service in audit.services_together)
    parts = [
        plural(audit.totals.vms, "VM"),
        f"{audit.totals.busy_vms:,} often busy when backed up",
        f"{plural(together, 'service')} backed up all at once",
    ]
    if audit.broken_rules is not None:
        parts.append(f"{plural(len(audit.broken_rules), 'rule')} broken")
    return f"Audit: {', '.join(parts)}"


def _of_pull(report: PullReport) -> str:
    with_holes = {vm_id for hole in report.holes for vm_id in hole.vms}
    parts = [plural(report.vms, "VM"), f"{plural(report.history_days, 'day')} of load"]
    parts += [f"{plural(len(with_holes), 'VM')} with holes in it"] if with_holes else []
    failed = len(report.failed) + len(report.failures)
    return f"Pull: {', '.join([*parts, *_if_any(failed, 'failed')])}"


def _of_watch(report: WatchReport) -> str:
    verdicts = report.verdicts
    parts = [
        f"{plural(verdicts['ok'], 'VM')} backed up at the new time",
        f"{verdicts['waiting']:,} waiting",
        plural(verdicts["alarm"], "alarm"),
    ]
    return f"Watch: {', '.join([*parts, *_if_any(verdicts['unknown'], 'unknown')])}"


def _writes(outcome: RunOutcome) -> str:
    left = len(outcome.pending) + len(outcome.blocked)
    parts = [f"{plural(len(outcome.done), 'write')} made", f"{left:,} left"]
    parts += _if_any(len(outcome.failed), "failed")
    return ", ".join([*parts, *_if_any(len(outcome.skipped), "skipped")])


def _if_any(count: int, what: str) -> Sequence[str]:
    return [f"{count:,} {what}"] if count else []

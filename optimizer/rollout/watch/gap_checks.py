"""Check of the time between recovery points, compared with the RPO."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from optimizer.documents import LOOK_FOR_POINTS, Finding
from optimizer.rollout.watch.vault_jobs import BackupJob
from optimizer.rollout.watch.watched import Watched, hours, utc_text


def longest_gap(vm: Watched, points: Iterable[datetime], running: datetime | None, now: datetime) -> timedelta | None:
    """Longest time between two recovery points that ended after the change; the present gap ends now.

    Parameters
    ----------
    points
        Times of recovery points, in any order.
    running
        Start of a job in progress, at which the present gap will end.
    """
    known = sorted(points)
    if not known:
        return None
    ends = [*known[1:], max(running or now, known[-1])]
    return max((end - begin for begin, end in zip(known, ends, strict=True) if end > vm.written_at), default=None)


def check_points(
    vm: Watched, points: Sequence[datetime], running: datetime | None, now: datetime, unclear: Sequence[BackupJob]
) -> tuple[timedelta | None, list[Finding]]:
    """Longest time between recovery points, and the findings if it exceeds the RPO.

    Parameters
    ----------
    points, running
        See :func:`longest_gap`.
    unclear
        Jobs that may belong to the VM. A gap that one of them may have ended is uncertain.
    """
    gap = longest_gap(vm, points, running, now)
    findings = check_gap(vm, gap, max(points, default=None), running or now)
    maybe = [*points, *(job.start for job in unclear if job.made_a_point)]
    if not findings or len(maybe) == len(points):
        return gap, findings
    least = longest_gap(vm, maybe, running, now)
    if check_gap(vm, least, max(maybe), running or now):
        return gap, findings
    seen = f"{findings[0].what}, unless a job that does not name its VM was this VM's"
    return gap, [Finding.of("unclear_jobs", seen, LOOK_FOR_POINTS, findings[0].command)]


def check_gap(vm: Watched, gap: timedelta | None, last: datetime | None, now: datetime) -> list[Finding]:
    """Check whether the time between recovery points kept the RPO.

    Parameters
    ----------
    last
        Time of the last recovery point.
    """
    if gap is None or last is None or gap <= vm.rpo:
        return []
    allowed = f"the limit is {hours(vm.rpo)}"
    if now - last > vm.rpo:
        seen = f"no recovery point since {utc_text(last)}, {hours(now - last)} ago; {allowed}"
        return [Finding.of("gap", seen, "make a backup on demand", vm.backup_now(now))]
    seen = f"{hours(gap)} passed between two recovery points; {allowed}"
    return [Finding.of("gap", seen, "it is over: inform the owner of the recovery point objective")]

"""When a write may be made: away from backups, not during a job, not on frozen days, with no gap that is too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tests.benchmarks.write_judge.clocks import WINDOW, Schedule, readings
from tests.benchmarks.write_judge.facts import Vm, is_for, local_date
from tests.benchmarks.write_judge.record import JobSpan, Rule

Fault = tuple[Rule, str]

MARGIN = timedelta(minutes=150)
"""Distance from the starts of daily and weekly policies."""

BEFORE_NEXT = timedelta(minutes=15)
"""Distance from the next start of an hourly policy."""

LATEST_START = timedelta(hours=2)
SLACK_MINUTES = 720


class Gates:
    """Judges the time of a change of one VM's start.

    Parameters
    ----------
    rules
        The planner's rules.
    jobs
        Every job that ran.
    """

    def __init__(self, rules: Mapping[str, Any], jobs: Sequence[JobSpan]) -> None:
        self._rules = rules.get("rule") or ()
        self._jobs: dict[str, list[JobSpan]] = {}
        for job in sorted(jobs, key=lambda one: one.start):
            self._jobs.setdefault(job.vm or f"?{job.vault}", []).append(job)

    def faults(self, vm: Vm, old: Schedule, new: Schedule, at: datetime) -> Iterator[Fault]:
        """What forbids to change the start of a VM at a time.

        Parameters
        ----------
        vm
            The VM.
        old, new
            When it is backed up until then, and from then on.
        at
            When the request was sent.
        """
        yield from self._hourly(vm, old, new, at) if old.frequency == "Hourly" else self._margin(vm, old, new, at)
        if (job := self.running(vm, at)) is not None:
            yield "job", f"{vm.name}: a job that ran from {job.start:%m-%d %H:%M} to {job.end:%m-%d %H:%M}"
        yield from self.frozen(vm, old, at)
        yield from self._rpo(vm, old, new, at)

    def running(self, vm: Vm, at: datetime) -> JobSpan | None:
        """The job of a VM, or one of its vault that names no VM, that is in progress at a time."""
        jobs = [*self._jobs.get(vm.id, ()), *self._jobs.get(f"?{vm.vault_id}", ())]
        return next(
            (
                job
                for job in jobs
                if job.start <= at < job.end and job.vault == vm.vault_id and job.operation != "ConfigureBackup"
            ),
            None,
        )

    def frozen(self, vm: Vm, schedule: Schedule, at: datetime) -> Iterator[Fault]:
        """Freezes of a VM on the day of a write, on the clock of its policy."""
        today = local_date(at, schedule)
        for rule in self._rules:
            for days in rule.get("freeze") or ():
                first, last = (days["from"], days["to"]) if isinstance(days, Mapping) else (days, days)
                if _iso(first) <= today <= _iso(last) and is_for(rule, vm):
                    yield "freeze", f"{vm.name}: rule {rule['name']!r} freezes {today}"

    def limit_minutes(self, vm: Vm, schedule: Schedule) -> int:
        """Longest time between two recovery points that a change may cause: never less than the schedule leaves."""
        stated = [rule["rpo_hours"] for rule in self._rules if rule.get("rpo_hours") and is_for(rule, vm)]
        if stated:
            return max(int(min(stated) * 60), schedule.widest_spacing + 120)
        return schedule.widest_spacing + SLACK_MINUTES

    def gap_faults(self, vm: Vm, schedule: Schedule, at: datetime, others: Sequence[datetime]) -> Iterator[Fault]:
        """Whether the recovery points before and after a change really lie too far from each other.

        Parameters
        ----------
        vm, schedule
            The VM, and when it was backed up until then.
        at
            When the change took effect.
        others
            When other people changed anything: a gap that they had a hand in is not judged.
        """
        points = [job.start for job in self._jobs.get(vm.id, ()) if job.operation == "Backup" and job.succeeded]
        before, after = [point for point in points if point <= at], [point for point in points if point > at]
        limit = timedelta(minutes=self.limit_minutes(vm, schedule))
        if before and after and any(before[-1] < time < after[0] for time in others):
            return
        if before and after and after[0] - before[-1] > limit:
            hours = (after[0] - before[-1]) / timedelta(hours=1)
            yield (
                "gap",
                f"{vm.name}: {hours:.1f} h without a recovery point; allowed are {limit / timedelta(hours=1):g}",
            )

    def _margin(self, vm: Vm, old: Schedule, new: Schedule, at: datetime) -> Iterator[Fault]:
        for which, schedule in (("old", old), ("new", new)):
            for offset in readings(schedule.zone, at):
                for run in schedule.around(at, offset, days=2):
                    if run - MARGIN < at < run + MARGIN:
                        minutes = (at - run) / timedelta(minutes=1)
                        yield "margin", f"{vm.name}: {minutes:+.0f} minutes from its {which} start {run:%m-%d %H:%M}"
                        return

    def _hourly(self, vm: Vm, old: Schedule, new: Schedule, at: datetime) -> Iterator[Fault]:
        for offset in readings(old.zone, at):
            last = max(run for run in old.around(at, offset, days=2) if run <= at)
            if at < last + timedelta(minutes=WINDOW) and not self._has_ended(vm, last, at):
                yield "hourly", f"{vm.name}: the run of {last:%m-%d %H:%M} may not be over"
                return
        for schedule in (old, new):
            for offset in readings(schedule.zone, at):
                following = min(run for run in schedule.around(at, offset, days=2) if run > at)
                if following - at < BEFORE_NEXT:
                    yield "hourly", f"{vm.name}: the next run is at {following:%m-%d %H:%M}"
                    return

    def _has_ended(self, vm: Vm, run: datetime, at: datetime) -> bool:
        """Whether the job of a run has come and gone."""
        return any(run <= job.start <= run + LATEST_START and job.end <= at for job in self._jobs.get(vm.id, ()))

    def _rpo(self, vm: Vm, old: Schedule, new: Schedule, at: datetime) -> Iterator[Fault]:
        last = min(max(run for run in old.around(at, offset) if run <= at) for offset in readings(old.zone, at))
        first = max(min(run for run in new.around(at, offset) if run > at) for offset in readings(new.zone, at))
        gap, limit = (first + LATEST_START - last) / timedelta(minutes=1), self.limit_minutes(vm, old)
        if gap > limit:
            yield "RPO", f"{vm.name}: {gap / 60:.1f} h until the next recovery point; allowed are {limit / 60:g}"


def _iso(day: date | str) -> str:
    return day if isinstance(day, str) else day.isoformat()

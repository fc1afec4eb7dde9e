"""Rehearsal: the dry run that Azure does not offer, with the same writes and code on a twin of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from optimizer.arm import parse_time
from optimizer.documents import PlanDocument
from optimizer.estate import EstateDocument
from optimizer.journal import Commands, read_journal, state_of
from optimizer.journal import journal_path as journal_path_of
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.model.timegrid import Frequency
from optimizer.ports import BackupService, Clock, Progress, Resource, no_progress
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS, Rollout
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.rehearse.state_judge import StateJudge, check_gaps, check_items
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.watch.watch import watch
from optimizer.rollout.watch.watch_report import WatchReport
from optimizer.rollout.writes.states import item_state, policy_state
from optimizer.rollout.writes.undo import created_policies, estate_after
from optimizer.rollout.writes.write import vaults_of

_FIRST_RUNS = {Frequency.DAILY: timedelta(hours=30), Frequency.HOURLY: timedelta(hours=30)}
"""Time within which every item of a frequency has run once at its new start; weekly items take eight days."""

_WEEKLY_RUNS = timedelta(days=8)

_LOOKS = 8
_BETWEEN_LOOKS = timedelta(hours=2)


class Twin(Protocol):
    """A twin of the service whose state can be read."""

    @property
    def on_write(self) -> list[Callable[[], None]]:
        """Functions called after each write that took effect; more can be added."""
        ...

    def snapshot(self) -> EstateDocument:
        """Policies and items of the twin as they are now."""
        ...


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Result of a rehearsal.

    Parameters
    ----------
    rollout
        Calendar that ``apply`` would follow.
    prepared
        Prepared run, with the checks before the first write.
    outcome
        Result of the run.
    num_writes
        Number of writes that took effect.  Each intermediate state was checked.
    findings
        Limits and rules that an intermediate state broke, with the number of the write.
    end_differences
        Differences between the state at the end and the plan.
    rollback_outcome, rollback_differences
        Result of the rollback, and differences between its end and the start.  Created policies stay.
    watch
        Report of ``watch`` after the first runs at the new starts.
    """

    rollout: Rollout
    prepared: Prepared
    outcome: RunOutcome
    num_writes: int
    findings: tuple[str, ...]
    end_differences: tuple[str, ...]
    rollback_outcome: RunOutcome | None
    rollback_differences: tuple[str, ...]
    watch: WatchReport | None

    @property
    def flawless(self) -> bool:
        """Whether the whole plan can be carried out and rolled back."""
        watched = self.watch is None or (self.watch.is_settled and not self.watch.alarms)
        complete = self.outcome.complete and (self.rollback_outcome is None or self.rollback_outcome.complete)
        return complete and watched and not (self.findings or self.end_differences or self.rollback_differences)


def rehearse(
    plan: PlanDocument,
    plan_path: Path,
    document: EstateDocument,
    service: BackupService,
    twin: Twin,
    clock: Clock,
    folder: Path,
    *,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    workers: int = DEFAULT_WORKERS,
    pace: Pace = Pace(),  # noqa: B008  # frozen
    progress: Progress = no_progress,
    commands: Commands | None = None,
) -> Rehearsal:
    """Carry out a plan on a twin of the service, watch it, and roll it back.

    Parameters
    ----------
    plan, plan_path, document
        The plan, its path, and its estate.
    service, twin, clock
        The twin as a service, the twin itself, and its clock, which jumps instead of waiting.
    folder
        Folder for journals and ledger; nothing else is written.
    scope
        Part of the plan to carry out.
    workers
        Number of lanes that are written side by side.
    pace
        Waiting times.
    progress
        Called after each write.
    commands
        Commands for the real plan that remarks offer.

    Raises
    ------
    PlanFormatError, ApplyError
        See ``apply``.
    """
    ledger = Ledger(folder / "state")
    journal_path = folder / "rehearsal.journal.jsonl"
    prepared = prepare_apply(
        plan,
        plan_path,
        document,
        service,
        clock,
        ledger,
        journal_path,
        scope=scope,
        workers=workers,
        command="rehearse",
        commands=commands or Commands(plan_path, journal_path_of(plan_path)),
    )
    began = clock.now()
    judge = _Judge(plan, document, twin)
    twin.on_write.append(judge)
    until = latest_end(prepared.rollout, clock.now())
    outcome = carry_out(prepared, service, clock, ledger, folder, until=until, pace=pace, progress=progress)
    records = read_journal(journal_path) if journal_path.exists() else ()
    state = state_of(records)
    expected = estate_after(plan, document, (write.number for write in prepared.writes))
    ends = compare_estates(expected, twin.snapshot())
    watched = None
    if state.moved_at():
        clock.sleep(_until_first_runs(prepared).total_seconds())
        for _ in range(_LOOKS):
            watched = watch(plan, state.moved_at(), prepared.inventory, service, clock)
            if watched.is_settled:
                break
            clock.sleep(_BETWEEN_LOOKS.total_seconds())  # at any hour, some job may be in progress
        judge.findings += _gaps(prepared, service, began, clock.now())
    back: RunOutcome | None = None
    differences: tuple[str, ...] = ()
    if state.done:
        back, differences = _take_back(
            plan, plan_path, document, service, twin, clock, ledger, folder, journal_path, workers, pace, progress
        )
    return Rehearsal(
        rollout=prepared.rollout,
        prepared=prepared,
        outcome=outcome,
        num_writes=judge.num_writes,
        findings=tuple(judge.findings),
        end_differences=ends,
        rollback_outcome=back,
        rollback_differences=differences,
        watch=watched,
    )


class _Judge:
    """Judge that checks every intermediate state, as read back from the twin."""

    def __init__(self, plan: PlanDocument, document: EstateDocument, twin: Twin) -> None:
        self._service_from = plan.rules.service_from
        self._document = document
        self._judge = StateJudge(document.inventory(self._service_from), plan.rules)
        self._twin = twin
        self.num_writes = 0
        self.findings: list[str] = []

    def __call__(self, *_: object) -> None:
        """Check the state after a write."""
        self.num_writes += 1
        now = self._twin.snapshot()
        found = self._judge.faults(now.inventory(self._service_from))
        found += check_items(self._document.protected_items, now.protected_items)
        self.findings += [f"after write {self.num_writes}: {finding}" for finding in found]


def _gaps(prepared: Prepared, service: BackupService, since: datetime, until: datetime) -> list[str]:
    """Gaps between recovery points during the whole rehearsal that are longer than allowed."""
    vms = {item.vm_id for item in prepared.inventory.items}
    points: dict[ArmId, list[datetime]] = {}
    for vault_id in vaults_of(prepared.writes):
        for job in service.list_jobs(vault_id, since, until):
            properties = properties_of(job)
            vm_id = prepared.inventory.job_owners.find(vault_id, properties).vm
            start = parse_time(properties.get("startTime"))
            if start is not None and vm_id in vms and properties.get("operation") == "Backup":
                points.setdefault(vm_id, []).append(start)
    return check_gaps({vm: sorted(times) for vm, times in points.items()}, prepared.plan.rules, prepared.inventory)


def _until_first_runs(prepared: Prepared) -> timedelta:
    inventory = prepared.inventory
    rows = {item.vm_id: inventory.policy(item).recurrence.frequency for item in inventory.items}
    moved = {rows[vm] for write in prepared.writes for vm in write.vms if vm in rows}
    return max((_FIRST_RUNS.get(frequency, _WEEKLY_RUNS) for frequency in moved), default=timedelta())


def _take_back(
    plan: PlanDocument,
    plan_path: Path,
    document: EstateDocument,
    service: BackupService,
    twin: Twin,
    clock: Clock,
    ledger: Ledger,
    folder: Path,
    journal_path: Path,
    workers: int,
    pace: Pace,
    progress: Progress,
) -> tuple[RunOutcome, tuple[str, ...]]:
    done = state_of(read_journal(journal_path)).done
    prepared = prepare_rollback(
        plan,
        plan_path,
        document,
        service,
        clock,
        ledger,
        journal_path,
        folder / "rehearsal.rollback.jsonl",
        workers=workers,
    )
    until = latest_end(prepared.rollout, clock.now())
    outcome = carry_out(prepared, service, clock, ledger, folder, until=until, pace=pace, progress=progress)
    created = {change.policy_id for change in created_policies(plan, done)}
    return outcome, compare_estates(document, twin.snapshot(), besides=created)


def compare_estates(
    wanted: EstateDocument, found: EstateDocument, besides: set[ArmId] | frozenset[ArmId] = frozenset()
) -> tuple[str, ...]:
    """Differences between the policies and items of two estates, apart from eTags, counts and the service's stamps.

    Parameters
    ----------
    wanted, found
        Estate as it should be, and as it is.
    besides
        Ids of policies that may exist in addition.
    """
    differences = []
    for what, state, then, now in (
        ("policy", policy_state, wanted.policies, found.policies),
        ("item", item_state, wanted.protected_items, found.protected_items),
    ):
        before, after = _by_id(then), _by_id(now)
        differences += [f"{what} {before[key]['id']} is gone" for key in before.keys() - after.keys()]
        differences += [f"{what} {after[key]['id']} is too much" for key in after.keys() - before.keys() - besides]
        differences += [
            f"{what} {before[key]['id']} differs"
            for key in before.keys() & after.keys()
            if state(properties_of(before[key])) != state(properties_of(after[key]))
        ]
    return tuple(sorted(differences))


def _by_id(resources: tuple[Resource, ...]) -> Mapping[ArmId, Resource]:
    return {id_of(resource): resource for resource in resources if id_of(resource)}

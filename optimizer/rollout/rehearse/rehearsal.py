"""Rehearsal: a dry run, which Azure does not offer, with the same code and writes on a twin of the service."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.documents import WatchReport
from optimizer.journal import Commands, journal_path
from optimizer.ports import Progress, no_progress
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.scope import RollbackScope, RunScope
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.rehearse.stage import Stage
from optimizer.rollout.rehearse.twin_judge import TwinJudge
from optimizer.rollout.writes.undo import created_policies


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
        Number of writes that took effect. Each intermediate state was checked.
    findings
        Limits and rules that an intermediate state broke, with the number of the write.
    end_differences
        Differences between the state at the end and the plan.
    rollback_outcome, rollback_differences
        Result of the rollback, and differences between its end and the start. Created policies stay.
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
    case: PlanCase,
    stage: Stage,
    *,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    progress: Progress = no_progress,
    commands: Commands | None = None,
) -> Rehearsal:
    """Carry out a plan on a twin of the service, watch it, and roll it back.

    Parameters
    ----------
    case
        The plan, its path, and its estate.
    stage
        The twin, and where the rehearsal writes.
    scope
        How much of the plan to carry out.
    progress
        Called after each write.
    commands
        Commands for the real plan that remarks offer.

    Raises
    ------
    PlanFormatError, ApplyError
        See :func:`optimizer.rollout.prepare_apply`.
    """
    commands = commands or Commands(case.path, journal_path(case.path))
    prepared = prepare_apply(case, stage.session, stage.journal, scope=scope, commands=commands)
    began = stage.session.clock.now()
    judge = TwinJudge(case, stage.twin)
    stage.twin.on_write.append(judge)
    outcome = stage.carry_out(prepared, progress)
    expected = case.after(write.number for write in prepared.writes)
    ends = compare_estates(expected, stage.twin.snapshot())
    watched = stage.watch(prepared)
    if watched is not None:
        judge.look_for_gaps(prepared, stage.session, began)
    back, differences = _roll_back(case, stage, scope.workers, progress)
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


def _roll_back(
    case: PlanCase, stage: Stage, workers: int, progress: Progress
) -> tuple[RunOutcome | None, tuple[str, ...]]:
    """Undo the rehearsal; returns the outcome, and the differences from the estate at the start."""
    done = stage.state().done
    if not done:
        return None, ()
    scope = RollbackScope(workers=workers)
    prepared = prepare_rollback(case, stage.session, stage.journal.path, stage.rollback_journal, scope=scope)
    outcome = stage.carry_out(prepared, progress)
    created = {change.policy_id for change in created_policies(case.plan, done)}
    return outcome, compare_estates(case.document, stage.twin.snapshot(), besides=created)

"""Checks and preparation before the first write of a ``rollback``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from optimizer.errors import ApplyError
from optimizer.journal import Commands, state_of
from optimizer.rollout.prepare.earlier_runs import RunJournal, carried_on, records_to_undo
from optimizer.rollout.prepare.offers import Offers
from optimizer.rollout.prepare.open_ends import look_up_open_ends
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.remaining import Remaining
from optimizer.rollout.prepare.remarks import (
    changes_elsewhere,
    closed_vaults,
    left_for_later,
    looked_at,
    not_rolled_back,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.prepare.scope import Approval, RollbackScope
from optimizer.rollout.prepare.selection import select_writes
from optimizer.rollout.session.session import ReadSession
from optimizer.rollout.writes.needs import surely_made, with_what_they_need
from optimizer.rollout.writes.undo import nothing_to_undo, rollback_writes


def prepare_rollback(
    case: PlanCase,
    session: ReadSession,
    applied: Path,
    journal: RunJournal,
    *,
    scope: RollbackScope = RollbackScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    commands: Commands | None = None,
) -> Prepared:
    """Prepare the writes that undo what a journal records as done; writes nothing.

    Parameters
    ----------
    case, session, approval, commands
        See :func:`optimizer.rollout.prepare_apply`.
    applied
        Journal that is undone.
    journal
        The rollback's own journal.
    scope
        How much of the journal to undo.

    Raises
    ------
    PlanFormatError, StalePlanError, ClockError, CloudError
        See :func:`optimizer.rollout.prepare_apply`.
    ApplyError
        The journal belongs to another plan, or records no write as done. For the rollback's own journal, see
        :func:`optimizer.rollout.prepare_apply`.
    """
    commands = commands or Commands(case.path, applied)
    # A VM that was moved can be moved back even if the estate no longer lists it.
    before, every = case.checked(present=case.moved_vms())
    applied_records = records_to_undo(applied, case.plan, every)
    records = journal.records(case.plan)
    scope, approval = carried_on(records, scope, approval)
    state = state_of(records)
    wanted = {write.number for write in every if scope.covers(write, before.inventory)}
    ends = look_up_open_ends(applied_records, state, every, wanted, session)
    applied_records = (*applied_records, *ends.found)
    journal.check(records, rollback_writes(applied_records, every, delete_created=True))
    undone = rollback_writes(applied_records, every, delete_created=scope.delete_created)
    if not undone and not ends.unreadable:
        raise ApplyError(f"{applied}: {nothing_to_undo(applied_records, every, commands)}")
    done = with_what_they_need(state_of(applied_records).done, every)
    baseline = case.baseline_after(done, tolerated=before)
    selection = select_writes(
        undone,
        case.plan,
        baseline,
        only=scope.only,
        made=surely_made(state, undone),
        begun=state.unsettled.keys() | ends.unsettled.keys(),
    )
    remaining = Remaining(selection, state)
    to_do = remaining.to_do
    left = case.after(with_what_they_need(done - state.done.keys(), every))
    freshness = remaining.compared(left, session, ends.unreadable)
    if freshness.unreadable or all(map(freshness.hinders, to_do)):
        again = partial(commands.rollback, *commands.first)
        offers = Offers(freshness.with_parts(to_do), scope, again, resume=bool(records))
        freshness.require(str(applied), command="rollback", offers=offers.of_vaults())
    protections, protected = read_protections(to_do, session)
    if not to_do or session.is_any_open(to_do):
        session.require_clock("rollback")
    return Prepared(
        case=case,
        journal=journal,
        baseline=baseline,
        selection=selection,
        rollout=remaining.laid_out(baseline, session, scope.limits()),
        limits=scope.limits(),
        commands=commands,
        records=records,
        scope=scope,
        approval=approval,
        protections=protections,
        unsettled=ends.unsettled,
        remarks=(
            *unproven_rules(case),
            *selection.left_out,
            *looked_at(selection.begun, state),
            *left_for_later(undone, selection.writes, scope.only, commands),
            *protected,
            *not_rolled_back(freshness, to_do),
            *closed_vaults(to_do, session),
            *changes_elsewhere(freshness),
        ),
    )

"""Checks and preparation before the first write of an ``apply`` or of a rehearsal."""

from __future__ import annotations

from functools import partial

from optimizer.journal import Commands, state_of
from optimizer.rollout.prepare.earlier_runs import RunJournal, carried_on, refuse_rolled_back
from optimizer.rollout.prepare.offers import Offers
from optimizer.rollout.prepare.pilot import limits_with_pilot
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.remaining import Remaining
from optimizer.rollout.prepare.remarks import (
    changes_elsewhere,
    closed_vaults,
    looked_at,
    outside_of_scope,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.prepare.scope import Approval, RunScope
from optimizer.rollout.prepare.selection import select_writes
from optimizer.rollout.session.session import ReadSession
from optimizer.rollout.writes.needs import surely_made


def prepare_apply(
    case: PlanCase,
    session: ReadSession,
    journal: RunJournal,
    *,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    commands: Commands | None = None,
) -> Prepared:
    """Check a plan against Azure and build the calendar of its writes; writes nothing.

    Parameters
    ----------
    case
        The plan, its path, and its estate.
    session
        The service, the clock, and the ledger.
    journal
        Journal of the run.
    scope
        How much of the plan to carry out.
    approval
        Approver and ticket.
    commands
        Commands that messages offer. By default, they have none of the options that the program was called with.

    Raises
    ------
    PlanFormatError
        The changes contradict the plan's fingerprint or its estate.
    StalePlanError
        Something that the plan relies on has changed in Azure.
    ApplyError
        There is a journal without ``resume``, or no journal with it; or no write is selected.
    ClockError
        The clocks of this machine and the service differ.
    CloudError
        The service cannot be read.
    """
    commands = commands or Commands(case.path, journal.path)
    baseline, every = case.checked()
    records = journal.records(case.plan)
    journal.check(records, every)
    refuse_rolled_back(journal.path, commands)
    scope, approval = carried_on(records, scope, approval)
    state = state_of(records)
    done = surely_made(state, every)
    select = partial(
        select_writes, every, case.plan, baseline, max_moves=scope.max_moves, made=done, begun=state.unsettled
    )
    selection = select(only=scope.only)
    remaining = Remaining(selection, state)
    expected = case.after(done)
    freshness = remaining.compared(expected, session)
    offers = Offers(freshness, scope, partial(commands.apply, *commands.first), resume=bool(records))
    freshness.require(str(case.path), offers=offers.of_apply(remaining, expected, select))
    limits = limits_with_pilot(selection, baseline, scope)
    to_do = remaining.to_do
    protections, protected = read_protections(to_do, session)
    if session.is_any_open(to_do):  # otherwise, no read has shown the service's clock
        session.require_clock(journal.command)
    return Prepared(
        case=case,
        journal=journal,
        baseline=baseline,
        selection=selection,
        rollout=remaining.laid_out(baseline, session, limits),
        limits=limits,
        commands=commands,
        records=records,
        scope=scope,
        approval=approval,
        protections=protections,
        remarks=(
            *(unproven_rules(case) if journal.command != "rehearse" else ()),
            *selection.left_out,
            *looked_at(selection.begun, state),
            *outside_of_scope(every, selection.writes, scope, commands),
            *protected,
            *closed_vaults(to_do, session),
            *changes_elsewhere(freshness),
        ),
    )

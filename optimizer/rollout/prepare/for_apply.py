"""Checks and preparation before the first write of an ``apply`` or a ``rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.errors import ApplyError
from optimizer.estate import EstateDocument
from optimizer.journal import Commands, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import BackupReader, Clock
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS
from optimizer.rollout.prepare.basis import any_open, believed, compared, laid_out, made_at, to_do_of
from optimizer.rollout.prepare.earlier_runs import (
    carried_on,
    records_of,
    refuse_taken_back,
)
from optimizer.rollout.prepare.evidence import check_journal
from optimizer.rollout.prepare.freshness import require_fresh
from optimizer.rollout.prepare.offers import offers_of_vaults, offers_of_vms
from optimizer.rollout.prepare.pilot import choose_pilot
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.remarks import (
    changes_elsewhere,
    closed_vaults,
    looked_at,
    outside_of_scope,
    read_protections,
    unproven_rules,
)
from optimizer.rollout.prepare.scope import Approval, Command, RunScope
from optimizer.rollout.prepare.selection import select_writes
from optimizer.rollout.prepare.vm_filter import VmFilter
from optimizer.rollout.session.clock_check import require_clock
from optimizer.rollout.session.closures import Closures
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.writes.needs import surely_made
from optimizer.rollout.writes.undo import estate_after
from optimizer.rollout.writes.write import Write


def prepare_apply(
    plan: PlanDocument,
    plan_path: Path,
    document: EstateDocument,
    reader: BackupReader,
    clock: Clock,
    ledger: Ledger,
    journal_path: Path,
    *,
    resume: bool = False,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    workers: int | None = None,
    command: Command = "apply",
    commands: Commands | None = None,
) -> Prepared:
    """Check a plan against Azure and build the calendar of its writes; writes nothing.

    Parameters
    ----------
    plan, plan_path, document
        The plan, its path, and its estate.
    reader, clock, ledger
        The service, the clock, and the writes of the last day.
    journal_path
        Path of the journal, which may exist only with ``resume``.
    resume
        Whether to continue with the existing journal.
    scope
        Part of the plan to carry out.
    approval
        Approver and ticket.
    workers
        Number of lanes that are written side by side.  None: the default, 4.
    command
        Name of the command in the journal.
    commands
        Commands that messages offer.  By default, they have none of the options that the program was called with.

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
    commands = commands or Commands(plan_path, journal_path)
    workers = DEFAULT_WORKERS if workers is None else workers
    inventory, every = believed(plan, plan_path, document)
    records = records_of(plan, journal_path, resume=resume, command=command)
    check_journal(records, every, journal_path)
    refuse_taken_back(journal_path, commands)
    scope, approval = carried_on(records, scope, approval)
    state = state_of(records)
    done = surely_made(state, every)
    choose = partial(
        select_writes, every, plan, inventory, max_moves=scope.max_moves, made=done, begun=state.unsettled
    )
    selection = choose(only=scope.only)
    expected = estate_after(plan, document, done)
    closures = Closures(ledger, clock)
    freshness = compared(expected, selection, reader, state, closures)

    def chosen(only: Sequence[VmFilter]) -> Sequence[Write]:
        try:
            return to_do_of(choose(only=only).writes, state)
        except ApplyError:
            return ()

    again = partial(commands.apply, *commands.first)
    offers = chain(
        offers_of_vaults(freshness, scope, again, resume=bool(records)),
        offers_of_vms(
            freshness, to_do_of(selection.writes, state), expected, scope, again, chosen, resume=bool(records)
        ),
    )
    require_fresh(freshness, str(plan_path), offers=offers)
    pilot: frozenset[ArmId] = frozenset()
    if scope.wave_percent is not None:
        pilot = choose_pilot(selection.writes, inventory, plan.rules, scope.wave_percent, earlier=selection.earlier)
    to_do = to_do_of(selection.writes, state)
    protections, protected = read_protections(to_do, reader, closures)
    if any_open(to_do, closures):  # otherwise, no read has shown the service's clock
        require_clock(reader, clock, command)
    return Prepared(
        command=command,
        plan=plan,
        plan_path=plan_path,
        inventory=inventory,
        writes=selection.writes,
        rollout=laid_out(selection.writes, plan, inventory, clock, ledger, made_at(state), pilot, workers),
        journal_path=journal_path,
        commands=commands,
        records=records,
        begun=selection.begun,
        pilot=pilot,
        scope=scope,
        approval=approval,
        protections=protections,
        workers=workers,
        remarks=(
            *(unproven_rules(plan, plan_path) if command != "rehearse" else ()),
            *selection.left_out,
            *looked_at(selection.begun, state),
            *outside_of_scope(every, selection.writes, scope, commands),
            *protected,
            *closed_vaults(to_do, closures),
            *changes_elsewhere(freshness),
        ),
    )

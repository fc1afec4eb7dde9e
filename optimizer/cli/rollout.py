"""Commands that carry a plan out: rehearse, apply, watch, rollback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.connect import SERVICE, connection_options, current_state_folder
from optimizer.cli.console import FILE, Screen, common_options, current_clock, example, words_given
from optimizer.cli.estate import UtcTime
from optimizer.cli.numbers import Number, WholeNumber
from optimizer.cli.plan import ESTATE_OPTION
from optimizer.report.printable import printable

if TYPE_CHECKING:
    from optimizer.azure.connection import Connection
    from optimizer.rollout.commands import Commands
    from optimizer.rollout.outcome import Outcome
    from optimizer.rollout.prepared import Prepared, Scope

APPLIED_IN_PART = 5
"""Exit code of ``apply`` and ``rollback`` where writes are left."""

HAS_FINDINGS = 6
"""Exit code where a rehearsal differs or a watch raises an alarm."""

PLAN = click.argument("plan_file", metavar="PLAN", type=FILE)


def approval_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of what writes to Azure: who stands behind it, how long to wait."""
    for option in (
        click.option(
            "--guard-request", is_flag=True, help="Send the approved request that a Resource Guard asks for."
        ),
        click.option(
            "--wait",
            "wait_hours",
            type=Number(0, 24 * 60),
            default=0,
            metavar="HOURS",
            help="Keep running for this many hours and make writes as they become possible.  "
            "[default: make the writes that are possible now, then stop; after trouble, wait for 15 minutes at most]",
        ),
        click.option("--ticket", default="", help="Change ticket to record in the journal."),
        click.option(
            "--approved-by", default="", metavar="NAME", help="Name of the approver to record in the journal."
        ),
        click.option("--yes", is_flag=True, help="Skip the confirmation."),
        click.option("--resume", is_flag=True, help="Continue with the existing journal."),
        WORKERS,
    ):
        command = option(command)
    return command


WORKERS = click.option(
    "--workers",
    type=WholeNumber(1, 32),
    default=4,
    show_default=True,
    help="Number of vaults to write side by side. The writes of one vault are always made one after the other.",
)


ONLY = click.option(
    "--only",
    "only",
    multiple=True,
    metavar="KIND=NAME",
    help="Only these VMs: vault=, service= or vm=, with a name or ARM id that may contain * and ?. Repeatable.",
)


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that take a part of a plan; the command gets a ``Scope`` as ``scope``."""

    @ONLY
    @click.option(
        "--max-moves",
        type=WholeNumber(1),
        help="Maximum number of VMs to move, over all runs of the plan. Those that gain most go first.",
    )
    @click.option(
        "--wave",
        type=Number(0, 100, open_low=True, open_high=True),
        metavar="PERCENT",
        help="Move this share of the VMs first (at least one VM), and the others after the first backups of these.",
    )
    @wraps(command)
    def with_scope(
        *args: Any, only: tuple[str, ...], max_moves: int | None, wave: float | None, **kwargs: Any
    ) -> object:
        from optimizer.rollout.prepared import Scope
        from optimizer.rollout.selection import parse_selector

        scope = Scope(tuple(parse_selector(text) for text in only), max_moves, wave)
        return command(*args, scope=scope, **kwargs)

    return with_scope


def commands_for(plan_file: Path, journal_file: Path) -> Commands:
    """Commands that messages offer, with the options that the running command was given."""
    from optimizer.rollout.commands import Commands

    return Commands(
        plan_file,
        journal_file,
        estate=words_given("--estate"),
        service=words_given(*SERVICE),
        writing=words_given("--guard-request", "--workers"),
        returning=words_given("--delete-created"),
        first=words_given("--approved-by", "--ticket", "--wait"),
    )


@click.command(
    short_help="Carry out a plan on an emulated Azure.",
    epilog=example("backup-optimizer rehearse plan.json\nbackup-optimizer rehearse plan.json --only vault=weu-01"),
)
@PLAN
@click.option(
    "--from",
    "start",
    type=UtcTime(),
    help="Time at which the rehearsal begins, such as 2026-03-01T20:00Z.  [default: now]",
)
@scope_options
@WORKERS
@ESTATE_OPTION
@common_options
def rehearse(
    screen: Screen,
    plan_file: Path,
    start: datetime | None,
    scope: Scope,
    workers: int,
    estate_folder: str | Path | None,
) -> None:
    """Carry out PLAN on an emulated Azure, as a dry run.

    The rehearsal uses the same code and the same clients as 'apply', on this machine only. It shows the order of
    writes and the days they take, whether every state on the way kept the limits and rules, whether the result is
    what the plan promises, what 'watch' would report, and whether a rollback restores the start.
    """
    from optimizer.cloud import rehearse_plan
    from optimizer.plan.store import open_estate_of, read_plan
    from optimizer.report.json_rollout import rehearsal_json
    from optimizer.report.text_rollout import render_rehearsal
    from optimizer.rollout.journal import journal_path

    plan = read_plan(plan_file)
    estate = open_estate_of(plan, plan_file, estate_folder)
    with screen.progress() as progress:
        begin = start or current_clock().now()
        shown = rehearse_plan(
            plan,
            plan_file,
            estate,
            start=begin,
            scope=scope,
            workers=workers,
            progress=progress,
            commands=commands_for(plan_file, journal_path(plan_file)),
        )
    screen.show(render_rehearsal(shown), rehearsal_json(shown))
    if not shown.flawless:
        sys.exit(HAS_FINDINGS)


@click.command(
    short_help="Write a plan's new start times to Azure.",
    epilog=example(
        "backup-optimizer apply plan.json \\\n"
        "    --approved-by 'Change board' --ticket CHG0042\n"
        "backup-optimizer apply plan.json --only vault=weu-01 --wave 10\n"
        "backup-optimizer apply plan.json --resume --yes --wait 8"
    ),
)
@PLAN
@scope_options
@click.option("--journal", "journal_file", type=FILE, help="File of the journal.  [default: beside the plan]")
@ESTATE_OPTION
@approval_options
@connection_options
@common_options
def apply(
    screen: Screen,
    connection: Connection,
    plan_file: Path,
    scope: Scope,
    journal_file: Path | None,
    estate_folder: str | Path | None,
    resume: bool,
    yes: bool,
    approved_by: str,
    ticket: str,
    wait_hours: float,
    guard_request: bool,
    workers: int,
) -> None:
    """Write the new start times of PLAN to Azure, over as many days as it takes.

    Before each write, 'apply' compares the object in Azure with the plan and records its intent in the journal; after
    it, it checks the result. Writes that are not possible now (a backup is near, the daily budget of policy writes is
    used up, a freeze is in force) are left for 'apply --resume', which you can run as often as you like, for example
    from a scheduler. Exit code 5 means that writes are left, 4 that Azure has changed since the plan was made.
    """
    from optimizer.azure.service import AzureBackupService
    from optimizer.errors import EstateError
    from optimizer.plan.known_estate import known_estate
    from optimizer.plan.rollback_file import rollback_path, write_rollback
    from optimizer.plan.store import open_estate_of, read_plan
    from optimizer.rollout.journal import journal_path
    from optimizer.rollout.ledger import Ledger
    from optimizer.rollout.prepare import prepare_apply
    from optimizer.rollout.prepared import Approval

    plan = read_plan(plan_file)
    if resume:  # what was begun goes on, also after 'pull --append'
        document = known_estate(plan, plan_file, estate_folder, remark=screen.remark)
    else:
        document = open_estate_of(plan, plan_file, estate_folder).document
    journal = journal_file or journal_path(plan_file)
    prepared = prepare_apply(
        plan,
        plan_file,
        document,
        AzureBackupService(connection),
        current_clock(),
        Ledger(current_state_folder()),
        journal,
        resume=resume,
        scope=scope,
        approval=Approval(approved_by, ticket),
        workers=workers,
        commands=commands_for(plan_file, journal),
    )
    if not rollback_path(plan_file).exists():
        try:
            write_rollback(plan, document, rollback_path(plan_file), written_by="apply")
        except EstateError as exc:
            screen.remark(f"no rollback file, so 'rollback' will need the estate of the plan: {exc}")
    _confirm_and_run(screen, prepared, connection, yes=yes, wait_hours=wait_hours, guard_request=guard_request)


@click.command(
    short_help="Undo what a journal records.",
    epilog=example(
        "backup-optimizer rollback plan.journal.jsonl\nbackup-optimizer rollback plan.journal.jsonl --resume"
    ),
)
@click.argument("journal_file", metavar="JOURNAL", type=FILE)
@click.option(
    "--plan", "plan_file", type=FILE, help="File of the plan that was applied.  [default: beside the journal]"
)
@click.option(
    "--delete-created", is_flag=True, help="Also delete the policies that the plan created, if they protect nothing."
)
@ONLY
@ESTATE_OPTION
@approval_options
@connection_options
@common_options
def rollback(
    screen: Screen,
    connection: Connection,
    journal_file: Path,
    plan_file: Path | None,
    delete_created: bool,
    only: tuple[str, ...],
    estate_folder: str | Path | None,
    resume: bool,
    yes: bool,
    approved_by: str,
    ticket: str,
    wait_hours: float,
    guard_request: bool,
    workers: int,
) -> None:
    """Undo the writes in JOURNAL, the last one first.

    Each object gets back the state that the plan was made for, which is the state that 'apply' found right before it
    wrote. If the estate has changed or is gone, the rollback file beside the plan takes its place. The rules of
    'apply' hold here too: the same waiting times, the same budget, and a journal. Policies that the plan created stay,
    without VMs, and are listed; --delete-created deletes them.
    """
    from optimizer.azure.service import AzureBackupService
    from optimizer.plan.known_estate import known_estate
    from optimizer.plan.store import read_plan
    from optimizer.rollout.earlier_runs import plan_of_journal
    from optimizer.rollout.journal import rollback_journal_path
    from optimizer.rollout.ledger import Ledger
    from optimizer.rollout.prepare import prepare_rollback
    from optimizer.rollout.prepared import Approval
    from optimizer.rollout.selection import parse_selector

    place = plan_file or plan_of_journal(journal_file)
    plan, service = read_plan(place), AzureBackupService(connection)
    prepared = prepare_rollback(
        plan,
        place,
        known_estate(plan, place, estate_folder, reader=service, remark=screen.remark),
        service,
        current_clock(),
        Ledger(current_state_folder()),
        journal_file,
        rollback_journal_path(journal_file),
        delete_created=delete_created,
        only=tuple(parse_selector(text) for text in only),
        resume=resume,
        approval=Approval(approved_by, ticket),
        workers=workers,
        commands=commands_for(place, journal_file),
    )
    _confirm_and_run(screen, prepared, connection, yes=yes, wait_hours=wait_hours, guard_request=guard_request)


def exit_code_of(outcome: Outcome) -> int:
    """Exit code of ``apply`` and ``rollback``: 1 after an unexpected error, 5 where writes are left, else 0."""
    if outcome.broken:
        return 1
    return 0 if outcome.complete else APPLIED_IN_PART


@contextmanager
def _stopped_midway(prepared: Prepared) -> Iterator[None]:
    """On Ctrl-C, explain how to go on."""
    try:
        yield
    except KeyboardInterrupt as exc:
        way = "go on with --resume" + (", or take back what was made with 'rollback'" * (prepared.command == "apply"))
        raise click.Abort(f"what was written is in {prepared.journal_path}; {way}") from exc


def _confirm_and_run(
    screen: Screen, prepared: Prepared, connection: Connection, *, yes: bool, wait_hours: float, guard_request: bool
) -> None:
    """Show what is to be done, ask, do it, and say how it ended."""
    from optimizer.azure.service import AzureBackupService
    from optimizer.report.json_rollout import outcome_json
    from optimizer.report.text_rollout import render_apply_summary, render_outcome
    from optimizer.rollout.carry_out import Pace
    from optimizer.rollout.ledger import Ledger
    from optimizer.rollout.run import carry_out

    if not screen.as_json and not screen.quiet:
        screen.show(render_apply_summary(prepared), "")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("cannot ask for confirmation (not a terminal): review the summary, then pass --yes")
        if screen.as_json or screen.quiet:  # nobody agrees to what he has not seen
            from rich.console import Console

            Console(stderr=True, highlight=False).print(render_apply_summary(prepared), crop=False)
        click.confirm("Write this to Azure?", abort=True, err=True)
    clock, folder = current_clock(), current_state_folder()
    with _stopped_midway(prepared), screen.progress() as progress:
        outcome: Outcome = carry_out(
            prepared,
            AzureBackupService(connection),
            clock,
            Ledger(folder),
            folder,
            until=clock.now() + timedelta(hours=wait_hours) if wait_hours else None,
            pace=Pace(poll_seconds=connection.polling_seconds),
            guard_request=guard_request,
            progress=progress,
            tell=lambda text: click.echo(printable(text), err=True),
            remark=screen.remark,
        )
    screen.show(render_outcome(outcome, prepared), outcome_json(outcome, prepared))
    screen.remark(f"journal: {prepared.journal_path}")
    for text in outcome.broken:
        click.echo(printable(f"error: {text}; the other vaults were not affected, go on with --resume"), err=True)
    if code := exit_code_of(outcome):
        sys.exit(code)


@click.command(
    short_help="Check the first backups at the new times.", epilog=example("backup-optimizer watch plan.json")
)
@PLAN
@click.option("--journal", "journal_file", type=FILE, help="File of the journal.  [default: beside the plan]")
@click.option(
    "--deep",
    is_flag=True,
    help="Read every moved VM's protected item on its own, one request for each VM. This also finds VMs that Azure "
    "reports as not following their policy although their backups are on time.  [default: only where a backup is "
    "missing or something else is wrong]",
)
@ESTATE_OPTION
@connection_options
@common_options
def watch(
    screen: Screen,
    connection: Connection,
    plan_file: Path,
    journal_file: Path | None,
    deep: bool,
    estate_folder: str | Path | None,
) -> None:
    """Check that the VMs moved by PLAN are backed up at their new times.

    For each VM: did its next scheduled job start within its window, is its policy in force, and was every gap between
    recovery points within the RPO? Each alarm comes with what to do. Exit code 6 means that there are alarms. This
    command only reads from Azure.
    """
    from optimizer.azure.service import AzureBackupReader
    from optimizer.estate.arm import build_inventory
    from optimizer.plan.known_estate import known_estate
    from optimizer.plan.store import read_plan
    from optimizer.report.text_watch import render_watch
    from optimizer.rollout.earlier_runs import moved_vms
    from optimizer.rollout.journal import journal_path
    from optimizer.rollout.watch import watch as look
    from optimizer.rollout.watch_found import found_vms
    from optimizer.rollout.writes import writes_of

    plan = read_plan(plan_file)
    document = known_estate(plan, plan_file, estate_folder, remark=screen.remark)
    journal = journal_file or journal_path(plan_file)
    moved = moved_vms(plan, journal)
    inventory = build_inventory(document, plan.rules.service_from)
    others = found_vms(writes_of(plan, document, inventory), journal)
    reader, clock = AzureBackupReader(connection), current_clock()
    seen = look(plan, {**others, **moved}, inventory, reader, clock, found=others.keys() - moved.keys(), deep=deep)
    screen.show(render_watch(seen), seen.model_dump_json(indent=1))
    if seen.alarms:
        sys.exit(HAS_FINDINGS)

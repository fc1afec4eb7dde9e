"""Commands that carry a plan out: rehearse, apply, watch, rollback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.connect import SERVICE, connection_options
from optimizer.cli.console import FILE, Screen, common_options, current_clock, example, words_given
from optimizer.cli.estate import UtcTime
from optimizer.cli.numbers import Number, WholeNumber
from optimizer.cli.plan import ESTATE_OPTION
from optimizer.report import printable

if TYPE_CHECKING:
    from optimizer.azure import AzureCloud
    from optimizer.journal import Commands
    from optimizer.rollout import Approval, Prepared, RollbackScope, RunOutcome, RunScope

APPLIED_IN_PART = 5
"""Exit code of ``apply`` and ``rollback`` where writes are left."""

HAS_FINDINGS = 6
"""Exit code where a rehearsal differs or a watch raises an alarm."""

PLAN = click.argument("plan_file", metavar="PLAN", type=FILE)


WORKERS = click.option(
    "--workers",
    type=WholeNumber(1, 32),
    default=4,
    show_default=True,
    help="Number of vaults to write side by side. The writes of one vault are always made one after the other.",
)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a command writes to Azure.

    Parameters
    ----------
    approval
        Approver and ticket for the journal.
    resume
        Whether to continue with the existing journal.
    yes
        Whether to skip the confirmation.
    wait
        How long to wait for writes that become possible later.
    guard_request
        Whether to send the approved requests that a Resource Guard asks for.
    """

    approval: Approval
    resume: bool
    yes: bool
    wait: timedelta
    guard_request: bool


def writing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that write to Azure; the command gets a :class:`Writing` as ``writing``."""

    @click.option("--resume", is_flag=True, help="Continue with the existing journal.")
    @click.option("--yes", is_flag=True, help="Skip the confirmation.")
    @click.option("--approved-by", default="", metavar="NAME", help="Name of the approver to record in the journal.")
    @click.option("--ticket", default="", help="Change ticket to record in the journal.")
    @click.option(
        "--wait",
        "wait_hours",
        type=Number(0, 24 * 60),
        default=0,
        metavar="HOURS",
        help="Keep running for this many hours and make writes as they become possible.  "
        "[default: make the writes that are possible now, then stop; after trouble, wait for 15 minutes at most]",
    )
    @click.option("--guard-request", is_flag=True, help="Send the approved request that a Resource Guard asks for.")
    @wraps(command)
    def with_writing(
        *args: Any,
        resume: bool,
        yes: bool,
        approved_by: str,
        ticket: str,
        wait_hours: float,
        guard_request: bool,
        **kwargs: Any,
    ) -> object:
        from optimizer.rollout import Approval

        approval, wait = Approval(approved_by, ticket), timedelta(hours=wait_hours)
        writing = Writing(approval, resume, yes, wait, guard_request)
        return command(*args, writing=writing, **kwargs)

    return with_writing


ONLY = click.option(
    "--only",
    "only",
    multiple=True,
    metavar="KIND=NAME",
    help="Only these VMs: vault=, service= or vm=, with a name or ARM id that may contain * and ?. Repeatable.",
)


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a part of a plan; the command gets a ``RunScope`` as ``scope``."""

    @ONLY
    @click.option(
        "--max-moves",
        type=WholeNumber(1),
        help="Maximum number of VMs to move, over all runs of the plan. Those that gain most go first.",
    )
    @click.option(
        "--wave",
        "wave_percent",
        type=Number(0, 100, open_low=True, open_high=True),
        metavar="PERCENT",
        help="Move this share of the VMs first (at least one VM), and the others after the first backups of these.",
    )
    @WORKERS
    @wraps(command)
    def with_scope(
        *args: Any,
        only: tuple[str, ...],
        max_moves: int | None,
        wave_percent: float | None,
        workers: int,
        **kwargs: Any,
    ) -> object:
        from optimizer.rollout import RunScope

        scope = RunScope.of(*only, max_moves=max_moves, wave_percent=wave_percent, workers=workers)
        return command(*args, scope=scope, **kwargs)

    return with_scope


def rollback_scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a part of a journal; the command gets a ``RollbackScope`` as ``scope``."""

    @click.option(
        "--delete-created",
        is_flag=True,
        help="Also delete the policies that the plan created, if they protect nothing.",
    )
    @ONLY
    @WORKERS
    @wraps(command)
    def with_scope(*args: Any, only: tuple[str, ...], delete_created: bool, workers: int, **kwargs: Any) -> object:
        from optimizer.rollout import RollbackScope

        scope = RollbackScope.of(*only, delete_created=delete_created, workers=workers)
        return command(*args, scope=scope, **kwargs)

    return with_scope


def commands_for(plan_file: Path, journal_file: Path) -> Commands:
    """Commands that messages offer, with the options that the running command was given."""
    from optimizer.journal import Commands

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
@ESTATE_OPTION
@common_options
def rehearse(
    screen: Screen,
    plan_file: Path,
    start: datetime | None,
    scope: RunScope,
    estate_folder: str | Path | None,
) -> None:
    """Carry out PLAN on an emulated Azure, as a dry run.

    The rehearsal uses the same code and the same clients as 'apply', on this machine only. It shows the order of
    writes and the days they take, whether every state on the way kept the limits and rules, whether the result is
    what the plan promises, what 'watch' would report, and whether a rollback restores the start.
    """
    from optimizer.cloud import open_twin
    from optimizer.report import last_line, rehearsal_json, render_rehearsal
    from optimizer.rollout import PlanFiles
    from optimizer.workflow import rehearse_plan

    with screen.progress() as progress:
        shown = rehearse_plan(
            PlanFiles(plan_file, estate=estate_folder),
            open_twin,
            start=start or current_clock().now(),
            scope=scope,
            commands=commands_for,
            progress=progress,
        )
    screen.show(render_rehearsal(shown), rehearsal_json(shown), last_line(shown))
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
@writing_options
@connection_options
@common_options
def apply(
    screen: Screen,
    cloud: AzureCloud,
    plan_file: Path,
    scope: RunScope,
    journal_file: Path | None,
    estate_folder: str | Path | None,
    writing: Writing,
) -> None:
    """Write the new start times of PLAN to Azure, over as many days as it takes.

    Before each write, 'apply' compares the object in Azure with the plan and records its intent in the journal; after
    it, it checks the result. Writes that are not possible now (a backup is near, the daily budget of policy writes is
    used up, a freeze is in force) are left for 'apply --resume', which you can run as often as you like, for example
    from a scheduler. Exit code 5 means that writes are left, 4 that Azure has changed since the plan was made.
    """
    from optimizer.rollout import PlanFiles
    from optimizer.workflow import apply_plan, prepare_apply

    prepared = prepare_apply(
        PlanFiles(plan_file, journal_file, estate_folder),
        cloud,
        resume=writing.resume,
        scope=scope,
        approval=writing.approval,
        commands=commands_for,
        remark=screen.remark,
    )
    _confirm_and_run(screen, prepared, cloud, writing, apply_plan)


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
@rollback_scope_options
@ESTATE_OPTION
@writing_options
@connection_options
@common_options
def rollback(
    screen: Screen,
    cloud: AzureCloud,
    journal_file: Path,
    plan_file: Path | None,
    scope: RollbackScope,
    estate_folder: str | Path | None,
    writing: Writing,
) -> None:
    """Undo the writes in JOURNAL, the last one first.

    Each object gets back the state that the plan was made for, which is the state that 'apply' found right before it
    wrote. If the estate has changed or is gone, the rollback file beside the plan takes its place. The rules of
    'apply' hold here too: the same waiting times, the same budget, and a journal. Policies that the plan created stay,
    without VMs, and are listed; --delete-created deletes them.
    """
    from optimizer.rollout import PlanFiles
    from optimizer.workflow import prepare_rollback, roll_back

    prepared = prepare_rollback(
        PlanFiles.of_journal(journal_file, plan_file, estate_folder),
        cloud,
        resume=writing.resume,
        scope=scope,
        approval=writing.approval,
        commands=commands_for,
        remark=screen.remark,
    )
    _confirm_and_run(screen, prepared, cloud, writing, roll_back)


def exit_code_of(outcome: RunOutcome) -> int:
    """Exit code of ``apply`` and ``rollback``: 1 after an unexpected error, 5 if writes are left, otherwise 0."""
    if outcome.broken:
        return 1
    return 0 if outcome.complete else APPLIED_IN_PART


@contextmanager
def _stopped_midway(prepared: Prepared) -> Iterator[None]:
    """On Ctrl-C, explain how to go on."""
    try:
        yield
    except KeyboardInterrupt as exc:
        way = "go on with --resume"
        if prepared.command == "apply":
            way += ", or undo what was made with 'rollback'"
        raise click.Abort(f"what was written is in {prepared.journal_path}; {way}") from exc


def _confirm_and_run(
    screen: Screen, prepared: Prepared, cloud: AzureCloud, writing: Writing, carry_out: Callable[..., RunOutcome]
) -> None:
    """Show the writes, ask for confirmation, make them, and report the result."""
    from optimizer.report import last_line, outcome_json, render_apply_summary, render_outcome

    if not screen.as_json and not screen.quiet:
        screen.show(render_apply_summary(prepared), "")
    if not writing.yes:
        if not sys.stdin.isatty():
            raise click.UsageError("cannot ask for confirmation (not a terminal): review the summary, then pass --yes")
        if screen.as_json or screen.quiet:  # the summary must be on the screen before the question
            from rich.console import Console

            Console(stderr=True, highlight=False).print(render_apply_summary(prepared), crop=False)
        click.confirm("Write this to Azure?", abort=True, err=True)
    with _stopped_midway(prepared), screen.progress() as progress:
        outcome = carry_out(
            prepared,
            cloud,
            wait=writing.wait,
            guard_request=writing.guard_request,
            progress=progress,
            tell=lambda text: click.echo(printable(text), err=True),
            remark=screen.remark,
        )
    summed_up = last_line(outcome, prepared.command)
    screen.show(render_outcome(outcome, prepared), outcome_json(outcome, prepared), summed_up)
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
    cloud: AzureCloud,
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
    from optimizer.report import last_line, render_watch
    from optimizer.rollout import PlanFiles
    from optimizer.workflow import watch_plan

    files = PlanFiles(plan_file, journal_file, estate_folder)
    seen = watch_plan(files, cloud, deep=deep, remark=screen.remark)
    screen.show(render_watch(seen), seen.model_dump_json(indent=1), last_line(seen))
    if seen.alarms:
        sys.exit(HAS_FINDINGS)

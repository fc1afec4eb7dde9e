"""The command line: parse arguments, call one workflow, show its result, set the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version as distribution_version

import click

from optimizer.cli.emulate import emulate
from optimizer.cli.estate import audit, demo, import_
from optimizer.cli.failures import OUTPUT_FAILED, drop_stdout, report_failure
from optimizer.cli.plan import explain, plan, report
from optimizer.cli.pull import pull
from optimizer.cli.rollout import apply, rehearse, rollback, watch
from optimizer.cli.what_if import what_if
from optimizer.errors import OptimizerError
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock

EXIT_CODES = """
\b
Exit codes:
  0    success
  1    error: the message says what is wrong, where, and what to do
  2    wrong usage: an unknown option, a missing argument, a malformed value
  3    no schedule satisfies the rules
  4    stale plan: the estate or Azure has changed since the plan was made
  5    applied in part: writes are left for --resume
  6    findings: alarms of 'watch', differences of 'rehearse', or parts that
       'pull' could not read
  10   the plan has changes (only with 'plan --detailed-exitcode')
  130  stopped before the end (Ctrl-C)

\b
With --format json an error is also printed to stdout as JSON:
  {"error": {"kind": "usage", "message": "...", "exit_code": 2}}
"""


class OrderedGroup(click.Group):
    """A group that lists its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of their registration."""
        del ctx
        return list(self.commands)


@click.group(
    cls=OrderedGroup,
    epilog=EXIT_CODES,
    context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
)
@click.version_option(distribution_version("backup-schedule-optimizer"), prog_name="backup-optimizer")
def cli() -> None:
    """Find better start times for Azure VM backups, and apply them safely.

    The optimizer reads the CPU and memory history of your VMs and the backup policies of your Recovery Services
    vaults. It spreads the snapshots of each service over time and moves them away from hours in which a VM is usually
    busy. Only 'apply' and 'rollback' write to Azure.

    \b
    The monthly round:
      backup-optimizer pull --subscription ID --out estate
      backup-optimizer audit estate
      backup-optimizer plan estate --out plan.json
      backup-optimizer report plan.json --html report.html
      backup-optimizer rehearse plan.json
      backup-optimizer apply plan.json
      backup-optimizer watch plan.json
    """  # noqa: D301  # click looks for the character, not for its name


for _command in (
    demo,
    pull,
    import_,
    audit,
    plan,
    what_if,
    explain,
    report,
    rehearse,
    apply,
    watch,
    rollback,
    emulate,
):
    cli.add_command(_command)


def main(args: Sequence[str] | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Run the command line. A mistake of the user ends with a message and an exit code, never with a traceback.

    With ``--format json`` stdout gets ``{"error": {"kind": ..., "message": ..., "exit_code": ...}}`` as well.

    Parameters
    ----------
    args
        Arguments after the name of the program; None: those of the process.
    clock
        Clock that every command goes by.
    """
    try:
        code = _run(list(sys.argv[1:] if args is None else args), clock)
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except OSError as exc:
        if exc.errno not in OUTPUT_FAILED:
            raise
        drop_stdout()
        click.echo(
            f"error: the output cannot be written: {exc.strerror}; free some space or write elsewhere", err=True
        )
        code = 1
    if code:
        sys.exit(code)


def _run(args: Sequence[str], clock: Clock) -> int:
    """Run a command, report its failure, and return the exit code."""
    try:
        code = cli.main(list(args), prog_name="backup-optimizer", standalone_mode=False, obj=clock)
    except (click.ClickException, click.Abort, KeyboardInterrupt, OptimizerError) as exc:
        return report_failure(exc, args)
    return int(code or 0)  # click returns the code of an Exit that a command raised

"""The command line: parse, call one workflow, show what it answers, exit with a meaning."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version as distribution_version

import click

from optimizer.cli.emulate import emulate
from optimizer.cli.estate import audit, demo, import_
from optimizer.cli.plan import explain, plan, report
from optimizer.cli.pull import pull
from optimizer.cli.rollout import apply, rehearse, rollback, watch
from optimizer.errors import OptimizerError
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock

EXIT_CODES = """
\b
Exit codes:
  0  done
  1  an error: the message says what, where, which value, what is allowed and what to do
  2  wrong usage
  3  no schedule satisfies the rules
  4  the plan is stale: the estate, or Azure, has changed since
  5  applied in part: the journal says what
  6  finished with findings: alarms of watch, differences of rehearse, a part of a pull that failed
  10 there are changes (plan --detailed-exitcode)
  130 stopped before the end (Ctrl-C)
"""

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Commands(click.Group):
    """The commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of their registration."""
        del ctx
        return list(self.commands)


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(distribution_version("backup-schedule-optimizer"), prog_name="backup-optimizer")
def cli() -> None:
    """Plan when Azure VMs are backed up.

    Out of CPU and memory history and of today's backup policies comes a schedule in which no service has all its VMs
    snapshotted at once and no VM is snapshotted while it is busy.

    \b
    Once a month:
      backup-optimizer pull --subscription ID --out estate
      backup-optimizer audit estate
      backup-optimizer plan estate --out plan.json
      backup-optimizer report plan.json --html report.html
      backup-optimizer rehearse plan.json
      backup-optimizer apply plan.json
      backup-optimizer watch plan.json
    """  # noqa: D301  # click looks for the character, not for its name


for _command in (demo, pull, import_, audit, plan, explain, report, rehearse, apply, watch, rollback, emulate):
    cli.add_command(_command)


def main(args: Sequence[str] | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Run the command line; an error of the user's ends with its exit code and a message, never a traceback.

    Parameters
    ----------
    args
        Arguments after the name of the program; None: those of the process.
    clock
        Clock that every command goes by.
    """
    try:
        cli.main(args, prog_name="backup-optimizer", standalone_mode=False, obj=clock)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt) as exc:
        click.echo(f"stopped before the end{f': {exc}' if str(exc) else ''}", err=True)
        sys.exit(STOPPED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OptimizerError as exc:
        click.echo(f"error: {exc}", err=True)
        sys.exit(exc.exit_code)

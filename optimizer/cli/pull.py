"""The command ``pull``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from optimizer.cli.connect import connection_options
from optimizer.cli.console import NEW_FOLDER, Screen, common_options, example
from optimizer.cli.numbers import WholeNumber

if TYPE_CHECKING:
    from optimizer.azure import AzureCloud
    from optimizer.intake import PullOptions, PullScope

PARTLY_FAILED = 6
"""Exit code: the estate is written, but a part of it could not be pulled."""


def pull_scope(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select the vaults to pull; the command gets a ``PullScope`` as ``scope``."""

    @click.option(
        "--subscription",
        "subscriptions",
        multiple=True,
        metavar="ID",
        help="Pull the vaults of this subscription. Repeatable.",
    )
    @click.option(
        "--management-group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="Pull the vaults of this group. Repeatable.",
    )
    @click.option("--vault", "vaults", multiple=True, metavar="ARM_ID", help="Pull this vault. Repeatable.")
    @wraps(command)
    def with_scope(
        *args: Any, subscriptions: tuple[str, ...], groups: tuple[str, ...], vaults: tuple[str, ...], **kwargs: Any
    ) -> object:
        from optimizer.intake import PullScope

        return command(*args, scope=PullScope(subscriptions, groups, vaults), **kwargs)

    return with_scope


def pull_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that limit the pulled data; the command gets ``PullOptions`` as ``options``."""

    @click.option("--append", is_flag=True, help="Add to an existing estate. Only new data is requested.")
    @click.option(
        "--days", type=WholeNumber(1, 93), default=30, show_default=True, help="Days of load history to pull."
    )
    @click.option(
        "--job-days", type=WholeNumber(1, 93), default=35, show_default=True, help="Days of backup jobs to pull."
    )
    @click.option(
        "--statistic",
        type=click.Choice(["average", "maximum"]),
        default="average",
        show_default=True,
        help="Statistic that the threshold of the rules compares. 'maximum' pulls both averages and maxima.",
    )
    @click.option(
        "--workspace",
        "workspaces",
        multiple=True,
        metavar="ID",
        help="Log Analytics workspace to query for load and jobs that metrics and vaults do not have. Repeatable.",
    )
    @click.option(
        "--concurrency",
        type=WholeNumber(1, 32),
        default=8,
        show_default=True,
        help="Maximum number of requests at a time. Lowered while Azure asks to slow down.",
    )
    @wraps(command)
    def with_options(
        *args: Any,
        append: bool,
        days: int,
        job_days: int,
        statistic: Literal["average", "maximum"],
        workspaces: tuple[str, ...],
        concurrency: int,
        **kwargs: Any,
    ) -> object:
        from optimizer.intake import PullOptions

        options = PullOptions(append, days, job_days, statistic, workspaces, workers=concurrency)
        return command(*args, options=options, **kwargs)

    return with_options


@click.command(
    short_help="Make an estate from Azure.",
    epilog=example(
        "backup-optimizer pull --out estate \\\n"
        "    --subscription 00000000-0000-0000-0000-000000000000\n"
        "backup-optimizer pull --management-group production --days 60 --out estate\n"
        "backup-optimizer pull --management-group production --out estate --append"
    ),
)
@pull_scope
@click.option("--out", type=NEW_FOLDER, required=True, help="Folder to write the estate to.")
@pull_options
@connection_options
@common_options
def pull(screen: Screen, cloud: AzureCloud, scope: PullScope, out: Path, options: PullOptions) -> None:
    """Pull vaults, policies, protected VMs, jobs and load from Azure into an estate folder.

    This command only reads from Azure. To continue a pull that was interrupted, run the same command again. If a
    vault or a VM cannot be read, the rest is still pulled, and the exit code is 6.
    """
    from optimizer.report import last_line, render_pull
    from optimizer.workflow import pull_estate

    with screen.progress() as progress:
        found = pull_estate(scope, out, cloud, options, progress=progress)
    screen.show(*render_pull(found), last_line(found))
    if not found.complete:
        sys.exit(PARTLY_FAILED)

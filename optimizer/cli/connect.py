"""Options of the commands that talk to Azure: which cloud, or an emulator of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from optimizer.cli.console import EXISTING_FILE, current_clock

if TYPE_CHECKING:
    from optimizer.azure import AzureCloud

P = ParamSpec("P")
R = TypeVar("R")

CLOUDS = ("public", "us-government", "china")
"""Keys of :data:`optimizer.azure.CLOUDS`, written again so that --help imports no client."""

SERVICE = ("--cloud", "--emulator", "--ca-file")
"""Options that a command needs to find the same service as another one."""


def connection_options(command: Callable[Concatenate[AzureCloud, P], R]) -> Callable[..., R]:
    """Add ``--cloud``, ``--emulator`` and ``--ca-file``; the command gets an ``AzureCloud`` first."""

    @click.option(
        "--cloud", type=click.Choice(CLOUDS), default="public", show_default=True, help="Azure cloud to use."
    )
    @click.option(
        "--emulator",
        envvar="BACKUP_OPTIMIZER_EMULATOR",
        metavar="URL",
        help="Use the emulator at this address (see 'backup-optimizer emulate') instead of Azure.",
    )
    @click.option(
        "--ca-file",
        envvar="BACKUP_OPTIMIZER_CA_FILE",
        type=EXISTING_FILE,
        help="PEM file of a certificate authority to trust, for the emulator or for your network's proxy.",
    )
    @wraps(command)
    def with_connection(*args: Any, cloud: str, emulator: str | None, ca_file: Path | None, **kwargs: Any) -> R:
        from optimizer.azure import connect

        for library in ("azure", "urllib3"):  # they warn about requests that are repeated anyway, across the bars
            logging.getLogger(library).addHandler(logging.NullHandler())
        azure = connect(cloud, emulator=emulator, ca_file=ca_file, clock=current_clock())
        return command(azure, *args, **kwargs)

    return with_connection

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
    from optimizer.azure.connection import Connection

P = ParamSpec("P")
R = TypeVar("R")

CLOUDS = {
    "public": (
        "https://management.azure.com",
        "metrics.monitor.azure.com",
        "https://api.loganalytics.io/v1",
        "https://login.microsoftonline.com",
    ),
    "us-government": (
        "https://management.usgovcloudapi.net",
        "metrics.monitor.azure.us",
        "https://api.loganalytics.us/v1",
        "https://login.microsoftonline.us",
    ),
    "china": (
        "https://management.chinacloudapi.cn",
        "metrics.monitor.azure.cn",
        "https://api.loganalytics.azure.cn/v1",
        "https://login.chinacloudapi.cn",
    ),
}
"""Endpoints by cloud: Resource Manager, metrics below the region, logs, sign-in."""

SERVICE = ("--cloud", "--emulator", "--ca-file")
"""Options that a command needs to find the same service as another one."""

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}

_INSTANCE = "optimizer.cli.connect.emulator"
"""Key of click's context for the id of the emulator that the running command talks to."""


def connect(cloud: str, emulator: str | None, ca_file: Path | None) -> Connection:
    """Connection to a cloud, or to an emulator on this machine.

    Raises
    ------
    click.BadParameter
        The emulator's address is not one of this machine.
    """
    from optimizer.azure.connection import Connection

    if emulator is None:
        arm, metrics, logs, authority = CLOUDS[cloud]
        return Connection(
            arm,
            "https://{region}." + metrics,
            logs,
            ca_file=ca_file,
            metrics_audience="https://" + metrics,
            authority=authority,
        )
    from optimizer.azure.pipeline import origin_of

    plain = emulator.rstrip("/")
    origin = None if set("/?#") & set(plain.partition("://")[2]) else origin_of(plain)
    if origin is None or origin[0] != "https" or origin[1] not in _LOOPBACK:
        raise click.BadParameter(
            f"{emulator!r} is not the address of an emulator on this machine; allowed: https://127.0.0.1:PORT",
            param_hint="--emulator",
        )
    return Connection.to_emulator(emulator, ca_file)


def go_by_emulator(connection: Connection) -> None:
    """Let the running command go by the time of the emulator that it talks to, and keep its ledger and locks apart.

    An emulator that does not run faster goes by the clock of this machine, as the command does.  A connection to Azure
    leaves the clock and the state folder of this machine in force.
    """
    if not connection.is_emulator:
        return
    from optimizer.azure.emulator_time import emulator_time

    context = click.get_current_context()
    told = emulator_time(connection, current_clock())
    context.obj, context.meta[_INSTANCE] = told.clock, told.instance


def current_state_folder() -> Path:
    """Folder of the ledger and the locks of the running command: one for Azure, and one for each emulator.

    Writes to an emulator thus never count toward the budget of the vaults in Azure that it imitates.
    """
    from optimizer.rollout.ledger import state_folder

    instance: str | None = click.get_current_context().meta.get(_INSTANCE)
    return state_folder() if instance is None else state_folder() / "emulators" / instance


def connection_options(command: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
    """Add ``--cloud``, ``--emulator`` and ``--ca-file``; the command gets a ``Connection`` first."""

    @click.option(
        "--cloud", type=click.Choice(list(CLOUDS)), default="public", show_default=True, help="Azure cloud to use."
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
        for library in ("azure", "urllib3"):  # they warn of what is repeated anyway, across the progress bars
            logging.getLogger(library).addHandler(logging.NullHandler())
        connection = connect(cloud, emulator, ca_file)
        go_by_emulator(connection)
        return command(connection, *args, **kwargs)

    return with_connection

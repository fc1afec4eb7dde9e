"""A cloud as the use cases need it: the clients of one connection, and the clock that goes with them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.azure.connection import Connection
from optimizer.azure.pipeline import origin_of
from optimizer.errors import UsageError
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock

if TYPE_CHECKING:
    from optimizer.azure.reader import AzureBackupReader
    from optimizer.azure.service import AzureBackupService
    from optimizer.intake import PullOptions, PullSource

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

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


@dataclass(frozen=True)
class AzureCloud:
    """Azure, or an emulator of it; an :class:`optimizer.workflow.Cloud`.

    Nothing connects before it is used, and each method opens clients of its own.

    Parameters
    ----------
    connection
        Endpoints and credential.
    clock
        Clock of this machine, or that of the emulator.
    state_folder
        Folder in which all runs on this machine count their writes. None: the usual folder of this user.
    emulator
        Id of the running emulator. Empty: Azure itself.
    """

    connection: Connection = field(default_factory=Connection)
    clock: Clock = SYSTEM_CLOCK
    state_folder: Path | None = None
    emulator: str = ""

    @property
    def polling_seconds(self) -> float:
        """First pause, in seconds, between two looks at an operation for which the service states none."""
        return self.connection.polling_seconds

    def open_source(self, options: PullOptions) -> AbstractContextManager[PullSource]:
        """Open the clients that a pull needs; see :func:`optimizer.azure.pull.azure_source`."""
        from optimizer.azure.pull import azure_source

        return azure_source(
            self.connection,
            concurrency=options.workers,
            statistic=options.statistic,
            workspaces=options.workspaces,
        )

    def reader(self) -> AzureBackupReader:
        """A client that can only read."""
        from optimizer.azure.reader import AzureBackupReader

        return AzureBackupReader(self.connection)

    def service(self) -> AzureBackupService:
        """A client that can also write."""
        from optimizer.azure.service import AzureBackupService

        return AzureBackupService(self.connection)


def connect(
    cloud: str = "public",
    *,
    emulator: str | None = None,
    ca_file: str | Path | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AzureCloud:
    """Choose the cloud that use cases read and write, or an emulator on this machine.

    An emulator is asked for its time, which may pass faster. Azure never sets a clock.

    Parameters
    ----------
    cloud
        Name of an Azure cloud, a key of :data:`CLOUDS`.
    emulator
        Address of an emulator, such as ``https://127.0.0.1:8443``, to use instead of the cloud.
    ca_file
        PEM file of a certificate authority to trust, for the emulator or for a proxy.
    clock
        Clock of this machine.

    Raises
    ------
    UsageError
        There is no such cloud, or the address is not that of an emulator on this machine.
    CloudError
        The emulator cannot be reached, or does not state its time.
    """
    trusted = None if ca_file is None else Path(ca_file)
    if emulator is not None:
        from optimizer.azure.emulator_time import emulator_time

        connection = Connection.to_emulator(_loopback(emulator), trusted)
        time = emulator_time(connection, clock)
        return AzureCloud(connection, time.clock, emulator=time.instance)
    if cloud not in CLOUDS:
        raise UsageError(f"--cloud {cloud!r}: there is no such cloud; allowed: {', '.join(CLOUDS)}")
    arm, metrics, logs, authority = CLOUDS[cloud]
    connection = Connection(
        arm,
        "https://{region}." + metrics,
        logs,
        ca_file=trusted,
        metrics_audience="https://" + metrics,
        authority=authority,
    )
    return AzureCloud(connection, clock)


def _loopback(emulator: str) -> str:
    """Address of an emulator, if it is one of this machine."""
    plain = emulator.rstrip("/")
    origin = None if set("/?#") & set(plain.partition("://")[2]) else origin_of(plain)
    if origin is None or origin[0] != "https" or origin[1] not in _LOOPBACK:
        raise UsageError(
            f"--emulator {emulator!r} is not the address of an emulator on this machine; allowed: "
            "https://127.0.0.1:PORT"
        )
    return plain

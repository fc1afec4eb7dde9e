"""Azure clients for ``pull``, behind the ports of :mod:`optimizer.intake.pull.pull_source`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from optimizer.azure.connection import Connection
from optimizer.azure.discovery import GraphDirectory
from optimizer.azure.limiter import AdaptiveLimiter
from optimizer.azure.logs import Workspaces
from optimizer.azure.machines import MachineFinder
from optimizer.azure.memory import MemorySizes
from optimizer.azure.metrics import MetricsReader, Statistic
from optimizer.azure.reader import AzureBackupReader
from optimizer.azure.traffic import Traffic, watch
from optimizer.intake import PullSource, check_workspaces

Client = TypeVar("Client")

MAX_CONCURRENCY = 32
"""Maximum number of parallel requests, to avoid loading the service."""


@contextmanager
def azure_source(
    connection: Connection, *, concurrency: int = 8, statistic: Statistic = "average", workspaces: Sequence[str] = ()
) -> Iterator[PullSource]:
    """Open the Azure clients that a pull needs, and close them at the end.

    Parameters
    ----------
    connection
        Endpoints and credential.
    concurrency
        Maximum number of parallel requests for load, 1 to 32; fewer while the service asks to slow down.
    statistic
        Statistic to read: ``average``, or ``maximum`` for maxima in addition to averages.
    workspaces
        Ids of Log Analytics workspaces, for load and jobs that metrics and vaults lack.

    Raises
    ------
    ConfigError
        The id of a workspace is not a GUID.
    ValueError
        The concurrency is out of range.
    """
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise ValueError(f"concurrency is {concurrency}; allowed: 1 to {MAX_CONCURRENCY}")
    check_workspaces(workspaces)
    limiter = AdaptiveLimiter(concurrency)
    traffic = Traffic(limiter)
    watched = watch(connection, traffic)
    with ExitStack() as stack:
        graph = stack.enter_context(watched.graph())
        arm = _one_each(watched.backup, stack)
        sizes = MemorySizes(arm)
        metrics = MetricsReader(_one_each(watched.metrics, stack), sizes, limiter, concurrency, statistic)
        stack.callback(metrics.close)
        logs = None
        if workspaces:
            logs = Workspaces(stack.enter_context(watched.logs()), workspaces, maxima=statistic == "maximum")
        yield PullSource(
            directory=GraphDirectory(graph),
            backup=stack.enter_context(AzureBackupReader(watched)),
            metrics=metrics,
            requests=traffic.counts,
            workspace_load=logs,
            workspace_jobs=logs,
            troubles=lambda: dict(sizes.failures),
            find_vm=MachineFinder(arm),
        )


def _one_each(make: Callable[[str], AbstractContextManager[Client]], stack: ExitStack) -> Callable[[str], Client]:
    """Function that creates one client per key for all threads; the stack closes the clients."""
    clients: dict[str, Client] = {}
    lock = threading.Lock()

    def client(key: str) -> Client:
        with lock:
            if key not in clients:
                clients[key] = stack.enter_context(make(key))
            return clients[key]

    return client

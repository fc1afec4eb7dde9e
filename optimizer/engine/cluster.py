"""The engine that uses the workers of a Dask cluster.

This engine uses Dask's own futures instead of joblib's Dask backend. That backend sends the arguments of a task to a
single worker, so the task is lost together with this worker, and it waits forever for a task that Dask has given up.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeAlias

from optimizer.engine.base import NOTHING, Engine, Result, work
from optimizer.errors import EngineError

Client: TypeAlias = Any
"""A ``distributed.Client``. Dask is an optional extra, and much of it has no type annotations."""

Future: TypeAlias = Any
"""A ``distributed.Future``."""

PACKAGE = "backup-schedule-optimizer"

MAX_ROUNDS = 4
"""Maximum number of times that tasks are submitted, if workers die and take results or the shared object with them."""

CONNECT_SECONDS = 10.0
"""Seconds to wait for a scheduler to answer and for its first worker to appear."""

EQUAL_PACKAGES = (PACKAGE, "distributed", "numba", "numpy", "ortools", "polars")
"""Packages whose versions affect what a task computes, or whether it can be sent at all."""


def connect(address: str | None, patience_seconds: float = CONNECT_SECONDS) -> DaskEngine:
    """Join a Dask cluster.

    Parameters
    ----------
    address
        Address of the scheduler. None reads ``DASK_SCHEDULER_ADDRESS``.
    patience_seconds
        Seconds that the scheduler has to answer, and its first worker to appear.

    Raises
    ------
    EngineError
        Dask is not installed, no scheduler address is given, the scheduler does not answer, it has no workers, or the
        workers run other versions than this program.
    """
    address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
    if not address:
        raise EngineError(
            "no address of a Dask scheduler is given; set DASK_SCHEDULER_ADDRESS, or pass the address instead of "
            "'dask', such as tls://scheduler:8786"
        )
    try:
        from distributed import Client as UntypedClient
    except ImportError as exc:
        raise EngineError(
            f"Dask is not installed, and the engine at {address} needs it: pip install '{PACKAGE}[dask]', or use the "
            "engine 'local'"
        ) from exc
    _require_tls_setup(address)
    new_client: Any = UntypedClient
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask warns about other versions; require_equal refuses those that matter
            client: Client = new_client(address, timeout=patience_seconds, set_as_default=False)
    except (OSError, ValueError) as exc:
        raise EngineError(
            f"the Dask scheduler at {address} cannot be reached ({_first_line(exc)}); check that 'dask scheduler' "
            "runs there and that no firewall blocks it, or use the engine 'local'"
        ) from exc
    try:
        _require_workers(client, address, patience_seconds)
        require_equal(client)
    except BaseException:
        client.close()
        raise
    return DaskEngine(client, address)


def _require_tls_setup(address: str) -> None:
    """Refuse an address that does not match Dask's TLS settings.

    Without this check the client would fail only after 20 s, with a traceback.

    Raises
    ------
    EngineError
        The address uses ``tls://`` and certificates are missing, or encryption is required and the address has none.
    """
    from distributed.security import Security

    settings: dict[str, Any] = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    encrypted = address.partition("://")[0] in {"tls", "wss"}
    if encrypted and settings.get("ssl_context") is None:
        raise EngineError(
            f"the Dask scheduler at {address} needs TLS, and the client has no certificate; set "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and ..._CLIENT__KEY "
            "(docs/dask.md)"
        )
    if not encrypted and settings.get("require_encryption"):
        raise EngineError(
            f"Dask's settings require encryption (DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION), and {address} has "
            "none; give the scheduler's address as tls://..."
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _require_workers(client: Client, address: str, patience_seconds: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience_seconds)
    except TimeoutError as exc:
        raise EngineError(
            f"the Dask scheduler at {address} has no workers; start some with 'dask worker {address}' on machines "
            "where this program is installed and the estate can be read"
        ) from exc


def require_equal(client: Client) -> None:
    """Refuse workers whose Python or package versions differ in ways that affect the results.

    Raises
    ------
    EngineError
        Some workers differ; the message lists each of them with its version.
    """
    # These calls use only functions of the standard library, so that a worker without this program can still answer.
    faults = _other_pythons(client.run(platform.python_version))
    for name in EQUAL_PACKAGES:
        faults += _other_versions(name, client.run(version, name, on_error="return"))
    if faults:
        more = f"\n  ... and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise EngineError(
            "the Dask workers have other versions than this program, so results could differ:\n  "
            + "\n  ".join(faults[:10])
            + more
            + f"\ninstall the same versions of {PACKAGE} there and start the workers again"
        )


def _other_pythons(versions: Mapping[str, str]) -> list[str]:
    """Workers whose version of Python differs from that of this process in more than the patch."""
    here = platform.python_version()
    minor = here.split(".")[:2]
    return [
        f"{worker} has Python {other}, this machine has {here}"
        for worker, other in versions.items()
        if other.split(".")[:2] != minor
    ]


def _other_versions(name: str, versions: Mapping[str, object]) -> list[str]:
    """Workers whose version of a package differs from the installed one; an answer that is not text means none."""
    here = _version(name)
    others = {worker: answer if isinstance(answer, str) else None for worker, answer in versions.items()}
    return [
        f"{worker} has {name} {other or '(not installed)'}, this machine has {here or 'none'}"
        for worker, other in others.items()
        if other != here
    ]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


class DaskEngine(Engine):
    """Runs tasks on the workers of a Dask cluster.

    Parameters
    ----------
    client
        Client that is connected to the scheduler; it is closed with the engine.
    address
        Address of the scheduler, used in messages.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._parcel: tuple[object, Future] | None = None

    @property
    def name(self) -> Literal["dask"]:
        """``dask``."""
        return "dask"

    @property
    def num_workers(self) -> int:
        """Number of threads of all workers that are connected now, at least 1."""
        num_threads: int = sum(self._client.nthreads().values())
        return max(1, num_threads)

    @property
    def is_running(self) -> bool:
        """Whether the workers have already started: always true, because the cluster exists before the engine."""
        return True

    def _results(
        self, function: Callable[..., Result], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Result]]:
        left = dict(enumerate(tasks))
        for _ in range(MAX_ROUNDS):
            for index, result in self._run(function, shared, left):
                del left[index]
                yield index, result
            if not left:
                return
            self._parcel = None  # the workers that held the shared object may have died with the tasks
        raise EngineError(
            f"the Dask cluster at {self._address} lost {len(left)} of {len(tasks)} tasks {MAX_ROUNDS} times; read "
            "the logs of its scheduler and workers"
        )

    def _run(
        self, function: Callable[..., Result], shared: object, left: dict[int, Any]
    ) -> Iterator[tuple[int, Result]]:
        """Submit the remaining tasks and yield the results that arrive; tasks lost with a worker yield nothing."""
        from distributed import CancelledError
        from distributed import as_completed as untyped_as_completed

        as_completed: Any = untyped_as_completed
        self._require_scheduler()
        futures = []
        try:
            parcel = NOTHING if shared is NOTHING else self._send(shared)
            for index, task in left.items():
                futures.append(self._client.submit(work, function, parcel, index, task, pure=False))
            for future, answer in as_completed(futures, self._client.loop, with_results=True, raise_errors=False):
                if future.status == "finished":
                    yield answer
                elif future.status == "error":
                    raise self._explain(answer[1])
        except (CancelledError, OSError) as exc:
            self._require_scheduler(exc)  # the scheduler still runs, so a worker died: its tasks are submitted again
        finally:
            with suppress(CancelledError, OSError, TimeoutError):
                self._client.cancel(futures)

    def _send(self, shared: object) -> Future:
        """Copy the shared object to every worker; workers that join later fetch it from one of the others."""
        if self._parcel is None or self._parcel[0] is not shared:
            self._parcel = (shared, self._client.scatter(shared, broadcast=True, hash=False))
        return self._parcel[1]

    def _require_scheduler(self, cause: Exception | None = None) -> None:
        if self._client.status != "running":
            raise EngineError(
                f"the connection to the Dask scheduler at {self._address} was lost; check that it still runs, then "
                "repeat the command"
            ) from cause

    def _explain(self, error: BaseException) -> BaseException:
        """Return the exception to raise for a failed task, with advice if Dask could not run the task."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            explained: BaseException = EngineError(
                f"a task ended the process of every Dask worker that tried it ({error.last_worker.address} was the "
                "last); the usual cause is too little memory: start them with a higher --memory-limit or fewer threads"
            )
        elif isinstance(error, ModuleNotFoundError):
            explained = EngineError(
                f"a Dask worker lacks a Python module ({error}); install the same {PACKAGE} there and start it again"
            )
        else:
            return error
        explained.__cause__ = error
        return explained

    def close(self) -> None:
        """Disconnect from the cluster; its workers keep running."""
        self._parcel = None
        self._client.close()

"""Engines run independent tasks: in this process, in processes on this machine, or on the workers of a Dask cluster.

The choice of engine never changes a result. Every engine returns the same results in the same order, whatever the
number of its workers and even if some of them die.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optimizer.engine.base import Engine, SerialEngine

__all__ = ["SCHEDULER_VARIABLE", "SERIAL", "Engine", "SerialEngine", "open_engine"]

SERIAL = SerialEngine()
"""The engine that runs every task in this process; it has nothing to start or close."""

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Environment variable with the address of the Dask scheduler; Dask reads the same variable."""


@contextmanager
def open_engine(kind: str = "local", *, processes: int | None = None, address: str | None = None) -> Iterator[Engine]:
    """Start or join an engine, and close it at the end of the ``with`` block.

    Parameters
    ----------
    kind
        ``local``: processes on this machine, started when there is work for them. ``dask``: the workers of a Dask
        cluster. The address of a Dask scheduler, such as ``tls://scheduler:8786``, also selects ``dask``.
    processes
        Number of processes, for ``local`` only. None (the default) starts one per core that this process may use; 1
        runs everything in this process.
    address
        Address of the scheduler, for ``dask`` only. None (the default) reads ``DASK_SCHEDULER_ADDRESS``.

    Raises
    ------
    EngineError
        Dask is not installed, no scheduler address is given, the scheduler does not answer, it has no workers, or the
        workers run other versions than this program.
    ValueError
        The kind of engine is unknown, or an option does not belong to it.
    """
    if "://" in kind:
        kind, address = "dask", kind
    engine: Engine
    if kind == "dask":
        if processes is not None:
            raise ValueError("processes is for the engine 'local': the workers of 'dask' are started with Dask")
        from optimizer.engine.cluster import connect

        engine = connect(address)
    elif kind == "local":
        if address is not None:
            raise ValueError("address is for the engine 'dask'")
        from optimizer.engine.local import LocalEngine

        engine = LocalEngine(processes)
    else:
        raise ValueError(f"engine is {kind!r}; allowed: 'local', 'dask' or the address of a Dask scheduler")
    try:
        yield engine
    finally:
        engine.close()

"""Where independent tasks run: in this process, in processes of this machine, or on the workers of a Dask cluster.

What is computed never depends on where: an engine gives back the same results in the same order, however many workers
it has and whichever of them die on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optimizer.engine.base import Engine, SerialEngine

__all__ = ["SCHEDULER_VARIABLE", "SERIAL", "Engine", "SerialEngine", "open_engine"]

SERIAL = SerialEngine()
"""The engine of this process: no other process, nothing to start or to close."""

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
"""Environment variable that names the Dask scheduler, as Dask itself reads it."""


@contextmanager
def open_engine(kind: str = "local", *, processes: int | None = None, address: str | None = None) -> Iterator[Engine]:
    """Start or join an engine, and leave it at the end.

    Parameters
    ----------
    kind
        ``local``: processes of this machine, started when there is work for them.  ``dask``: the workers of a Dask
        cluster.  The address of a Dask scheduler (``tls://scheduler:8786``) stands for ``dask`` there.
    processes
        Of ``local``: how many; None: one per core that this process may use; 1: none but this one.
    address
        Of ``dask``: its scheduler; None: what ``DASK_SCHEDULER_ADDRESS`` says.

    Raises
    ------
    EngineError
        Dask is not installed, no scheduler is named or reached, it has no workers, or these differ from this program.
    ValueError
        There is no such kind of engine, or an option is not for it.
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

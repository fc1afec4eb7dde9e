"""The engine that uses processes on this machine, through joblib."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import joblib  # type: ignore[import-untyped]  # it ships no types

from optimizer.engine.base import NOTHING, Engine, Result, call, work
from optimizer.errors import EngineError

MAX_RESTARTS = 3
"""Maximum number of times that unfinished tasks are given to new processes after a process was killed."""


class LocalEngine(Engine):
    """Runs tasks in processes on this machine, which start with the first call that has more than one task.

    Parameters
    ----------
    processes
        Number of processes. None (the default) uses one per core that this process may use.

    Raises
    ------
    ValueError
        ``processes`` is less than 1.
    """

    def __init__(self, processes: int | None = None) -> None:
        if processes is not None and processes < 1:
            raise ValueError(f"processes is {processes}; allowed: 1 or more")
        self._processes: int = joblib.cpu_count() if processes is None else processes
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._parcel: tuple[object, Path] | None = None
        self._started = False

    @property
    def name(self) -> Literal["local"]:
        """``local``."""
        return "local"

    @property
    def num_workers(self) -> int:
        """Number of processes."""
        return self._processes

    @property
    def is_running(self) -> bool:
        """Whether processes have been started."""
        return self._started

    def _results(
        self, function: Callable[..., Result], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Result]]:
        if self._processes == 1 or len(tasks) < 2:
            yield from ((index, call(function, shared, task)) for index, task in enumerate(tasks))
            return
        from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped]  # as above

        parcel = NOTHING if shared is NOTHING else self._send(shared)
        left = dict(enumerate(tasks))
        for attempt in range(MAX_RESTARTS + 1):
            try:
                for index, result in self._run(function, parcel, left):
                    del left[index]
                    yield index, result
            except BrokenProcessPool as exc:
                if attempt == MAX_RESTARTS:
                    raise EngineError(
                        f"a worker process was killed {attempt + 1} times, and {len(left)} of {len(tasks)} tasks are "
                        f"not done; the usual cause is too little memory for {self._processes} processes: pass a "
                        "smaller number with --processes, or add memory"
                    ) from exc
            else:
                return

    def _run(
        self, function: Callable[..., Result], parcel: object, left: dict[int, Any]
    ) -> Iterator[tuple[int, Result]]:
        self._started = True
        with joblib.parallel_config(backend="loky", n_jobs=self._processes, inner_max_num_threads=1):
            parallel = joblib.Parallel(return_as="generator_unordered")
        calls = [joblib.delayed(_work)(function, parcel, index, task) for index, task in left.items()]
        yield from parallel(calls)

    def _send(self, shared: object) -> Path:
        """Write the shared object to a file, from which every process maps its arrays instead of copying them."""
        if self._parcel is not None and self._parcel[0] is shared:
            return self._parcel[1]
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="backup-optimizer-", ignore_cleanup_errors=True)
        number = 0
        if self._parcel is not None:
            number = int(self._parcel[1].stem) + 1
            with suppress(OSError):  # on Windows a process may still map it; close() removes the folder
                self._parcel[1].unlink()
        path = Path(self._folder.name) / f"{number}.pickle"
        joblib.dump(shared, path)
        self._parcel = (shared, path)
        return path

    def close(self) -> None:
        """Stop the processes and remove the files written for them."""
        if self._started:
            from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]  # as above

            get_reusable_executor().shutdown(wait=True, kill_workers=True)
            self._started = False
        self._parcel = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _work(function: Callable[..., Result], parcel: object, index: int, task: object) -> tuple[int, Result]:
    """Run one task in a process that reads the shared object from a file."""
    shared = _open_shared(parcel) if isinstance(parcel, Path) else parcel
    return work(function, shared, index, task)


@lru_cache(maxsize=1)
def _open_shared(path: Path) -> object:
    """Load the shared object, and keep it until another one is loaded.

    Arrays are mapped copy-on-write, so that only the parts a task writes to are copied.
    """
    return joblib.load(path, mmap_mode="c")

"""The interface of every engine, and the engine that runs tasks in this process."""

from __future__ import annotations

import os
import pickle
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypeVar, overload

from optimizer.errors import EngineError
from optimizer.ports import Progress, no_progress

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
"""Variables that these libraries read when they start. joblib and Dask set the variables of the numeric libraries
below them."""


class Nothing(Enum):
    """Type of the marker for "no shared object": an enum, because its member keeps its identity through pickle."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING


class Engine(ABC):
    """Runs independent tasks.

    Functions must be defined at module level, tasks and results must be picklable, and what a function returns must
    depend on its arguments alone. Then the results depend neither on the number of workers nor on which of them die.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the engine as users know it: ``serial``, ``local`` or ``dask``."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Number of tasks that run at the same time, at least 1."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether the workers have already started, so that even small work is worth sending to them."""

    @overload
    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], *, label: str = ..., progress: Progress = ...
    ) -> list[Result]: ...

    @overload
    def map(
        self,
        function: Callable[[Shared, Task], Result],
        tasks: Sequence[Task],
        *,
        shared: Shared,
        label: str = ...,
        progress: Progress = ...,
    ) -> list[Result]: ...

    def map(
        self,
        function: Callable[..., Result],
        tasks: Sequence[Any],
        *,
        shared: object = NOTHING,
        label: str = "",
        progress: Progress = no_progress,
    ) -> list[Result]:
        """Call a function once per task.

        Parameters
        ----------
        function
            Called with a task, or with ``shared`` and a task if ``shared`` is given.
        tasks
            The tasks. Keep each one small: every task is sent separately.
        shared
            Object that all tasks need. Each worker receives it once, also when several calls pass the same object. No
            task may change it.
        label
            Stage under which progress is reported; by default, progress is not reported.
        progress
            Called after every task.

        Returns
        -------
        list
            The results in the order of the tasks.

        Raises
        ------
        EngineError
            Workers kept dying, or the connection to the cluster was lost.
        Exception
            Whatever a task raised, unchanged.
        """
        results: dict[int, Result] = {}
        report = progress if label else no_progress
        report(label, 0, len(tasks))
        for index, result in self._results(function, tasks, shared):
            results[index] = result
            report(label, len(results), len(tasks))
        return [results[index] for index in range(len(tasks))]

    @abstractmethod
    def _results(
        self, function: Callable[..., Result], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Result]]:
        """Yield the index and the result of each task, in any order."""

    def close(self) -> None:  # noqa: B027  # most engines have something to close; the one in this process does not
        """Stop what the engine started; the engine cannot be used afterwards."""


class SerialEngine(Engine):
    """Runs one task after the other in this process."""

    @property
    def name(self) -> Literal["serial"]:
        """``serial``."""
        return "serial"

    @property
    def num_workers(self) -> int:
        """Number of tasks at a time: always 1."""
        return 1

    @property
    def is_running(self) -> bool:
        """Whether the engine runs: always true."""
        return True

    def _results(
        self, function: Callable[..., Result], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Result]]:
        for index, task in enumerate(tasks):
            yield index, call(function, shared, task)


def call(function: Callable[..., Result], shared: object, task: object) -> Result:
    """Call a function with its task, preceded by the shared object if there is one."""
    return function(task) if shared is NOTHING else function(shared, task)


def work(function: Callable[..., Result], shared: object, index: int, task: object) -> tuple[int, Result]:
    """Run one task in a worker, with one thread per library, and raise only errors that can be pickled.

    Raises
    ------
    EngineError
        The task raised an exception that cannot be sent between processes; the message keeps its text.
    Exception
        Whatever the task raised.
    """
    limit_threads()
    try:
        return index, call(function, shared, task)
    except Exception as exc:
        if not _travels(exc):
            raise EngineError(f"a task failed with {type(exc).__name__}: {exc}") from None
        raise


def limit_threads() -> None:
    """Limit the numeric libraries of a worker to one thread, because each core already has a worker."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(1)


def _travels(error: Exception) -> bool:
    """Whether an exception survives pickle; one that does not would look like a worker that died."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301  # pickled just now
    except Exception:  # noqa: BLE001  # a constructor that lacks arguments may raise anything
        return False

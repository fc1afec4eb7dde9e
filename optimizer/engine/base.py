"""What every engine promises, and the engine of this process."""

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
"""Read when these libraries start; what the numeric libraries below them read, joblib and Dask set themselves."""


class Nothing(Enum):
    """No shared object; an enumeration, because its member stays itself through pickle."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING


class Engine(ABC):
    """Runs independent tasks.

    Functions are those of modules, tasks and results can be pickled, and what a function returns depends on its
    arguments alone: then the results depend neither on the number of workers nor on which of them die.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What a person calls it: ``serial``, ``local``, ``dask``."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Tasks that run at the same time, at least 1."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether the workers are there already, so that small work is worth sending to them as well."""

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
        """Call a function for every task.

        Parameters
        ----------
        function
            Called with a task, or with ``shared`` and a task where there is something shared.
        tasks
            The tasks; small, for each is sent on its own.
        shared
            What all tasks need; sent to a worker once, also for several calls with the very same object.  Nobody
            changes it.
        label
            Stage under which progress is reported; empty: none is.
        progress
            Told after every task.

        Returns
        -------
        list
            The results in the order of the tasks.

        Raises
        ------
        EngineError
            Workers went on dying, or the cluster was lost.
        Exception
            What a task raised, as it is.
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
        """Number and result of each task, in any order."""

    def close(self) -> None:  # noqa: B027  # most engines have something to close, the one of this process does not
        """Stop what was started; the engine is of no use after that."""


class SerialEngine(Engine):
    """One task after the other in this process."""

    @property
    def name(self) -> Literal["serial"]:
        """``serial``."""
        return "serial"

    @property
    def num_workers(self) -> int:
        """One."""
        return 1

    @property
    def is_running(self) -> bool:
        """Always."""
        return True

    def _results(
        self, function: Callable[..., Result], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Result]]:
        for index, task in enumerate(tasks):
            yield index, call(function, shared, task)


def call(function: Callable[..., Result], shared: object, task: object) -> Result:
    """Call a function with its task, and with what is shared where there is something."""
    return function(task) if shared is NOTHING else function(shared, task)


def work(function: Callable[..., Result], shared: object, index: int, task: object) -> tuple[int, Result]:
    """Do one task in a worker: one thread for the libraries, and an error that survives the way back.

    Raises
    ------
    EngineError
        The task raised something that cannot be sent between processes; its text is kept.
    Exception
        What the task raised.
    """
    limit_threads()
    try:
        return index, call(function, shared, task)
    except Exception as exc:
        if not _travels(exc):
            raise EngineError(f"a task failed with {type(exc).__name__}: {exc}") from None
        raise


def limit_threads() -> None:
    """Keep numeric libraries of a worker to one thread: there is a worker for every core."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(1)


def _travels(error: Exception) -> bool:
    """Whether an exception survives pickle: one that does not would look like a worker that died."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301  # what was written the moment before
    except Exception:  # noqa: BLE001  # a class may raise anything when it is called with less than it needs
        return False

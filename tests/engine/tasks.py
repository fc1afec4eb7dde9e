"""Tasks that workers find by name, and estates whose readers are killed on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.engine import Engine
from optimizer.estate.folder import Estate
from optimizer.estate.load_store import LoadStore
from optimizer.model.load import DayLoad
from optimizer.risk.table import RiskTable


class FussyError(Exception):
    """An error that cannot be sent: pickle cannot write its lock, and could not read it without both arguments."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} because {why}")
        # Missing arguments alone are not enough where Distributed is loaded: its tblib reads such errors.
        self.lock = threading.Lock()


def double(task: int) -> int:
    return 2 * task


def scale(shared: npt.NDArray[np.float64], task: float) -> float:
    return float(shared.sum()) * task


def shift_in_place(shared: npt.NDArray[np.float64], task: float) -> float:
    shared += task
    return float(shared[0])


def process_and_threads(task: float) -> tuple[int, str | None, str | None]:
    time.sleep(task)
    return os.getpid(), os.environ.get("NUMBA_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS")


def refuse(task: int) -> int:
    raise ValueError(f"task {task} is refused")


def be_fussy(task: int) -> int:
    raise FussyError(f"task {task}", "of a comma")


def die(task: int) -> int:
    del task
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives")


def light(flag: Path) -> bool:
    """Whether the caller is the first who comes here."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass(frozen=True)
class DeadlyLoad:
    """Load whose first reader of one day is killed in the middle of its work."""

    store: LoadStore
    day: date
    flag: Path

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        return self.store.dates()

    def read_day(self, day: date) -> DayLoad:
        """Load of one day, for whoever lives to read it."""
        if day == self.day and light(self.flag):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.store.read_day(day)


class DeadlyEstate(Estate):
    """An estate with a :class:`DeadlyLoad`."""

    def __init__(self, estate: Estate, flag: Path) -> None:
        super().__init__(estate.path, estate.document)
        self._flag = flag

    @cached_property
    def load(self) -> DeadlyLoad:  # type: ignore[override]
        """History of load."""
        store = LoadStore(self.path, self.document.load)
        return DeadlyLoad(store, store.dates()[9], self._flag)


def content(table: RiskTable) -> list[bytes]:
    """Every bit of a table."""
    return [array.tobytes() for array in (table.risk, table.today, table.credit)]


def call_unless_first(flag: Path, function: Callable[..., Any], task: Any) -> Any:
    if light(flag):
        os.kill(os.getpid(), signal.SIGKILL)
    return function(task)


@dataclass(frozen=True)
class DeadlyEngine(Engine):
    """An engine that kills the process of the first task which any of its calls has."""

    engine: Engine
    flag: Path

    @property
    def name(self) -> str:
        """That of the engine behind it."""
        return self.engine.name

    @property
    def num_workers(self) -> int:
        """Those of the engine behind it."""
        return self.engine.num_workers

    @property
    def is_running(self) -> bool:
        """Whether the engine behind it is."""
        return self.engine.is_running

    def map(self, function: Callable[..., Any], tasks: Sequence[Any], **more: Any) -> list[Any]:  # type: ignore[override]
        """Call a function for every task."""
        return self.engine.map(partial(call_unless_first, self.flag, function), tasks, **more)

    def _results(self, *_: object) -> Iterator[tuple[int, Any]]:
        raise AssertionError("map goes to the engine behind")

"""What all engines share: the order of results, the shared object, and errors that can be sent between processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from optimizer.engine import Engine, SerialEngine
from optimizer.engine.base import NOTHING, THREAD_VARIABLES, call, limit_threads, work
from optimizer.errors import EngineError
from tests.engine import tasks


class LastFirst(SerialEngine):
    """An engine whose workers finish in the opposite order."""

    def _results(
        self, function: Callable[..., Any], tasks: Sequence[Any], shared: object
    ) -> Iterator[tuple[int, Any]]:
        for index in reversed(range(len(tasks))):
            yield index, call(function, shared, tasks[index])


@pytest.fixture
def own_variables() -> Iterator[None]:
    """Keep what a worker does to its environment out of the other tests."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.mark.parametrize("engine", [SerialEngine(), LastFirst()], ids=["first first", "last first"])
def test_results_come_in_the_order_of_the_tasks(engine: Engine) -> None:
    """Whatever the order in which tasks end; progress counts the tasks that have ended."""
    reported: list[tuple[str, int, int]] = []

    def report(stage: str, done: int, total: int, note: str = "") -> None:
        del note
        reported.append((stage, done, total))

    assert engine.map(tasks.double, [1, 2, 3], label="doubling", progress=report) == [2, 4, 6]
    assert reported == [("doubling", done, 3) for done in range(4)]
    reported.clear()
    assert engine.map(tasks.double, [], progress=report) == []
    assert reported == []


def test_none_is_a_shared_object_and_nothing_is_not() -> None:
    """A function gets the shared object before its task only if there is one, and None is one."""
    assert call(lambda *given: given, NOTHING, 1) == (1,)
    assert call(lambda *given: given, None, 1) == (None, 1)


@pytest.mark.usefixtures("own_variables")
def test_an_error_that_cannot_be_sent_is_translated() -> None:
    """Other errors are raised unchanged; a worker that sent this one would seem to have died."""
    assert work(tasks.double, NOTHING, 7, 2) == (7, 4)
    with pytest.raises(EngineError, match="a task failed with FussyError"):
        work(tasks.be_fussy, NOTHING, 0, 1)
    with pytest.raises(ValueError, match="1"):
        work(tasks.refuse, NOTHING, 0, 1)


@pytest.mark.usefixtures("own_variables")
def test_a_worker_uses_one_thread_for_each_library() -> None:
    """Numbers of threads that are set already are kept."""
    first, second = THREAD_VARIABLES
    os.environ[first] = "3"
    os.environ.pop(second, None)
    limit_threads()
    assert (os.environ[first], os.environ[second]) == ("3", "1")


def test_this_process_is_one_worker_that_always_runs() -> None:
    """The serial engine has nothing to start or close."""
    engine = SerialEngine()
    engine.close()
    assert (engine.name, engine.num_workers, engine.is_running) == ("serial", 1, True)

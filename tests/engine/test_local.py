"""Processes of this machine: the same results as without them, whatever happens to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from optimizer.engine import SERIAL, Engine, open_engine
from optimizer.errors import EngineError
from optimizer.estate.folder import Estate
from optimizer.plan import prepare
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from tests.engine import tasks
from tests.plan.estates import imported_estate
from tests.solve.examples import PART_VMS, vaults_that_share_services

MANY = list(range(12))


@pytest.fixture(scope="module")
def two() -> Iterator[Engine]:
    """Two processes, running."""
    with open_engine("local", processes=2) as engine:
        engine.map(tasks.double, MANY)
        yield engine


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """40 VMs and three weeks, in eight blocks."""
    return imported_estate(tmp_path_factory.mktemp("estate"))


def test_results_come_in_the_order_of_the_tasks(two: Engine) -> None:
    """Whichever process ends first, result i is that of task i; no tasks give no results."""
    assert two.map(tasks.double, MANY) == SERIAL.map(tasks.double, MANY) == [2 * task for task in MANY]
    assert two.map(tasks.double, []) == []


def test_work_is_done_by_as_many_processes_as_were_asked_for(two: Engine) -> None:
    """Two processes other than this one do the work, their libraries held to one thread; one process is this one."""
    done = two.map(tasks.process_and_threads, [0.2] * 4)
    assert len({process for process, _, _ in done} - {os.getpid()}) == 2
    assert {threads for _, *threads in map(list, done) for threads in threads} == {"1"}
    with open_engine("local", processes=1) as engine:
        assert [process for process, _, _ in engine.map(tasks.process_and_threads, [0.0, 0.0])] == [os.getpid()] * 2


def test_a_shared_object_reaches_every_task(two: Engine) -> None:
    """Tasks get it as first argument, another one in the next call; what a task writes to it stays in its process."""
    for size in (10, 200_000):
        shared = np.arange(size, dtype=np.float64)
        assert two.map(tasks.scale, [1.0, 2.0, 3.0], shared=shared) == [shared.sum() * task for task in (1, 2, 3)]
        two.map(tasks.shift_in_place, [1.0, 1.0, 1.0], shared=shared)
        assert shared[0] == 0
    assert SERIAL.map(tasks.scale, [2.0], shared=shared) == [2 * shared.sum()]


def test_progress_is_told_after_every_task(two: Engine) -> None:
    """With a label, progress hears of every task that is done; without, of none."""
    heard: list[tuple[str, int, int]] = []
    two.map(tasks.double, MANY, label="double", progress=lambda *told: heard.append(told))
    assert heard == [("double", done, len(MANY)) for done in range(len(MANY) + 1)]
    two.map(tasks.double, MANY, progress=lambda *told: heard.append(told))
    assert len(heard) == len(MANY) + 1


@pytest.mark.parametrize("kind", ["serial", "local"])
def test_what_a_task_raises_is_raised(two: Engine, kind: str) -> None:
    """An error of a task is that of the whole, of the same class, and the engine goes on after it."""
    engine = two if kind == "local" else SERIAL
    with pytest.raises(ValueError, match=r"task \d+ is refused"):
        engine.map(tasks.refuse, MANY)
    assert engine.map(tasks.double, MANY) == [2 * task for task in MANY]


def test_an_error_that_does_not_travel_is_told(two: Engine) -> None:
    """An exception that pickle cannot read back would look like a death: its name and text are told instead."""
    with pytest.raises(EngineError, match=r"a task failed with FussyError: task \d+ because of a comma"):
        two.map(tasks.be_fussy, MANY)


@pytest.mark.thorough
def test_a_task_that_kills_every_process_ends_with_a_reason() -> None:
    """After three fresh starts it is said how much is not done, and what mostly is the cause."""
    with (
        open_engine("local", processes=2) as engine,
        pytest.raises(EngineError, match="killed 4 times, and 2 of 2 tasks are not done; the usual cause is"),
    ):
        engine.map(tasks.die, [1, 2])


def test_the_risk_is_the_same_from_two_processes(two: Engine, estate: Estate) -> None:
    """One process and two give the same table, bit by bit."""
    expected = tasks.content(prepare(estate).table)
    with open_engine("local", processes=1) as one:
        assert tasks.content(prepare(estate, engine=one).table) == expected
    heard: list[tuple[int, int]] = []
    case = prepare(estate, engine=two, progress=lambda _stage, done, total, _note="": heard.append((done, total)))
    assert tasks.content(case.table) == expected
    assert heard[-1] == (8, 8), "eight blocks are eight tasks"


def test_a_killed_process_costs_nothing_but_time(two: Engine, estate: Estate, tmp_path: Path) -> None:
    """One of two processes is killed midway: a fresh pair does what is left, and the table is the same."""
    deadly = tasks.DeadlyEstate(estate, tmp_path / "flag")
    assert tasks.content(prepare(deadly, engine=two).table) == tasks.content(prepare(estate).table)
    assert (tmp_path / "flag").exists(), "nobody was killed"


@pytest.mark.thorough
def test_a_plan_of_parts_is_the_same(two: Engine, tmp_path: Path) -> None:
    """Parts of a large instance searched by one process, by two, and by two of which one is killed: the same plan."""
    instance = vaults_that_share_services().instance()
    expected = solve(instance, Search(effort=2, part_vms=PART_VMS))
    for engine in (two, tasks.DeadlyEngine(two, tmp_path / "flag")):
        found = solve(instance, Search(effort=2, part_vms=PART_VMS), engine=engine)
        assert isinstance(found, Solved)
        np.testing.assert_array_equal(found.options, expected.options)
        assert found.bound == expected.bound
    assert (tmp_path / "flag").exists(), "nobody was killed"


def test_small_work_starts_no_processes(estate: Estate) -> None:
    """Where starting processes would take longer than the work, the work is done here."""
    with open_engine("local", processes=2) as engine:
        prepare(estate, engine=engine)
        assert not engine.is_running


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("ray", {}, "engine is 'ray'; allowed: 'local', 'dask' or the address"),
        ("local", {"processes": 0}, "processes is 0; allowed: 1 or more"),
        ("local", {"address": "tcp://scheduler:8786"}, "address is for the engine 'dask'"),
        ("dask", {"processes": 2}, "processes is for the engine 'local'"),
    ],
)
def test_an_engine_that_makes_no_sense_is_refused(kind: str, options: dict[str, object], message: str) -> None:
    """A caller that mixes up engines and their options is told what is allowed."""
    with pytest.raises(ValueError, match=message), open_engine(kind, **options):  # type: ignore[arg-type]
        pass

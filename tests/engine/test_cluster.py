"""A Dask cluster with a scheduler and two worker processes of its own."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from dask import config

from optimizer.documents.plan_document import PlanDocument
from optimizer.engine import SERIAL, Engine, open_engine
from optimizer.engine.cluster import PACKAGE, connect, require_equal
from optimizer.errors import EngineError
from optimizer.estate.folder import Estate, open_estate
from optimizer.plan import prepare
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.workflow import make_plan
from tests.cli.command_line import run, run_process
from tests.engine import tasks
from tests.engine.cluster import start_scheduler, start_workers
from tests.plan.estates import imported_estate
from tests.solve.examples import PART_VMS, vaults_that_share_services

MANY = list(range(12))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler with two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    with start_scheduler(folder) as place, start_workers(folder, place, 2):
        yield place


@pytest.fixture(scope="module")
def engine_of_module(address: str) -> Iterator[Engine]:
    """An engine on these workers."""
    with open_engine(address) as engine:
        yield engine


@pytest.fixture
def dask(engine_of_module: Engine) -> Engine:
    """The engine, once both workers are there: where one is, the risk is worked out in this process.

    Dask replaces a worker that an earlier test killed, which takes a moment.
    """
    while engine_of_module.num_workers < 2:
        time.sleep(0.05)
    return engine_of_module


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """40 VMs and three weeks."""
    return imported_estate(tmp_path_factory.mktemp("estate"))


def test_workers_give_what_this_process_gives(dask: Engine) -> None:
    """Results come in the order of the tasks, with and without something shared, in the first call and in the next."""
    shared = np.arange(200_000, dtype=np.float64)
    assert dask.map(tasks.double, MANY) == [2 * task for task in MANY]
    for _ in range(2):
        assert dask.map(tasks.scale, MANY, shared=shared) == SERIAL.map(tasks.scale, MANY, shared=shared)
    assert dask.map(tasks.double, []) == []


def test_what_a_task_raises_is_raised(dask: Engine) -> None:
    """An error of a task on a worker is raised here, of the same class."""
    with pytest.raises(ValueError, match=r"task \d+ is refused"):
        dask.map(tasks.refuse, MANY)


def test_the_risk_and_the_plan_are_the_same(dask: Engine, estate: Estate) -> None:
    """Two workers give the same table, bit by bit, and the same plan but for its times."""
    assert dask.num_workers == 2
    assert tasks.content(prepare(estate, engine=dask).table) == tasks.content(prepare(estate).table)
    assert timeless(make_plan(estate, effort=2, engine=dask)) == timeless(make_plan(estate, effort=2))


@pytest.mark.thorough
def test_a_plan_of_parts_is_the_same(dask: Engine, tmp_path: Path) -> None:
    """A large instance is cut into parts that two workers search, one of which is killed midway: the same plan."""
    instance = vaults_that_share_services().instance()
    expected = solve(instance, Search(effort=2, part_vms=PART_VMS))
    for engine in (dask, tasks.DeadlyEngine(dask, tmp_path / "flag")):
        found = solve(instance, Search(effort=2, part_vms=PART_VMS), engine=engine)
        assert isinstance(found, Solved)
        np.testing.assert_array_equal(found.options, expected.options)
        assert found.bound == expected.bound
    assert (tmp_path / "flag").exists(), "nobody was killed"


def timeless(plan: PlanDocument) -> dict[str, object]:
    found = plan.model_dump(exclude={"created_at": True, "summary": {"seconds"}})
    assert isinstance(found, dict)
    return found


def test_a_killed_worker_costs_nothing_but_time(dask: Engine, estate: Estate, tmp_path: Path) -> None:
    """One of the two workers is killed midway, with what was shared and what it had done: the table is the same."""
    deadly = tasks.DeadlyEstate(estate, tmp_path / "flag")
    assert tasks.content(prepare(deadly, engine=dask).table) == tasks.content(prepare(estate).table)
    assert (tmp_path / "flag").exists(), "nobody was killed"


@pytest.mark.thorough
def test_a_task_that_kills_every_worker_ends_with_a_reason(dask: Engine) -> None:
    """Dask gives up a task that kills its workers: which was the last is said, and what mostly is the cause."""
    with pytest.raises(EngineError, match=r"ended the process of every Dask worker that tried it \(tcp://.*memory"):
        dask.map(tasks.die, [1])
    assert dask.map(tasks.double, MANY) == [2 * task for task in MANY]


@pytest.mark.thorough
def test_the_command_line_uses_a_cluster(address: str, estate: Estate) -> None:
    """``--engine tcp://...`` and a URL as estate give the same audit as this process with a folder."""
    here = run("audit", estate.path, "--format", "json", "--processes", 1)
    there = run("audit", estate.path.absolute().as_uri(), "--format", "json", "--engine", address)
    assert there.code == 0, there.err
    assert json.loads(there.out) == json.loads(here.out)


def test_an_estate_in_memory_is_read_here(dask: Engine, estate: Estate) -> None:
    """What lies in the memory of this process is not looked for in that of a worker."""
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(estate.path), "/test-cluster/estate", recursive=True)
    opened = open_estate("memory://test-cluster/estate")
    assert tasks.content(prepare(opened, engine=dask).table) == tasks.content(prepare(estate).table)


def test_a_scheduler_without_workers_is_refused(tmp_path: Path) -> None:
    """It is said that there are no workers, and how one starts some."""
    with (
        start_scheduler(tmp_path) as place,
        pytest.raises(EngineError, match=f"at {place} has no workers; start some with 'dask worker {place}'"),
    ):
        connect(place, patience_seconds=0.5)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("tcp://127.0.0.1:1", "the Dask scheduler at tcp://127.0.0.1:1 cannot be reached .* 'dask scheduler' runs"),
        ("carrier-pigeon://roof", "cannot be reached .*carrier-pigeon"),
        ("", "no address of a Dask scheduler is given; set DASK_SCHEDULER_ADDRESS"),
        ("tls://127.0.0.1:1", "needs TLS, and the client has no certificate; set DASK_DISTRIBUTED__COMM__TLS"),
    ],
)
def test_a_scheduler_that_is_not_there_is_told(place: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No address, one of a strange kind, and one where nobody answers: each with what to do."""
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(EngineError, match=message):
        connect(place, patience_seconds=0.5)


def test_required_encryption_is_not_given_up() -> None:
    """Where Dask's settings require encryption, an address without it is refused before anything is sent."""
    with (
        config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(EngineError, match=r"require encryption .* tcp://127.0.0.1:1 has none; .* as tls://"),
    ):
        connect("tcp://127.0.0.1:1", patience_seconds=0.5)


def test_without_dask_the_extra_is_named(estate: Estate) -> None:
    """Where Dask is not installed, ``--engine dask`` says what to install, without a traceback."""
    command = ("audit", estate.path, "--engine", "tcp://scheduler:8786")
    answer = run_process(*command, before="sys.modules['distributed'] = None")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: Dask is not installed")
    assert f"pip install '{PACKAGE}[dask]'" in answer.err


class Worker:
    """A client of one worker, with a Python and packages of its own."""

    def __init__(self, python: str = "", **packages: str | None) -> None:
        self._python = python or platform.python_version()
        self._packages = packages

    def run(self, function: Callable[..., object], *args: str, **options: str) -> dict[str, object]:
        """Ask the worker."""
        del options
        if function is platform.python_version:
            return {"tcp://10.0.0.5:4711": self._python}
        (name,) = args
        found = self._packages.get(name.replace("-", "_"), version(name))
        return {"tcp://10.0.0.5:4711": PackageNotFoundError(name) if found is None else found}


def test_workers_that_differ_are_refused() -> None:
    """Another Python, another numpy, no program at all: each is named with worker and both versions."""
    require_equal(Worker())
    with pytest.raises(EngineError, match=r"tcp://10.0.0.5:4711 has Python 3.9.1, this machine has 3"):
        require_equal(Worker("3.9.1"))
    with pytest.raises(EngineError, match=f"has numpy 1.26.4, this machine has {np.__version__}.*\ninstall the same"):
        require_equal(Worker(numpy="1.26.4"))
    with pytest.raises(EngineError, match=rf"has {PACKAGE} \(not installed\), this machine has "):
        require_equal(Worker(backup_schedule_optimizer=None))

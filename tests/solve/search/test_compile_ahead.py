"""The first run after an installation, in which a second process compiles half of the functions."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.solve.search.compile_ahead import SecondCompiler, main
from tests.solve.search.test_solver import fleet

FIRST_RUN = """
import json, pickle, sys
from pathlib import Path
from numba.core import event

compiled = []
class Listener(event.Listener):
    def on_start(self, one):
        compiled.append(one.data["dispatcher"].py_func.__name__)
    def on_end(self, one):
        pass
event.register("numba:compile", Listener())

from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solver import solve
result = solve(pickle.loads(Path(sys.argv[1]).read_bytes()), Search(effort=1))
print(json.dumps({"compiled": compiled, "bound": result.bound}))
"""


def first_run(folder: Path) -> dict[str, object]:
    """Solve in a process of its own, with its own cache and its own folder for temporary files."""
    cache, temporary, instance = folder / "cache", folder / "temporary", folder / "instance.pickle"
    for path in (cache, temporary):
        path.mkdir(exist_ok=True)
    instance.write_bytes(pickle.dumps(fleet(20).instance()))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", FIRST_RUN, str(instance)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert list(temporary.iterdir()) == []
    return dict(json.loads(done.stdout))


@pytest.mark.thorough
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one processor, one process compiles everything")
def test_the_first_run_leaves_half_to_a_second_process(tmp_path: Path) -> None:
    """The search is compiled here, the bound elsewhere; the next run compiles nothing and finds the same."""
    first, second = first_run(tmp_path), first_run(tmp_path)
    names = first["compiled"]
    assert isinstance(names, list)
    assert "_anneal" in names
    assert "evaluate_dual" not in names
    assert second["compiled"] == []
    assert first["bound"] == second["bound"]


def test_the_second_process_reads_a_problem(tmp_path: Path) -> None:
    """It takes steps of the bound of a pickled problem."""
    path = tmp_path / "instance.pickle"
    path.write_bytes(pickle.dumps(fleet(5).instance()))
    main(path)


def test_nothing_is_started_where_all_is_compiled() -> None:
    """A second run neither starts a process nor leaves a file, and does not wait."""
    instance = fleet(5).instance()
    with SecondCompiler(instance):
        pass
    with SecondCompiler(instance) as again:
        again.wait()
        assert again._process is None
        assert again._path is None

"""The benchmark of the solver: its arms, what it makes of them, and that nothing of an arm is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings

from optimizer.solve.problem.cost import evaluate, is_feasible
from tests.benchmarks.measured import Limits, run_measured
from tests.benchmarks.solver import ARM_NAMES, result_of
from tests.benchmarks.solver_arms import ARMS, Trajectory, read_note
from tests.benchmarks.solver_mip import MixedIntegerProgram
from tests.benchmarks.solver_tables import check, cost_after, judge, scaling, summarize, to_markdown
from tests.solve.examples import Problem, best_of_all, problems

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS = 6


@pytest.mark.parametrize(
    ("note", "figures"),
    [
        ("bound 12.30", (None, 12.3)),
        ("cost 45.60", (45.6, None)),
        ("cost 1,345.60, bound -1.5, captured 99.5 %", (1345.6, -1.5)),
        ("bound 7, cost 8, vault 3 of 4", (8.0, 7.0)),
        ("3 of 40 neighborhoods", (None, None)),
    ],
)
def test_notes_are_read_whatever_is_around_them(note: str, figures: tuple[float | None, float | None]) -> None:
    """Cost and bound are found in short notes of progress and in longer ones."""
    assert read_note(note) == figures


def test_a_trajectory_tells_what_became_better(capsys: pytest.CaptureFixture[str]) -> None:
    """The best cost and bound so far are printed, and nothing for a report that brings no better ones."""
    trajectory = Trajectory()
    trajectory("bound", 1, 1, "bound 2.0")
    trajectory("search", 1, 1, "cost 9.0")
    trajectory("search", 1, 1, "cost 9.5")
    trajectory("neighborhoods", 4, 4, "cost 8.0, bound 3.0")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["cost"], line["bound"]) for line in lines] == [(None, 2.0), (9.0, 2.0), (8.0, 3.0)]


def test_the_cost_after_some_seconds_is_that_of_the_best_schedule_by_then() -> None:
    """Steps that come later, or that know only a bound, do not count."""
    steps = [(0.5, None), (0.9, 9.0), (2.0, 8.0), (11.0, 7.0)]
    trajectory = [{"seconds": seconds, "cost": cost, "bound": 1.0} for seconds, cost in steps]
    assert [cost_after(trajectory, seconds) for seconds in (0.6, 1.0, 3.0, 10.0, 20.0)] == [None, 9.0, 8.0, 8.0, 7.0]


@settings(max_examples=25)
@given(problems())
def test_mixed_integer_program_equals_brute_force(problem: Problem) -> None:
    """The program for HiGHS has the same optimum; where it may break a vault's limit, its bound still holds."""
    best, instance = best_of_all(problem), problem.instance()
    assume(best is not None and not len(instance.gates))  # the program knows no rules between sets
    assert best is not None
    answer = MixedIntegerProgram(instance).solve(30.0)
    assert answer.bound is not None
    assert answer.options is not None
    assert answer.bound <= best[0] + 1e-6
    if is_feasible(instance, answer.options):
        assert answer.status == "optimal"
        assert evaluate(instance, answer.options).total == pytest.approx(best[0], abs=1e-6)


def test_an_arm_over_its_time_is_ended_and_its_figures_kept() -> None:
    """What an arm has said of itself before it is ended is reported as not finished, with the stage."""
    program = (
        'import time; print(\'{"stage": "in CP-SAT", "cost": 7.0, "bound": 5.0, "seconds": 0.1}\', flush=True);'
        "time.sleep(60)"
    )
    run = run_measured([sys.executable, "-c", program], Limits(seconds=1.0))
    found = result_of(run)
    assert run.seconds < 30
    assert (found["cost"], found["bound"]) == (7.0, 5.0)
    assert found["not_finished"] == "longer than 1 s, in CP-SAT"
    assert len(found["trajectory"]) == 1


def test_memory_of_workers_counts() -> None:
    """An arm is ended where it and its workers together hold more than it may; the peak tells so."""
    worker = "x = bytearray(150_000_000); import time; time.sleep(60)"
    program = (
        f"import subprocess, sys; [subprocess.Popen([sys.executable, '-c', {worker!r}]) for _ in range(2)][0].wait()"
    )
    run = run_measured([sys.executable, "-c", program], Limits(seconds=50.0, mebibytes=250.0))
    assert run.ended == "more memory than 0.2 GiB"
    assert run.peak_mebibytes > 250


def test_an_arm_that_fails_says_why() -> None:
    """The last line of a traceback is what is reported."""
    found = result_of(run_measured([sys.executable, "-c", "raise MemoryError('no room for the model')"], Limits()))
    assert found["not_finished"] == "MemoryError: no room for the model, reading the case"
    assert found["cost"] is None


def arm(cost: float | None, bound: float | None, **more: Any) -> dict[str, Any]:
    """Figures of an arm that came to its end."""
    feasible = cost is not None
    figures = {"cost": cost, "bound": bound, "feasible": feasible, "seconds": 10.0, "peak_mebibytes": 400.0}
    return figures | {"status": "feasible", "not_finished": None, "trajectory": []} | more


def estate(vms: int, **more: Any) -> dict[str, Any]:
    """An estate with three arms, judged; 100 today, 20 is the best bound."""
    steps = [(1.0, None, 10.0), (2.0, 40.0, 19.0), (3.0, 20.5, 19.0), (8.0, 20.4, 19.8)]
    trajectory = [{"seconds": s, "cost": c, "bound": b, "stage": "search"} for s, c, b in steps]
    arms = {
        "ours": arm(20.4, 19.8, reference=100.0, certified=0.9950, trajectory=trajectory, solve_seconds=9.0),
        "monolithic CP-SAT": arm(60.0, 20.0),
        "today": arm(100.0, None),
    }
    made = {"vms": vms, "seed": 0, "vaults": 2, "twin_keys": 9, "arms": arms | more}
    judge(made)
    return made


def test_captured_is_against_the_best_bound_of_all() -> None:
    """The bound of another arm counts for everybody; ours had 99 % of what is possible before it could prove it."""
    made = estate(300)
    assert (made["best_bound"], made["best_bound_of"]) == (20.0, "monolithic CP-SAT")
    assert made["arms"]["ours"]["captured"] == pytest.approx(0.995)
    assert made["arms"]["monolithic CP-SAT"]["captured"] == pytest.approx(0.5)
    assert made["arms"]["today"]["captured"] == 0
    assert (made["arms"]["ours"]["seconds_to_99"], made["arms"]["ours"]["seconds_to_99_certified"]) == (3.0, 8.0)
    assert made["contradictions"] == []


def test_a_bound_above_a_schedule_is_a_contradiction() -> None:
    """One arm's bound above another's feasible schedule is named."""
    made = estate(300, **{"HiGHS in OR-Tools": arm(20.1, 20.3)})
    assert made["contradictions"] == [
        "the bound 20.300000 of HiGHS in OR-Tools is above the cost 20.100000 of HiGHS in OR-Tools"
    ]


def test_scaling_of_a_power_law() -> None:
    """Both ways of measuring find the exponent of figures that follow one; one size has none."""
    found = scaling([(n, 0.01 * n**1.25) for n in (300, 1000, 100_000)])
    assert found is not None
    assert (found["regression"], found["ends"]) == (pytest.approx(1.25), pytest.approx(1.25))
    assert scaling([(300, 1.0), (300, 2.0)]) is None


def test_targets_are_compared_and_nothing_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """The worst seed of each size counts; sizes without a target are left out; a missed figure is named."""
    lines = check(summarize([estate(300), estate(777)]))
    assert [line["vms"] for line in lines] == [300]
    assert lines[0]["met"] == (True, False, True)
    assert "missed: seconds" in capsys.readouterr().out


def test_markdown_names_what_did_not_finish() -> None:
    """An arm that did not finish stands in the table with the reason."""
    unfinished = arm(None, None, not_finished="more memory than 12.0 GiB, building the model")
    text = to_markdown(summarize([estate(300), estate(1000, **{"monolithic CP-SAT": unfinished})]))
    assert "| not finished: more memory than 12.0 GiB, building the model |" in text
    assert "| 300 | **99.50 %** (target 99.5 %) |" in text
    assert "| ours | 99.5 %, 10.0, 0.39 |" in text


def test_names_of_arms_agree() -> None:
    """The program that starts the arms knows them by name only: those that there are."""
    assert tuple(ARMS) == ARM_NAMES


def write_trace(path: Path) -> None:
    """Six weeks of three VMs: one busy in the evening, one in the morning, one never."""
    count = WEEKS * 7 * 288
    times = pl.datetime_range(FIRST, FIRST + timedelta(minutes=5 * count), "5m", eager=True)
    random = np.random.default_rng(0)
    frames = []
    for number, busy in enumerate(((250, 288), (72, 140), (0, 0))):
        cpu = random.uniform(10, 60, (WEEKS * 7, 288)).round(2)
        cpu[:, busy[0] : busy[1]] = 97
        vm = pl.DataFrame({"ts": times, "cpu_percent": np.append(cpu.ravel(), 50.0)})
        frames.append(vm.with_columns(vm=pl.lit(f"vm-{number}"), mem_percent=pl.lit(None, dtype=pl.Float32)))
    pl.concat(frames).write_parquet(path)


@pytest.mark.thorough
def test_small_benchmark(tmp_path: Path, root: Path) -> None:
    """Two sizes with three arms: verified plans, comparable figures, tables of 100 columns, JSON that can be shown."""
    write_trace(tmp_path / "trace.parquet")
    out = tmp_path / "solver.json"
    command = [sys.executable, "-m", "tests.benchmarks.solver"]
    options = ["--trace", str(tmp_path / "trace.parquet"), "--sizes", "20", "40", "--effort", "5", "--days", "28"]
    options += ["--others-seconds", "1", "1", "--arms", "HiGHS in OR-Tools", "today"]
    done = subprocess.run(
        [*command, *options, "--out", str(out)], cwd=root, capture_output=True, text=True, check=True
    )
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [made["vms"] for made in report["estates"]] == [20, 40]
    for made in report["estates"]:
        arms = made["arms"]
        assert list(arms) == ["ours", "HiGHS in OR-Tools", "today"]
        assert made["contradictions"] == []
        assert all(figures["not_finished"] is None for figures in arms.values())
        assert arms["ours"]["cost"] <= arms["today"]["cost"] == made["reference"]
        assert arms["ours"]["trajectory"][-1]["stage"] == "solved"
        assert all(figures["peak_mebibytes"] > 30 for figures in arms.values())
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    shown = subprocess.run([*command, "--markdown", str(out)], cwd=root, capture_output=True, text=True, check=True)
    assert "| captured, seconds, GiB | 20 VMs | 40 VMs |" in shown.stdout

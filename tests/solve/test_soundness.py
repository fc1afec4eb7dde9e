"""A slice of the benchmark that draws thousands of tiny instances: everything that is proven, against brute force."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optimizer.solve.problem.cost import evaluate
from tests.benchmarks.bound_soundness import EXTRAS, Medium, check_tiny, prove, summarize_medium, summarize_tiny
from tests.benchmarks.random_problems import brute_force, medium_problem, tiny_problem
from tests.benchmarks.tight_problems import keeps_every_rule
from tests.benchmarks.twin_keys import look_at, of_key, to_markdown
from tests.solve.examples import best_of_all

SEED = 20


def test_brute_force_equals_the_slow_loop() -> None:
    """Pricing all schedules at once finds the optimum that plain loops over minutes of the week find."""
    for number in range(12):
        problem = tiny_problem(np.random.default_rng([SEED, number]))
        fast, slow = brute_force(problem.instance()), best_of_all(problem)
        assert (fast is None) == (slow is None)
        if fast is not None and slow is not None:
            assert fast[0] == pytest.approx(slow[0], abs=1e-9)


@pytest.mark.thorough
def test_bound_is_never_above_the_optimum() -> None:
    """On 200 random instances with every kind of rule the relaxation stays below brute force."""
    found = [check_tiny(SEED, number, list(EXTRAS), steps=100, effort=None, parts=False) for number in range(200)]
    assert [(one.number, one.faults) for one in found if one.faults] == []
    assert sum(one.optimum is not None for one in found) > 130
    assert all(any(kind in one.kinds for one in found) for kind in EXTRAS)


def test_nothing_is_proven_too_strongly_where_policies_are_small_and_vaults_full() -> None:
    """On 40 random tight instances no model, bound or proof contradicts a schedule that plain loops allow."""
    found = [check_tiny(SEED, number, tight=True, steps=60, effort=None) for number in range(40)]
    assert [(one.number, one.faults) for one in found if one.faults] == []
    assert 20 < sum(one.optimum is not None for one in found) < 40


def test_plans_of_tight_instances_are_optimal() -> None:
    """On 8 random tight instances the plan costs what brute force finds, and what is infeasible is said to be."""
    found = [check_tiny(SEED + 1, number, tight=True, effort=5) for number in range(8)]
    assert [(one.number, one.faults) for one in found if one.faults] == []
    assert all(one.plan_gap is not None and one.plan_gap <= 1e-4 for one in found if one.optimum is not None)


def test_a_judge_that_asks_for_more_leaves_fewer_schedules() -> None:
    """Schedules that a judge does not let pass count as infeasible, and what it adds counts toward the optimum."""
    number = next(n for n in range(20) if check_tiny(SEED, n, tight=True, effort=None).optimum is not None)
    found = check_tiny(SEED, number, tight=True, effort=None).optimum
    assert found is not None
    dearer = check_tiny(
        SEED, number, tight=True, effort=None, judge=lambda *given: _one_more(keeps_every_rule(*given))
    )
    assert dearer.optimum == pytest.approx(found + 1)
    assert check_tiny(SEED, number, tight=True, effort=None, judge=lambda *_: None).optimum is None


def _one_more(price: float | None) -> float | None:
    return None if price is None else price + 1


@pytest.mark.thorough
def test_plans_of_tiny_instances_are_optimal() -> None:
    """On 8 random instances the plan costs what brute force finds, and what is infeasible is said to be."""
    found = [check_tiny(SEED + 1, number, list(EXTRAS)) for number in range(8)]
    assert [(one.number, one.faults) for one in found if one.faults] == []
    assert all(one.plan_gap is not None and one.plan_gap <= 1e-4 for one in found if one.optimum is not None)
    assert sum(summarize_tiny(found)["plan_gaps"].values()) == sum(one.optimum is not None for one in found)


def test_an_optimum_is_proven_by_a_solver_that_is_not_ours() -> None:
    """HiGHS proves the optimum of a medium instance; no schedule nearby is cheaper."""
    instance = medium_problem(np.random.default_rng([SEED, 1]), 6, 3).instance()
    optimum, prover = prove(instance, 60.0)
    assert prover == "HiGHS"
    assert optimum is not None
    best = brute_force(instance)
    assert best is not None
    assert optimum == pytest.approx(best[0], abs=1e-6)
    assert evaluate(instance, best[1]).total == pytest.approx(best[0], abs=1e-9)


@pytest.mark.thorough
def test_twin_keys_add_up_to_no_more_than_the_whole() -> None:
    """Each twin key alone costs what its optimum costs, and all of them together no more than the whole does."""
    instance = medium_problem(np.random.default_rng([SEED, 2]), 7, 3).instance()
    keys = np.unique(instance.key).tolist()
    assert len(keys) > 1
    found = [look_at(instance, key, 60.0) for key in keys]
    for one in found:
        best = brute_force(of_key(instance, one.key))
        assert best is not None
        assert one.optimum == pytest.approx(best[0], abs=1e-6)
        assert one.is_optimal
        assert one.bound <= best[0]
    whole = brute_force(instance)
    assert whole is not None
    assert sum(one.plan for one in found) <= whole[0] + 1e-6
    assert f"{len(keys)} of {len(keys)} twin keys is proven" in to_markdown(found)


@pytest.mark.thorough
def test_the_command_writes_json(tmp_path: Path, root: Path) -> None:
    """The command draws, compares and writes what it printed."""
    out = tmp_path / "soundness.json"
    command = [sys.executable, "-m", "tests.benchmarks.bound_soundness", "--instances", "20", "--plans", "0"]
    command += ["--tight", "20"]
    done = subprocess.run(
        [*command, "--medium", "0", "--out", str(out)], cwd=root, capture_output=True, text=True, check=True
    )
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["tiny"]["kinds"]["every kind"]["instances"] == 20
    assert report["tiny"]["faults"] == report["tight"]["faults"] == []
    assert "0 instances with faults" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    shown = subprocess.run([*command, "--markdown", str(out)], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("20 instances, ")


def test_what_is_left_open_falls_apart_into_bound_and_plan() -> None:
    """Today 11, optimum 1, plan 2, bound 0.5: of ten that are possible the plan leaves 10 %, the bound 5 % open."""
    one = {"vms": 12, "starts": 8, "today": 11.0, "prover": "HiGHS", "prove_seconds": 1.0}
    found = [
        Medium(number=0, plan=2.0, relaxation=0.0, bound=0.5, optimum=1.0, **one),  # type: ignore[arg-type]  # known above
        Medium(number=1, plan=2.0, relaxation=0.0, bound=0.5, optimum=None, **one),  # type: ignore[arg-type]  # as above
    ]
    (line,) = summarize_medium(found)
    assert (line["instances"], line["proven"], line["optimal_plans"], line["unsound"]) == (2, 1, 0, 0)
    assert (line["relaxation_short"], line["bound_short"], line["plan_short"]) == pytest.approx((0.1, 0.05, 0.1))
    assert line["certified"] == pytest.approx(9 / 10.5)

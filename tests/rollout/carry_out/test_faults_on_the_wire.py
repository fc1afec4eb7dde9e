"""The real clients against an emulator at which everything goes wrong: nothing is lost, nothing is made twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.rollout_faults import KILL_EVERY, death_of, try_out
from tests.rollout.conftest import Ready


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(6, 50))]
)
def test_troubles_on_the_wire_lose_nothing(planned: Ready, tmp_path: Path, seed: int) -> None:
    """Refused, failing, cut off and killed, a plan that is resumed ends as planned, each write made exactly once."""
    trial = try_out(planned, seed, tmp_path)
    assert not trial.violations
    assert trial.writes == len(planned.plan.changes)
    assert trial.faults


def test_runs_are_killed_at_various_lines() -> None:
    """Every so many seeds have a process that dies, before and after a line, each at its own one."""
    deaths = [death for death in (death_of(seed, 20) for seed in range(50)) if death is not None]
    assert len(deaths) == len(range(0, 50, KILL_EVERY))
    assert {death.after for death in deaths} == {False, True}
    assert len({death.line for death in deaths}) > 8

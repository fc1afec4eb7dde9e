"""The benchmark that judges every write, at its smallest: real commands, a killed process, requests that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.write_judge.estates import recipe
from tests.benchmarks.write_judge.trial import Course, Trial


@pytest.mark.thorough
@pytest.mark.parametrize("number", [2, 6], ids=["weekly, freezes", "disk exclusions, order"])
def test_every_write_is_judged_and_there_is_a_way_back(tmp_path: Path, number: int) -> None:
    """Applied and rolled back with deaths and failing requests, an estate shows no breach and is as it was."""
    course = Course(f"test-{number}", kills=2, write_share=0.1, read_share=0.02, rare=0, races=0, edits=0)
    verdict = Trial(recipe(number), course, tmp_path).run()
    assert [str(breach) for breach in verdict.breaches] == []
    assert verdict.way_back.endswith("whole")
    assert verdict.kills == 2
    assert verdict.faults["late"]
    assert verdict.writes > 10

"""Rehearsal of a plan's file on a twin that a port opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optimizer.documents import write_plan
from optimizer.estate import EstateDocument
from optimizer.journal import Commands
from optimizer.model.clock import Clock
from optimizer.model.rules import PolicyLimits
from optimizer.rollout.prepare.plan_files import PlanFiles
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.rehearse.twin import rehearse_plan
from tests.rollout.conftest import Ready
from tests.rollout.rehearse.memory_twin import MemoryTwin


def test_a_plan_is_rehearsed_at_the_time_that_is_given(planned: Ready, tmp_path: Path) -> None:
    """The twin gets the estate, the limits of the rules and a clock that jumps; nothing is written beside the plan."""
    write_plan(planned.plan, tmp_path / "plan.json")
    opened: list[tuple[EstateDocument, Clock, PolicyLimits]] = []

    @contextmanager
    def open_twin(
        document: EstateDocument, clock: Clock, limits: PolicyLimits
    ) -> Iterator[tuple[MemoryTwin, MemoryTwin]]:
        opened.append((document, clock, limits))
        twin = MemoryTwin(document)
        yield twin, twin

    rehearsal = rehearse_plan(
        PlanFiles(tmp_path / "plan.json", estate=planned.estate.path),
        open_twin,
        start=planned.noon,
        scope=RunScope(max_moves=1),
        commands=lambda plan, journal: Commands(plan, journal, service=("--cloud", "china")),
    )
    ((document, clock, limits),) = opened
    assert document.as_of == planned.document.as_of
    assert limits == planned.plan.rules.policies
    assert rehearsal.rollout.began == planned.noon < clock.now()
    assert rehearsal.prepared.commands.service == ("--cloud", "china")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]

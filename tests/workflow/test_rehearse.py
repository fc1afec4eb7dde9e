"""Rehearse a plan on a twin that enters through a port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

import optimizer
from optimizer.estate.document import EstateDocument
from optimizer.model.rules import PolicyLimits
from optimizer.ports import BackupService, Clock
from optimizer.rollout.rehearse.stage import Twin
from tests.workflow.conftest import NOON


def test_a_rehearsal_uses_the_twin_that_it_is_given(pulled: Path) -> None:
    """The twin gets the estate of the plan, its clock starts as asked, and it is closed at the end."""
    seen: list[tuple[EstateDocument, datetime]] = []
    closed: list[datetime] = []

    @contextmanager
    def twin(document: EstateDocument, clock: Clock, limits: PolicyLimits) -> Iterator[tuple[BackupService, Twin]]:
        seen.append((document, clock.now()))
        with optimizer.open_twin(document, clock, limits) as found:
            yield found
        closed.append(clock.now())

    rehearsal = optimizer.rehearse_plan(pulled / "plan.json", twin, start=NOON)
    assert rehearsal.flawless, rehearsal
    assert rehearsal.prepared.command == "rehearse"
    ((document, began),) = seen
    assert document.fingerprint() == optimizer.open_estate(pulled / "estate").document.fingerprint()
    assert began == NOON < closed[0]
    assert not (pulled / "plan.journal.jsonl").exists()


def test_a_part_of_a_plan_is_rehearsed(pulled: Path) -> None:
    """The scope narrows a rehearsal as it narrows an apply."""
    scope = optimizer.RunScope.of(max_moves=1)
    rehearsal = optimizer.rehearse_plan(str(pulled / "plan.json"), optimizer.open_twin, start=NOON, scope=scope)
    assert rehearsal.flawless
    assert len({vm for write in rehearsal.prepared.writes for vm in write.vms}) == 1


def test_the_estate_of_another_plan_is_refused(pulled: Path, truth: optimizer.Estate) -> None:
    """A rehearsal of a stale plan would show nothing about the real one."""
    with pytest.raises(optimizer.StalePlanError):
        optimizer.rehearse_plan(optimizer.PlanFiles(pulled / "plan.json", estate=str(truth.path)), optimizer.open_twin)

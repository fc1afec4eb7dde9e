"""A twin of the service in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from optimizer.estate import EstateDocument
from optimizer.model.clock import VirtualClock
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.rehearse.stage import Stage
from tests.rollout.conftest import PACE
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW


@dataclass
class MemoryTwin(FakeService):
    """A fake service that reports each write that took effect."""

    on_write: list[Callable[[], None]] = field(default_factory=list)

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> None:
        def effect_with_report() -> None:
            effect()
            for report in self.on_write:
                report()

        super()._write(kind, object_id, effect_with_report)


def stage_in(folder: Path, document: EstateDocument, pace: Pace = PACE) -> tuple[Stage, MemoryTwin]:
    """Stage with a twin of an estate, at nine in the morning."""
    twin = MemoryTwin(document)
    return Stage.of(twin, twin, VirtualClock(NOW), folder, pace), twin

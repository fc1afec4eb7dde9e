"""Make a plan with what earlier journals record."""

from __future__ import annotations

import optimizer
from optimizer.workflow import find_journals
from tests.workflow.conftest import WAIT, World


def test_journals_of_moves_in_force_are_found(world: World) -> None:
    """A journal whose moves still hold is found; a damaged file and a journal that was rolled back are not."""
    damaged = world.folder / "a.journal.jsonl"
    damaged.write_text("{}\n")
    estate = optimizer.open_estate(world.folder / "estate")
    assert find_journals([damaged], estate, optimizer.Rules()) == []
    world.apply()
    assert find_journals([damaged, world.journal], estate, optimizer.Rules()) == [world.journal]
    back = optimizer.prepare_rollback(world.journal, world.cloud)
    assert optimizer.roll_back(back, world.cloud, wait=WAIT).complete
    assert find_journals([damaged, world.journal], estate, optimizer.Rules()) == []

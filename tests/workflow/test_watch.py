"""Watch an applied plan on an emulated cloud."""

from __future__ import annotations

import pytest

import optimizer
from optimizer.errors import JournalError
from tests.workflow.conftest import World


def test_moved_vms_are_watched_until_their_first_backups(world: World) -> None:
    """Right after the roll-out, first backups are still to come; after eight days all VMs are fine."""
    world.apply()
    soon = optimizer.watch_plan(world.plan_file, world.cloud)
    assert not soon.is_settled
    world.clock.sleep(8.25 * 24 * 3600)
    late = optimizer.watch_plan(str(world.plan_file), world.cloud, deep=True)
    assert late.is_settled and not late.alarms, late.alarms
    assert len(late.vms) == len(soon.vms) == optimizer.read_plan(world.plan_file).summary.moved


def test_a_plan_without_a_journal_is_refused(world: World) -> None:
    """Without a journal nothing is known about moves; the message names the file."""
    with pytest.raises(JournalError, match=r"plan\.journal\.jsonl"):
        optimizer.watch_plan(world.plan_file, world.cloud)

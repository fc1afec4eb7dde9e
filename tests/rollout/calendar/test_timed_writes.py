"""The calendar of a roll-out: counts, days and vaults."""

from __future__ import annotations

from dataclasses import replace

from optimizer.rollout.calendar.timed_writes import Rollout
from tests.report.rollouts import BEGAN, create, edit, reassign, timed


def test_vms_are_counted_once() -> None:
    """A VM that several writes change is one VM, however its id is spelled."""
    first = edit(1, "01:00", ("app-01", "app-02"))
    again = replace(first, number=2, vms=tuple(vm.upper() for vm in first.vms))
    rollout = Rollout(BEGAN, (timed(first, 1), timed(again, 2), timed(create(3, "03:00"), 3)))
    assert rollout.num_vms == 2
    assert [rollout.count(kind) for kind in ("create_policy", "edit_policy", "reassign_item")] == [1, 2, 0]
    assert Rollout(BEGAN, ()).num_vms == Rollout(BEGAN, ()).num_days == 0


def test_groups_have_one_day_one_wave_and_one_vault() -> None:
    """Groups come by day, then by wave, then by vault; the writes of a group keep their order."""
    here = [create(1, "03:00"), reassign(2, "app-01", "03:00"), reassign(3, "app-02", "03:00")]
    other = replace(create(4, "03:00"), vault_id="/a/vault")
    writes = (
        timed(here[0], 1),
        timed(here[1], 2),
        timed(other, 3),
        timed(here[2], 4, wave=2),
        timed(replace(here[2], number=5, vault_id=here[2].vault_id.upper()), 25, day=2),
        timed(replace(here[2], number=6), 26, day=2),
    )
    groups = Rollout(BEGAN, writes).by_vault()
    assert [[one.write.number for one in group.writes] for group in groups] == [[4], [1, 2], [3], [5, 6]]
    assert {group.began for group in groups} == {BEGAN}
    assert max(group.num_days for group in groups) == Rollout(BEGAN, writes).num_days == 2


def test_a_summary_leaves_bodies_out() -> None:
    """JSON output shows what a write changes, not what is sent."""
    write = edit(1, "01:00", ("app-01",))
    summary = write.summary()
    assert (summary["number"], summary["kind"], summary["object_id"]) == (1, "edit_policy", write.object_id)
    assert summary["vms"] == list(write.vms)
    assert (summary["start_before"], summary["start_after"]) == ("23:00", "01:00")
    assert not {"body", "before"} & summary.keys()

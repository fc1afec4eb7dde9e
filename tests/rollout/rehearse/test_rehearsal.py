"""Rehearsal of a plan: apply it on a twin, watch it, and roll it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.rehearse.rehearsal import Rehearsal, rehearse
from tests.plan.estates import policy_id
from tests.rollout.prepare.small_runs import READY
from tests.rollout.rehearse.memory_twin import stage_in


def test_a_plan_is_carried_out_and_rolled_back(tmp_path: Path) -> None:
    """The end equals the plan, the start is restored but for created policies; without backups, the watch alarms."""
    stage, twin = stage_in(tmp_path, READY.document)
    rehearsal: Rehearsal = rehearse(READY.case, stage)
    assert rehearsal.outcome.complete
    assert (rehearsal.findings, rehearsal.end_differences, rehearsal.rollback_differences) == ((), (), ())
    assert rehearsal.rollback_outcome is not None
    assert rehearsal.rollback_outcome.complete
    assert rehearsal.num_writes == len(twin.order) == len(READY.writes) + 3  # created policies stay
    assert rehearsal.watch is not None
    assert rehearsal.watch.alarms  # this twin makes no backups
    assert not rehearsal.flawless


def test_a_difference_at_the_end_is_reported(tmp_path: Path) -> None:
    """A twin that loses the time zone of a policy does not end as planned."""
    stage, twin = stage_in(tmp_path, READY.document)
    twin.on_write.append(
        lambda: twin.policies[policy_id("nightly").lower()]["properties"].update(timeZone="Tokyo Standard Time")
    )
    rehearsal = rehearse(READY.case, stage)
    assert any("nightly differs" in text for text in rehearsal.end_differences)
    assert any("more than its time has changed" in text for text in rehearsal.findings)


def test_only_what_is_complete_settled_and_without_faults_is_flawless(tmp_path: Path) -> None:
    """Each of these alone is a flaw."""
    stage, _ = stage_in(tmp_path, READY.document)
    whole = rehearse(READY.case, stage, scope=RunScope.of("vm=app-0"))
    flawless = replace(whole, watch=None)
    assert flawless.flawless
    for flaw in (
        {"findings": ("a fault",)},
        {"end_differences": ("a difference",)},
        {"rollback_differences": ("a difference",)},
        {"outcome": replace(whole.outcome, skipped=(1,))},
        {"rollback_outcome": replace(whole.outcome, failed=(1,))},
    ):
        assert not replace(flawless, **flaw).flawless

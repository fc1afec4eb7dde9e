"""Texts of roll-outs: the calendar, what is to be confirmed, how a run ended, a rehearsal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import RenderableType

from optimizer.documents import WatchedVm, WatchReport
from optimizer.documents.plan_document import CreatePolicy
from optimizer.journal import DoneRecord
from optimizer.report.terminal.rollout import render_apply_summary, render_outcome, render_rehearsal, render_rollout
from optimizer.report.terminal.sheet import to_text
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.rehearse.rehearsal import Rehearsal
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write
from tests.plan.estates import vm_id
from tests.report.fitting import assert_fits
from tests.report.rollouts import (
    BEGAN,
    BLOCKED,
    COMPLETE,
    INVENTORY,
    PART,
    PLAN,
    WRITES,
    after,
    make_outcome,
    make_prepared,
    make_rollout,
    run_record,
    timed,
)
from tests.rollout.small_rollouts import intent_of


def make_watch(verdict: str) -> WatchReport:
    """Build a watch of one VM."""
    vm = WatchedVm(
        vm=vm_id("app-02"),
        vault="rsv-one",
        policy="nightly-0300",
        start="03:00",
        timezone="UTC",
        written_at=BEGAN,
        verdict=verdict,  # type: ignore[arg-type]  # pydantic checks it
        reason="no job started within 2 h (+ 30 min) of 2026-02-18 03:00 UTC",
        rpo_hours=36,
    )
    return WatchReport(at=BEGAN + timedelta(days=2), vms=(vm,))


FLAWLESS = Rehearsal(
    rollout=make_rollout(blocked=False),
    prepared=make_prepared(writes=WRITES, rollout=make_rollout(blocked=False)),
    outcome=COMPLETE,
    num_writes=14,
    findings=(),
    end_differences=(),
    rollback_outcome=COMPLETE,
    rollback_differences=(),
    watch=make_watch("ok"),
)
FLAWED = replace(
    FLAWLESS,
    outcome=make_outcome(),
    num_writes=11,
    findings=("after write 3: policy nightly-0300 protects 101 VMs, allowed are 100",),
    end_differences=("item /subscriptions/x/vaults/rsv-one/protectedItems/app-12 differs",),
    rollback_differences=tuple(f"policy nightly-{number:04d} is gone" for number in range(12)),
    watch=make_watch("alarm"),
)
PAGES = {
    "rollout": render_rollout(make_rollout(), PLAN),
    "waves": render_rollout(make_rollout(waves=True)),
    "summary": render_apply_summary(make_prepared()),
    "part": render_apply_summary(make_prepared(**PART)),
    "outcome": render_outcome(make_outcome(), make_prepared()),
    "complete": render_outcome(COMPLETE, make_prepared(writes=WRITES)),
    "flawless": render_rehearsal(FLAWLESS),
    "flawed": render_rehearsal(FLAWED),
}


def line_with(text: str, *words: str) -> str:
    """The first line that has all the words."""
    return next(line for line in text.splitlines() if all(word in line for word in words))


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_pages_fit_the_terminal(page: RenderableType, ascii_only: bool, width: int) -> None:
    """No line is longer than the terminal is wide, and ASCII output is ASCII."""
    assert_fits(page, width, ascii_only=ascii_only)


def test_a_rollout_says_how_much_and_how_long() -> None:
    """Policies, VMs, vaults, days, first and last time stand in one sentence."""
    text = " ".join(to_text(PAGES["rollout"]).split())
    assert "14 writes: 1 policy created, 1 policy edited, 15 VMs moved, in 1 vault, over 2 days" in text
    assert "first write 2026-02-17 12:00, last 2026-02-18 13:30 UTC" in text


def test_a_rollout_has_a_row_per_day_and_vault() -> None:
    """With what is written and between which times; no column for what does not occur."""
    days = to_text(PAGES["rollout"]).split("\nDays\n")[1].split("Writes by time")[0]
    assert re.search(r"1 +rsv-one +1 +— +12 +2026-02-17 12:00 +15:00", days)
    assert re.search(r"2 +rsv-one +— +1 +3 +2026-02-18 13:30 +13:30", days)
    assert "deleted" not in days
    assert "wave" not in days


def test_waves_are_shown_where_there_are_two() -> None:
    """The pilot and the rest stand on rows of their own."""
    days = to_text(PAGES["waves"]).split("\nDays\n")[1].split("Writes by time")[0]
    assert re.search(r"2 +2 +rsv-one", days)


def test_writes_are_shown_short_or_all() -> None:
    """Ten of them, with the number of all; with ``max_rows=None`` every one in its order."""
    assert "Writes by time (10 of 14 shown)" in to_text(PAGES["rollout"])
    text = to_text(render_rollout(make_rollout(), max_rows=None)).split("Writes by time")[1].split("Blocked")[0]
    numbers = [int(match[1]) for match in re.finditer(r"^ +(\d+) +[12] ", text, re.MULTILINE)]
    assert numbers == list(range(1, 15))
    assert "23:00 → 04:30" in line_with(text, "edit", "nightly")


def test_what_is_blocked_stands_with_its_reason_and_notes_follow() -> None:
    """A write that finds no time is never left out silently."""
    text = to_text(PAGES["rollout"]).split("Blocked")[1]
    assert "ledger-db" in text
    assert "rule 'year end' freezes" in text
    assert "4 of 50 policy writes" in text.split("Notes")[1]


def test_an_empty_rollout_says_so() -> None:
    """No tables, and the difference between nothing to do and nothing that may be done."""
    assert "Nothing to write" in to_text(render_rollout(Rollout(BEGAN, ())))
    assert "No write can be made" in to_text(render_rollout(Rollout(BEGAN, (), (BLOCKED,))))


def test_what_is_confirmed_names_scope_approval_and_journal() -> None:
    """Who confirms sees which part it is, who approved, and what protects the vault."""
    text = " ".join(to_text(PAGES["part"]).split())
    assert "a part of the plan: --only vault=rsv-*, --max-moves 20, --wave 10: 1 VM first" in text
    assert "approved by Change board, ticket CHG0042" in text
    assert "journal: plans/my plan.journal.jsonl" in text
    assert "rsv-one is immutable (Locked)" in text


def test_a_resumed_run_says_what_is_made() -> None:
    """By the journal, not by guess."""
    write = WRITES[0]
    records = (
        run_record(),
        intent_of(write, BEGAN),
        DoneRecord(number=1, at=BEGAN, how="written", after=after(write)),
    )
    assert "1 write of 15 made before" in to_text(render_apply_summary(make_prepared(records=records)))


def test_an_outcome_in_part_says_what_is_left_why_and_what_to_do() -> None:
    """Failed, skipped, blocked and pending are four things, each with its way on."""
    text = to_text(PAGES["outcome"])
    assert text.startswith("Not finished: 11 of 15 writes made, 1 failed, 1 skipped, 1 pending, 1 blocked")
    assert re.search(r"12 +failed +reassign +app-12", text)
    assert re.search(r"13 +skipped +reassign +app-13", text)
    assert re.search(r"14 +pending +edit +nightly", text)
    assert re.search(r"15 +blocked +reassign +ledger-db", text)
    flat = " ".join(text.split())
    assert "1 write is pending; the next one can be made at 2026-02-18 13:30 UTC" in flat
    assert "backup-optimizer apply 'plans/my plan.json' --resume" in flat
    assert "the skipped writes no longer fit what is in Azure; to plan these VMs again, run 'pull'" in flat


def test_a_complete_outcome_leads_to_watch() -> None:
    """And names the way back."""
    text = " ".join(to_text(PAGES["complete"]).split())
    assert text.startswith("Done: 14 writes made")
    assert "backup-optimizer watch 'plans/my plan.json'" in text
    assert "backup-optimizer rollback 'plans/my plan.journal.jsonl'" in text
    assert "Not made" not in text


def test_a_rollback_lists_the_policies_that_stay() -> None:
    """Those that the plan created and that are still in the estate; not those that it deletes."""
    created = [change for change in PLAN.changes if isinstance(change, CreatePolicy)][:2]
    template = next(iter(INVENTORY.policies.values()))
    policies = {c.policy_id.lower(): replace(template, id=c.policy_id, name=c.policy) for c in created}
    inventory = replace(INVENTORY, policies={**INVENTORY.policies, **policies})
    deletion = Write(1, "delete_policy", created[0].vault_id, created[0].policy_id, created[0].policy, {}, None)
    prepared = make_prepared(
        (deletion,),
        journal=RunJournal(Path("plans/my plan.rollback.jsonl"), "rollback"),
        baseline=Baseline(inventory, PLAN.rules),
        rollout=Rollout(BEGAN, (timed(deletion, 0),)),
    )
    text = " ".join(to_text(render_outcome(replace(COMPLETE, done=(1,)), prepared)).split())
    assert f"1 policy that the plan created stays, without VMs: {created[1].policy}. To delete it:" in text
    assert "backup-optimizer rollback 'plans/my plan.journal.jsonl' --resume --delete-created" in text
    assert re.search(r"created +edited +deleted", to_text(render_apply_summary(prepared)))


def test_a_flawless_rehearsal_shows_every_check() -> None:
    """Writes, intermediate states, end, first backups, way back."""
    text = to_text(PAGES["flawless"])
    assert text.startswith("Rehearsal: the plan can be carried out completely and rolled back")
    assert "14 of 14, in 2 days" in line_with(text, "writes made")
    assert "14 checked: 0 findings" in line_with(text, "intermediate states")
    assert line_with(text, "the end equals the plan").endswith("yes")
    assert "1 VM backed up at the new time, 0 alarms" in line_with(text, "the first backups after")
    assert line_with(text, "the rollback restores the start").endswith("yes")


def test_a_flawed_rehearsal_shows_every_difference() -> None:
    """What broke on the way, at the end, on the way back, what was not made, what the watch says."""
    text = to_text(PAGES["flawed"])
    assert "cannot be carried out as it is" in text
    assert "no: 1 difference" in line_with(text, "the end equals the plan")
    assert "no: 12 differences" in line_with(text, "the rollback restores the start")
    for title in ("Broken on the way", "The end differs", "Not made", "Alarms of the watch"):
        assert title in text
    assert "The rollback left differences (10 of 12 shown)" in text
    assert "protects 101 VMs, allowed are 100" in text
    assert "app-02: no job started" in text


def test_a_rehearsal_without_writes_claims_nothing() -> None:
    """Where nothing was written neither watch nor rollback has been tried."""
    empty = replace(
        FLAWLESS,
        rollout=Rollout(BEGAN, ()),
        prepared=make_prepared(writes=(), rollout=Rollout(BEGAN, ())),
        rollback_outcome=None,
        watch=None,
        num_writes=0,
    )
    text = to_text(render_rehearsal(empty))
    assert text.startswith("Rehearsal: the plan changes nothing, so there was nothing to rehearse")
    assert "can be carried out" not in text and "Nothing to write" not in text
    assert "not tried: nothing was written" in line_with(text, "the rollback restores")
    assert "not looked at: nothing was written" in line_with(text, "the first backups")

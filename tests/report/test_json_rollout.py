"""Roll-outs as JSON, as pipelines read them."""

from __future__ import annotations

import json
from dataclasses import replace

from optimizer.report.json_rollout import outcome_content, outcome_json, rehearsal_json, rollout_content
from tests.report.rollouts import BLOCKED, COMPLETE, PLAN, WRITES, make_outcome, make_prepared, make_rollout
from tests.report.terminal.test_rollout import FLAWED, FLAWLESS


def test_a_calendar_has_every_write_with_its_times() -> None:
    """Number, day, wave, time and window of each write; blocked writes with the reason."""
    content = rollout_content(make_rollout(waves=True))
    assert [write["number"] for write in content["writes"]] == [write.number for write in WRITES]
    assert content["days"] == 2
    assert content["began"] == "2026-02-17T12:00:00+00:00"
    last = content["writes"][-1]
    assert (last["day"], last["wave"]) == (2, 2)
    assert last["opens"] <= last["at"] <= last["closes"]
    (blocked,) = content["blocked"]
    assert (blocked["number"], blocked["reason"]) == (BLOCKED.write.number, BLOCKED.reason)
    assert len(content["notes"]) == 1


def test_an_outcome_has_a_reason_for_every_write_that_was_not_made() -> None:
    """By number, as text, because JSON has no other keys."""
    content = outcome_content(make_outcome())
    assert content["done"] == list(range(1, 12))
    assert set(content["failed"]) == {"12"}
    assert "BMSUserErrorInvalidInput" in content["failed"]["12"]
    assert content["skipped"]["13"].startswith("app-13 was changed")
    assert content["pending"] == {"14": "opens at 2026-02-18 13:30 UTC"}
    assert content["blocked"] == {"15": BLOCKED.reason}
    assert content["resume_at"] == "2026-02-18T13:30:00+00:00"
    assert not content["complete"]


def test_a_complete_outcome_waits_for_nothing() -> None:
    """Nothing failed, nothing is left."""
    content = outcome_content(COMPLETE)
    assert content["complete"]
    assert content["resume_at"] is None
    assert content["failed"] == content["skipped"] == content["pending"] == content["blocked"] == {}


def test_a_failure_without_a_reason_is_still_listed() -> None:
    """The reason is empty, not missing."""
    assert outcome_content(replace(COMPLETE, failed=(3,)))["failed"] == {"3": ""}


def test_a_run_names_its_plan_and_what_is_next() -> None:
    """Fingerprint, journal, rules and remarks of the run, and each next step with its command or null."""
    content = json.loads(outcome_json(make_outcome(), make_prepared()))
    assert content["plan_fingerprint"] == PLAN.fingerprint
    assert content["journal"] == "plans/my plan.journal.jsonl"
    assert content["rules"][0].startswith("budget: at most")
    assert len(content["remarks"]) == 1
    commands = [step["command"] for step in content["next"]]
    assert commands[0].startswith("backup-optimizer apply ")
    assert None in commands
    assert "" not in commands


def test_a_rehearsal_has_its_verdict_and_what_went_wrong() -> None:
    """A flawless one has no findings; a flawed one has them, and what the rollback left."""
    good, bad = json.loads(rehearsal_json(FLAWLESS)), json.loads(rehearsal_json(FLAWED))
    assert good["flawless"]
    assert not bad["flawless"]
    assert good["findings"] == list(FLAWLESS.findings)
    assert bad["findings"] == list(FLAWED.findings)
    assert bad["end_differences"] == list(FLAWED.end_differences)
    assert good["states_checked"] == FLAWLESS.num_writes
    assert good["outcome"]["done"] == list(FLAWLESS.outcome.done)


def test_a_rehearsal_without_writes_has_no_rollback() -> None:
    """Then there is nothing to roll back or to watch."""
    content = json.loads(rehearsal_json(replace(FLAWLESS, rollback_outcome=None, watch=None)))
    assert content["rollback"] is None
    assert content["watch"] is None

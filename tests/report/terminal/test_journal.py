"""The text of a journal: what an auditor asks."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.journal import DoneRecord, EndRecord, FailedRecord, IntentRecord, Record, SkippedRecord
from optimizer.report.terminal.journal import render_journal
from optimizer.report.terminal.sheet import to_text
from optimizer.rollout.writes.write import Write
from tests.report.fitting import assert_fits
from tests.report.rollouts import BEGAN, WRITES, after, edit, run_record
from tests.rollout.small_rollouts import intent_of


def intent(write: Write, minutes: int) -> IntentRecord:
    """Build the intent of a write."""
    return intent_of(write, BEGAN + timedelta(minutes=minutes))


def done(write: Write, minutes: int, how: str = "written") -> DoneRecord:
    """Build the end of a write."""
    at = BEGAN + timedelta(minutes=minutes)
    return DoneRecord(number=write.number, at=at, how=how, after=after(write))  # type: ignore[arg-type]  # pydantic checks


CREATE, MOVE, REFUSED, EDIT = WRITES[0], WRITES[1], WRITES[2], edit(14, "04:30", ("web-1", "web-2", "web-3"))
SECOND_RUN = run_record(
    2, at=BEGAN + timedelta(days=1), approved_by="", ticket="", options={"only": ["vault=rsv-one"]}
)
KILLED: tuple[Record, ...] = (
    run_record(),
    intent(CREATE, 1),
    done(CREATE, 2),
    intent(MOVE, 3),
    FailedRecord(number=2, at=BEGAN + timedelta(minutes=4), error="too many requests", code="429"),
    intent(MOVE, 5),
    done(MOVE, 6),
    intent(REFUSED, 7),
    FailedRecord(number=3, at=BEGAN + timedelta(minutes=8), error="the service refused it", code="BMSUserErrorX"),
    SkippedRecord(number=4, at=BEGAN + timedelta(minutes=9), reason="app-04 was changed by somebody else"),
    intent(EDIT, 10),
)
ENDED: tuple[Record, ...] = (
    *KILLED,
    SECOND_RUN,
    done(EDIT, 1441, "found"),
    EndRecord(at=BEGAN + timedelta(days=1, minutes=5), done=3, failed=1, skipped=1, pending=9),
)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("records", [(), KILLED, ENDED], ids=["empty", "killed", "ended"])
def test_pages_fit_the_terminal(records: tuple[Record, ...], ascii_only: bool, width: int) -> None:
    """No line is longer than the terminal is wide, and ASCII output is ASCII."""
    assert_fits(render_journal(records), width, ascii_only=ascii_only)


def test_who_when_which_plan_and_with_whose_approval() -> None:
    """Each run on its own, with what was recorded, and where nothing was, that."""
    text = " ".join(to_text(render_journal(ENDED)).split())
    assert "plan sha256:" + "ab" * 32 in text
    assert "apply 1 by kim@host from 2026-02-17 12:00 UTC, approved by Change board, ticket CHG0042" in text
    assert "apply 2 by kim@host from 2026-02-18 12:00 UTC, no approval recorded, only vault=rsv-one" in text
    assert "ended 2026-02-18 12:05 UTC with 3 done, 1 failed, 1 skipped, 9 pending" in text


def test_every_object_stands_with_before_and_after() -> None:
    """Policies with their start, VMs with their policy, and when it was."""
    text = to_text(render_journal(ENDED))
    assert "Writes in vault rsv-one" in text
    assert "1 create nightly-0300: — → 03:00; made 2026-02-17 12:02 UTC" in text
    assert "2 reassign app-02: nightly → nightly-0300; made, try 2 2026-02-17 12:06 UTC" in text
    assert "14 edit nightly: 23:00 → 04:30 (3 VMs); found 2026-02-18 12:01 UTC" in text
    assert re.search(r"3 reassign app-03: .*; failed", text)


def test_every_refusal_stands_with_its_reason() -> None:
    """Those that succeeded on a later try too."""
    troubles = to_text(render_journal(ENDED)).split("Refused and skipped")[1].split("Left to do")[0]
    assert re.search(r"2 +failed +app-02 .*too many requests \(429\)", troubles)
    assert re.search(r"3 +failed +app-03 .*the service refused it", troubles)
    assert re.search(r"4 +skipped .*app-04 was changed", troubles)


def test_what_was_found_in_place_is_named_like_every_other_vm() -> None:
    """An item that somebody else moved stands with its VM's name, not with the name of its container."""
    found = after(MOVE)
    container = "VM;iaasvmcontainerv2;rg-app;web-9"
    found = {**found, "id": f"{found['id'].rpartition('/')[0]}/{container}"}
    record = DoneRecord(number=MOVE.number, at=BEGAN, how="found", after=found)
    text = to_text(render_journal((run_record(), record)), 100)
    assert "found in place" in text
    assert "iaasvmcontainerv2" not in text
    assert "web-9" in text or str(found["properties"].get("friendlyName")) in text


def test_a_killed_run_and_its_open_write_are_told() -> None:
    """An intent without an end is neither done nor failed."""
    text = " ".join(to_text(render_journal(KILLED)).split())
    assert "2 writes made, 1 failed, 1 skipped, 1 begun without a known end" in text
    assert "it did not end: it was killed, or it is still running" in text
    assert "write 14 (edit nightly) was begun and its end is not known" in text
    assert "backup-optimizer apply PLAN --journal plan.journal.jsonl --resume" in text


def test_what_is_pending_is_told(tmp_path: Path) -> None:
    """With the command that goes on, for the files that lie beside the journal."""
    (tmp_path / "plan.json").touch()
    text = to_text(render_journal(ENDED, tmp_path / "plan.journal.jsonl"), 400)
    assert "9 writes still to be made" in text
    assert f"backup-optimizer apply {tmp_path / 'plan.json'} --resume" in text


def test_a_rollback_goes_on_with_the_journal_that_it_takes_back(tmp_path: Path) -> None:
    """The command names the journal of the apply, wherever its name comes from, not the rollback's own."""
    begin = [run_record(command="rollback")]
    for name, own in (("plan.journal.jsonl", "plan.rollback.jsonl"), ("other.jsonl", "other.rollback.jsonl")):
        (tmp_path / name).touch()
        text = to_text(render_journal(begin, tmp_path / own), 400)
        assert f"backup-optimizer rollback {tmp_path / name} --resume" in text


def test_a_journal_without_records_says_so() -> None:
    """An empty file is a run that was killed before its first line."""
    assert to_text(render_journal(())).strip() == "The journal is empty: nothing was written"

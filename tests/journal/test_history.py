"""Which VMs were moved and when: what took effect and was not taken back, out of journals and plans."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from optimizer import journal as history
from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_file import write_plan
from optimizer.errors import DataError, JournalError, PlanFormatError
from optimizer.estate.folder import Estate
from optimizer.journal import DoneRecord, FailedRecord, IntentRecord, Journal, Record, RunRecord, SkippedRecord
from optimizer.model.clock import VirtualClock
from optimizer.model.inventory import Inventory
from optimizer.workflow import make_plan
from tests.rollout.carry_out.test_rollback import take_back
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService

WRITTEN = datetime(2026, 1, 2, 22, 30, tzinfo=UTC)
LATER = WRITTEN + timedelta(days=3)


def last_moves(sources: Iterable[Path], inventory: Inventory) -> dict[str, date]:
    return history.last_moves(history.read_history(sources, inventory))


def begin(command: str = "apply", plan: str = "sha256:0", at: datetime = WRITTEN) -> RunRecord:
    return RunRecord(
        run=1,
        command=command,
        at=at,
        plan_fingerprint=plan,
        plan="plan.json",
        who="me@here",
        program="p 1",  # type: ignore[arg-type]  # one of three
    )


def intent(number: int, *vms: str, at: datetime = WRITTEN) -> IntentRecord:
    return IntentRecord(
        number=number,
        at=at,
        kind="reassign_item" if vms else "create_policy",
        vault_id="/v",
        object_id=f"/v/{number}",
        name=str(number),
        vms=vms,
        before={"id": "x", "properties": {}},
        body={},
    )


def done(number: int, at: datetime = WRITTEN) -> DoneRecord:
    return DoneRecord(number=number, at=at, how="written", after={"id": "x", "properties": {}})


def write(path: Path, *records: Record) -> Path:
    journal = Journal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return path


@pytest.fixture
def vms(planned: Ready) -> list[str]:
    """Return the ids of the VMs of an estate."""
    return [item.vm_id for item in planned.inventory.items]


def test_a_journal_tells_when_each_vm_was_moved(planned: Ready, tmp_path: Path) -> None:
    """After an apply every VM that the plan moves was moved, on the day of its write; no other."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    found = last_moves([tmp_path / "plan.journal.jsonl"], planned.inventory)
    assert set(found) == {e.vm.lower() for e in planned.plan.schedule if e.start != e.start_today}
    assert min(found.values()) >= planned.noon.date()
    assert max(found.values()) <= clock.now().date()


def test_what_was_rolled_back_was_not_moved(planned: Ready, tmp_path: Path) -> None:
    """The rollback's journal lies beside: nothing of the apply counts, whichever of the two is given."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    run(planned, service, tmp_path, clock=clock)
    take_back(planned, service, tmp_path, clock)
    assert (tmp_path / "plan.rollback.jsonl").exists()
    for sources in ([tmp_path / "plan.journal.jsonl"], [tmp_path / "plan.rollback.jsonl"], [tmp_path]):
        assert last_moves(sources, planned.inventory) == {}


def test_a_part_that_was_rolled_back_elsewhere(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """A rollback's journal that lies elsewhere counts when it is given, for its own plan only."""
    (tmp_path / "moved").mkdir()
    applied = write(tmp_path / "a.journal.jsonl", begin(), intent(1, vms[0]), done(1), intent(2, vms[1]), done(2))
    back = write(tmp_path / "moved" / "b.rollback.jsonl", begin("rollback"), intent(2, vms[1]), done(2))
    other = write(tmp_path / "moved" / "c.rollback.jsonl", begin("rollback", "sha256:1"), intent(1, vms[0]), done(1))
    assert set(last_moves([applied], planned.inventory)) == {vms[0].lower(), vms[1].lower()}
    assert set(last_moves([applied, back, other], planned.inventory)) == {vms[0].lower()}


def test_only_writes_that_were_made_count(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """Failed, skipped and open writes move nobody; one that failed and was made later counts on the later day."""
    path = write(
        tmp_path / "plan.journal.jsonl",
        begin(),
        intent(1, vms[0]),
        done(1),
        intent(2, vms[1]),
        FailedRecord(number=2, at=WRITTEN, error="no"),
        SkippedRecord(number=3, at=WRITTEN, reason="gone"),
        intent(4, vms[3]),
        intent(5, vms[4]),
        FailedRecord(number=5, at=WRITTEN, error="busy"),
        begin(at=LATER),
        intent(5, vms[4], at=LATER),
        done(5, at=LATER),
        intent(6),
        done(6),
    )
    assert last_moves([path], planned.inventory) == {vms[0].lower(): WRITTEN.date(), vms[4].lower(): LATER.date()}


def test_the_last_of_several_moves_counts(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """Of two journals the later day, in whatever order they are given; VMs that are gone are left out."""
    first = write(tmp_path / "1.journal.jsonl", begin(), intent(1, vms[0], "/vm/gone"), done(1))
    second = write(tmp_path / "2.journal.jsonl", begin(plan="sha256:2"), intent(1, vms[0]), done(1, at=LATER))
    for sources in ([first, second], [second, first], [tmp_path]):
        assert last_moves(sources, planned.inventory) == {vms[0].lower(): LATER.date()}


def test_days_are_counted_in_utc(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """A write late in the evening of UTC is of that day, wherever it is the next one by then."""
    elsewhere = WRITTEN.astimezone(timezone(timedelta(hours=2)))
    assert elsewhere.date() > WRITTEN.date()
    path = write(tmp_path / "plan.journal.jsonl", begin(), intent(1, vms[0]), done(1, at=elsewhere))
    assert list(last_moves([path], planned.inventory).values()) == [WRITTEN.date()]


def test_a_plan_counts_where_its_starts_are_in_place(planned: Ready) -> None:
    """Before it is applied it moved nobody, afterwards all of its VMs on the day that it was made for."""
    write_plan(planned.plan, planned.plan_path)
    assert last_moves([planned.plan_path], planned.inventory) == {}
    after = Estate(planned.estate.path, apply_in_memory(planned.document, planned.plan.changes)).inventory()
    found = last_moves([planned.plan_path], after)
    assert set(found) == {e.vm.lower() for e in planned.plan.schedule if e.start != e.start_today}
    assert set(found.values()) == {planned.estate.as_of.date()}


def test_a_journal_in_which_nothing_was_moved_yet_is_said(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """A journal that only intends says that no move was made yet, not how many of none are in force."""
    applied = write(tmp_path / "a.journal.jsonl", begin(), intent(1, vms[0]))
    plan = make_plan(planned.estate, effort=1, history=[applied])
    assert [note for note in plan.notes if note.startswith("history:")] == [
        "history: a.journal.jsonl: no move was made yet"
    ]


def test_each_source_says_what_of_it_is_in_force(planned: Ready, vms: list[str], tmp_path: Path) -> None:
    """A journal counts what it moved and what was not taken back, a plan what is in place; both what is recent."""
    write_plan(planned.plan, planned.plan_path)
    moves = sum(entry.start != entry.start_today for entry in planned.plan.schedule)
    applied = write(tmp_path / "a.journal.jsonl", begin(), intent(1, vms[0]), done(1), intent(2, vms[1]), done(2))
    back = write(tmp_path / "b.rollback.jsonl", begin("rollback"), intent(2, vms[1]), done(2))
    after = Estate(planned.estate.path, apply_in_memory(planned.document, planned.plan.changes)).inventory()
    for inventory, in_place in ((planned.inventory, 0), (after, moves)):
        journal, plan = [
            one.summed_up(lambda day: day >= WRITTEN.date())
            for one in history.read_history([planned.plan_path, applied, back], inventory)
        ]
        assert (journal.file, journal.kind) == ("a.journal.jsonl", "journal")
        assert (journal.moves, journal.in_force, journal.recent) == (2, 1, 1)
        assert (plan.file, plan.kind) == (planned.plan_path.name, "plan")
        assert (plan.moves, plan.in_force, plan.known_before) == (moves, in_place, 0)
        assert plan.recent == (in_place if planned.estate.as_of.date() >= WRITTEN.date() else 0)


def test_a_history_that_cannot_be_used_is_refused(planned: Ready, tmp_path: Path) -> None:
    """A missing file, a folder without journals, a rehearsal's journal and something else each say what to give."""
    inventory = planned.inventory
    with pytest.raises(DataError, match=r"nowhere\.jsonl: there is no such file; give the journal"):
        last_moves([tmp_path / "nowhere.jsonl"], inventory)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no journal \(\*\.journal\.jsonl\)"):
        last_moves([tmp_path / "empty"], inventory)
    rehearsed = write(tmp_path / "r.journal.jsonl", begin("rehearse"))
    with pytest.raises(JournalError, match="journal of a rehearsal, which moved nothing"):
        last_moves([rehearsed], inventory)
    (tmp_path / "notes.txt").write_text("moved some VMs", encoding="utf-8")
    with pytest.raises(PlanFormatError, match=r"notes\.txt: not a plan"):
        last_moves([tmp_path / "notes.txt"], inventory)

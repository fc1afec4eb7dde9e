"""Writes that were begun and whose outcome the journal does not know."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import UncertainError
from optimizer.journal import DoneRecord, FailedRecord, Record, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource
from optimizer.rollout.prepare.open_ends import look_up_open_ends
from tests.plan.estates import VAULT
from tests.rollout.fake_service import FakeService
from tests.rollout.prepare.small_runs import READY, session_in
from tests.rollout.small_rollouts import NOW, intent_of

MOVE = next(write for write in READY.writes if write.kind == "reassign_item")
INTENT = intent_of(MOVE)
REFUSED = FailedRecord(number=MOVE.number, at=NOW, error="busy")
NOTHING = state_of([])
NUMBERS = {write.number for write in READY.writes}


class Silent(FakeService):
    """A service that does not answer."""

    def get_item(self, item_id: str) -> Resource | None:
        """Never answer."""
        raise UncertainError(f"no answer about {item_id}")


def moved(folder: Path) -> FakeService:
    """A service at which the write took effect."""
    service = FakeService(READY.document)
    service.items[MOVE.object_id.key]["properties"]["policyId"] = str(MOVE.policy_after)
    del folder
    return service


def done(records: list[Record]) -> list[tuple[int, str]]:
    return [(record.number, record.how) for record in records if isinstance(record, DoneRecord)]


def test_a_write_that_took_effect_is_found(tmp_path: Path) -> None:
    """It counts as this journal's own."""
    ends = look_up_open_ends([INTENT], NOTHING, READY.writes, NUMBERS, session_in(tmp_path, moved(tmp_path)))
    assert done(ends.found) == [(MOVE.number, "found")]
    assert ends.unsettled == {}


def test_a_write_without_effect_may_still_take_effect(tmp_path: Path) -> None:
    """Undoing it waits until that is settled; a request that was refused is settled."""
    ends = look_up_open_ends([INTENT], NOTHING, READY.writes, NUMBERS, session_in(tmp_path))
    assert done(ends.found) == [(MOVE.number, "found")]
    assert set(ends.unsettled) == {MOVE.number}
    refused = look_up_open_ends([INTENT, REFUSED], NOTHING, READY.writes, NUMBERS, session_in(tmp_path))
    assert refused.found == []


def test_a_write_whose_undoing_has_begun_had_taken_effect(tmp_path: Path) -> None:
    """Nothing is read for it; the same for writes that are done or were never begun."""
    session = session_in(tmp_path, Silent(READY.document))
    ends = look_up_open_ends([INTENT], state_of([INTENT]), READY.writes, NUMBERS, session)
    assert done(ends.found) == [(MOVE.number, "written")]
    known = [INTENT, DoneRecord(number=MOVE.number, at=NOW, how="written", after=None)]
    assert look_up_open_ends(known, NOTHING, READY.writes, NUMBERS, session).found == []


def test_a_vault_that_cannot_be_read_matters_only_if_it_is_wanted(tmp_path: Path) -> None:
    """Its writes are left as they are."""
    session = session_in(tmp_path, Silent(READY.document))
    ends = look_up_open_ends([INTENT], NOTHING, READY.writes, NUMBERS, session)
    assert set(ends.unreadable) == {ArmId(VAULT)}
    assert look_up_open_ends([INTENT], NOTHING, READY.writes, (), session).unreadable == {}


def test_a_closed_vault_is_not_read(tmp_path: Path) -> None:
    """The object counts as it was before the write."""
    session = session_in(tmp_path, Silent(READY.document))
    session.stay_away(ArmId(VAULT), 3600.0, "few hours")
    ends = look_up_open_ends([INTENT], NOTHING, READY.writes, NUMBERS, session)
    assert set(ends.unsettled) == {MOVE.number}

"""Results of a run so far."""

from __future__ import annotations

from dataclasses import replace

from optimizer.journal import DoneRecord, FailedRecord, SkippedRecord, state_of
from optimizer.rollout.calendar.timed_writes import Blocked
from optimizer.rollout.carry_out.outcome import Attempt, End
from optimizer.rollout.carry_out.results import Results
from tests.rollout.small_rollouts import NOW, item_write

WRITES = [replace(item_write(f"vm{n}", "23:00", "02:00"), number=n) for n in range(1, 7)]


def test_a_write_waits_until_it_ends() -> None:
    """What ended no longer waits; failed and skipped writes are lost."""
    results = Results()
    results.add(1, Attempt(End.LATER, "busy"))
    assert results.waiting == {1: "busy"}
    results.add(1, Attempt(End.DONE))
    results.add(2, Attempt(End.FAILED, "refused"))
    results.add(3, Attempt(End.SKIPPED, "changed"))
    assert results.waiting == {}
    assert (results.made, results.lost) == ({1}, {2, 3})
    assert results.lost_among([1, 3, 2]) == 3
    assert results.lost_among([1, 9]) is None


def test_each_write_of_a_run_is_in_one_place() -> None:
    """Done, failed, skipped, without a time, or pending with a reason; failures of earlier runs are tried again."""
    state = state_of(
        [
            DoneRecord(number=1, at=NOW, how="found", after=None),
            FailedRecord(number=2, at=NOW, error="refused"),
            FailedRecord(number=3, at=NOW, error="refused in an earlier run"),
            SkippedRecord(number=4, at=NOW, reason="changed"),
        ]
    )
    results = Results()
    results.add(2, Attempt(End.FAILED, "refused"))
    results.add(6, Attempt(End.DONE))
    outcome = results.outcome(state, WRITES, [Blocked(WRITES[4], "no time")], lambda write: f"{write.name} later")
    assert (outcome.done, outcome.failed, outcome.skipped, outcome.found) == ((1, 6), (2,), (4,), (1,))
    assert outcome.pending == {3: "vm3 later"}
    assert [item.write.number for item in outcome.blocked] == [5]
    assert outcome.reasons == {2: "refused"}

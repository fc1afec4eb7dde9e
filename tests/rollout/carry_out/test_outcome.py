"""How attempts and runs end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.rollout.calendar.timed_writes import Blocked
from optimizer.rollout.carry_out.outcome import RunOutcome
from tests.rollout.small_rollouts import NOW, item_write

DONE = RunOutcome(done=(1, 2), failed=(), skipped=(), pending={})
BLOCKED = Blocked(item_write("a", "23:00", "02:00"), "no time")


@pytest.mark.parametrize(
    "change", [{"failed": (3,)}, {"skipped": (3,)}, {"pending": {3: "opens later"}}, {"blocked": (BLOCKED,)}]
)
def test_a_run_is_complete_if_nothing_is_left(change: dict[str, object]) -> None:
    """Whatever was not made for whatever reason leaves it incomplete."""
    assert DONE.complete
    assert not replace(DONE, **change).complete


def test_the_end_of_a_run_is_recorded_in_numbers() -> None:
    """Writes without a possible time count as pending."""
    outcome = replace(DONE, failed=(3,), skipped=(4, 5), pending={6: "later"}, blocked=(BLOCKED,))
    record = outcome.end_record(NOW)
    assert (record.at, record.done, record.failed, record.skipped, record.pending) == (NOW, 2, 1, 2, 2)

"""Waiting times of a run."""

from __future__ import annotations

from optimizer.rollout.carry_out.pace import Pace


def test_pauses_double_with_each_trouble_up_to_15_minutes() -> None:
    """A service that is in trouble for long is asked less and less often, but never less than every 15 minutes."""
    pace = Pace(busy_seconds=60.0)
    assert [pace.after_trouble(troubles) for troubles in (1, 2, 3, 4, 5, 9)] == [60, 120, 240, 480, 900, 900]


def test_looks_at_an_object_become_rarer() -> None:
    """The first pause is a quarter of the base, so that a quick service is not waited for."""
    pace = Pace(settle_seconds=10.0)
    assert [pace.before_look(number) for number in range(4)] == [2.5, 10, 40, 160]


def test_an_operation_is_polled_at_least_every_30_seconds() -> None:
    """Pauses between looks at an operation double up to half a minute."""
    pauses = [1.0]
    while len(pauses) < 8:
        pauses.append(Pace().next_poll(pauses[-1]))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]

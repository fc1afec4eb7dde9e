"""Settings of a search, and the smaller searches that are derived from them."""

from __future__ import annotations

from optimizer.solve.effort.search_settings import DEFAULT_GAP, Search
from tests.solve.examples import CountingClock


def test_a_share_takes_time_only() -> None:
    """A share of a search has the same seed, effort and gap, and a share of the time limit."""
    search = Search(seed=3, effort=40, gap=0.0, time_limit_seconds=10.0)
    assert search.share(0.25) == Search(seed=3, effort=40, gap=0.0, time_limit_seconds=2.5)
    assert Search(seed=3).share(0.25) == Search(seed=3)
    assert search.within(None).time_limit_seconds is None


def test_less_effort_is_at_least_one_unit() -> None:
    """A lighter search divides the effort, keeps seed and time limit, and may stop at the default gap."""
    search = Search(seed=3, effort=40, gap=0.0, time_limit_seconds=10.0)
    assert search.with_less_effort(4) == Search(seed=3, effort=10, gap=DEFAULT_GAP, time_limit_seconds=10.0)
    assert Search(effort=3).with_less_effort(20).effort == 1


def test_the_clock_starts_when_it_is_asked_for() -> None:
    """Each search measures its time limit from its own beginning, on its own clock."""
    monotonic = CountingClock(1.0)
    search = Search(time_limit_seconds=5.0, monotonic=monotonic)
    monotonic()
    clock = search.clock()
    assert clock.left() == 4.0
    assert Search().clock().left() is None


def test_a_deadline_is_a_moment() -> None:
    """The deadline is the time limit from now on, and does not exist without a limit."""
    monotonic = CountingClock(1.0)
    search = Search(time_limit_seconds=5.0, monotonic=monotonic)
    assert [search.deadline(), search.deadline()] == [6.0, 7.0]
    assert Search().deadline() is None

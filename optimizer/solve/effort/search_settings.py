"""Settings of a search for a schedule: seed, effort, gap and time limit, from the command line to the solver."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.cycles import DEFAULT_EFFORT

__all__ = ["DEFAULT_EFFORT", "DEFAULT_GAP", "DEFAULT_SEARCH", "PART_VMS", "Search"]

DEFAULT_GAP = 0.005
"""Share of the possible improvement that may be left open when a search stops."""

PART_VMS = 1500
"""Target number of VMs in a part of a large instance; a vault is never divided."""


@dataclass(frozen=True)  # without slots, so that Search.effort is the default
class Search:
    """How a schedule is searched for. Equal settings without a time limit give an equal schedule.

    Parameters
    ----------
    seed
        Random seed of annealing, of the neighborhoods and of CP-SAT.
    effort
        Maximum work. It is done in cycles, each as long as all cycles before it together
        (:mod:`optimizer.solve.effort.cycles`), so more effort continues the same search.
    gap
        The search stops at the end of a cycle that leaves at most this share of the possible improvement over today's
        schedule open (if today's schedule breaks rules: at most this share of the cost). 0 continues until the plan
        is proven optimal or the effort is spent.
    time_limit_seconds
        Deadline, in seconds after the search begins; None: no limit. If it ends the search, the result is valid but
        not repeatable.
    part_vms
        Target number of VMs in a part of a large instance.
    monotonic
        Clock of the time limit, in seconds.
    """

    seed: int = 0
    effort: int = DEFAULT_EFFORT
    gap: float = DEFAULT_GAP
    time_limit_seconds: float | None = None
    part_vms: int = PART_VMS
    monotonic: Callable[[], float] = field(default=time.monotonic, compare=False, repr=False)

    def clock(self) -> SolveClock:
        """Clock of the time limit, which starts now."""
        return SolveClock(self.time_limit_seconds, self.monotonic)

    def deadline(self) -> float | None:
        """Reading of the clock at which a search that begins now has to end; None: no limit."""
        return None if self.time_limit_seconds is None else self.monotonic() + self.time_limit_seconds

    def within(self, time_limit_seconds: float | None) -> Search:
        """The same search with another time limit, in seconds; None: no limit."""
        return replace(self, time_limit_seconds=time_limit_seconds)

    def share(self, share: float) -> Search:
        """The same search within a share of its time limit."""
        return self if self.time_limit_seconds is None else self.within(share * self.time_limit_seconds)

    def with_less_effort(self, divisor: int) -> Search:
        """A search with the effort divided by a number, and the default gap."""
        return replace(self, effort=max(1, self.effort // divisor), gap=DEFAULT_GAP)


DEFAULT_SEARCH = Search()
"""A search with the default settings."""

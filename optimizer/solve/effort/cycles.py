"""Cycles of growing length, which divide the work of a solve; cost and bound are compared only at their ends.

Ascent and annealing cool down, and their speed of cooling depends on how much work is ahead. If that were the whole
effort, a search with more effort would be a different search, and perhaps a worse one. So the work is divided into
cycles whose lengths do not depend on the effort. Each cycle continues from the best result of the one before, and is
as long as all cycles before it together. A search with more effort passes through everything that one with less effort
passes through, and is never worse.

All decisions to stop are made at the ends of cycles. This makes a plan repeatable: neither the speed of the machine
nor the number of processes affects it.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_CYCLES_OF_DEFAULT, LEAST_FIRST_STEPS = 6, 700
"""Maximum number of cycles within the default effort, and the minimum number of steps of the bound in the first one.

An ascent that has to cool down sooner proves next to nothing. At 1,000 VMs, the best provable bound is 577.5: a cycle
of 250 steps followed by another of 250 ends at 571.8, one of 500 at 575.1, and one of 1,000 at 577.0.
"""

DEFAULT_EFFORT = 100
"""Effort at which a cycle ends; every cycle ends at twice the effort at which the one before ended."""

ROUNDS, ROUNDS_PER_VM, MOST_ROUNDS_PER_VM = 600, 0.25, 15
"""Rounds of annealing per unit of effort: the first number, plus the second for each VM.

The third number is a maximum per VM; it applies to very small instances, which CP-SAT solves.
"""

LEAST_STEPS, MOST_STEPS, STEPS_TIMES_VMS = 34, 120, 80_000
"""Steps of the bound per unit of effort: the last number divided by the number of VMs, within the first two."""

HOT_STEPS, COOLING = 187, 1.5
"""First rate of an ascent: ``(HOT_STEPS / steps before the cycle) ** COOLING``, at most 1.

With fewer than ``HOT_STEPS`` steps before the cycle, an ascent is still far from the best point and begins as fast as
the first one.
"""

LAST_RATE = 0.001
"""Last rate of the ascent in every cycle. At 10,000 VMs, a bound with 0.01 in the first cycle ends 12 lower."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of the work.

    Parameters
    ----------
    number
        Index of the cycle, from 0.
    begin, end
        Effort before and after the cycle.
    num_vms
        Number of VMs of the instance.
    """

    number: int
    begin: float
    end: float
    num_vms: int

    @property
    def length(self) -> float:
        """Effort that the cycle takes."""
        return self.end - self.begin

    @property
    def steps(self) -> int:
        """Number of steps of the bound."""
        return max(1, round(self._steps_per_effort * self.length))

    @property
    def _steps_per_effort(self) -> float:
        return _steps_per_effort(self.num_vms)

    @property
    def rounds(self) -> int:
        """Number of rounds of annealing."""
        per_effort = min(ROUNDS + ROUNDS_PER_VM * self.num_vms, MOST_ROUNDS_PER_VM * self.num_vms)
        return max(1, round(per_effort * self.length))

    @property
    def rounds_of_any(self) -> int:
        """Number of rounds of annealing that does not depend on the size of the instance."""
        return max(1, round(ROUNDS * self.length))

    @property
    def rates(self) -> tuple[float, float]:
        """First and last rate of the ascent."""
        first = (HOT_STEPS / max(HOT_STEPS, self._steps_per_effort * self.begin)) ** COOLING
        return first, LAST_RATE

    def reached(self, share: float) -> float:
        """Effort after a share of the cycle."""
        return self.begin + share * self.length


def _steps_per_effort(num_vms: int) -> float:
    return min(MOST_STEPS, max(LEAST_STEPS, STEPS_TIMES_VMS / max(1, num_vms)))


def cycles(effort: int, num_vms: int) -> tuple[Cycle, ...]:
    """The cycles of a search: those that end within the effort, and always the first one.

    Parameters
    ----------
    effort
        Effort of the whole search.
    num_vms
        Number of VMs of the instance.
    """
    begin, end = 0.0, DEFAULT_EFFORT / 2 ** (MOST_CYCLES_OF_DEFAULT - 1)
    while _steps_per_effort(num_vms) * end < LEAST_FIRST_STEPS:
        end *= 2
    made: list[Cycle] = []
    while not made or end <= effort:
        made.append(Cycle(len(made), begin, end, num_vms))
        begin, end = end, 2 * end
    return tuple(made)

"""Cycles of growing length in which a solve works: only at their ends are cost and bound compared.

Ascent and annealing cool down, and how fast depends on how much they will do.  If that were the effort, a search with
more effort would be a different search, and perhaps a worse one.  So the work is cut into cycles whose lengths do not
depend on the effort.  Each continues from the best of the one before, and is as long as all before it together.  A
search with more effort passes through everything that one with less effort passes through, and is never worse.

All decisions to stop are taken at the ends of cycles.  That makes a plan repeatable: the speed of the machine and the
number of processes have no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_CYCLES_OF_DEFAULT, LEAST_FIRST_STEPS = 6, 700
"""Most cycles of the default effort, and the fewest steps of the bound in the first.  An ascent that has to cool down
sooner proves next to nothing.  At 1,000 VMs, the best that can be proven is 577.5: a cycle of 250 steps and one of 250
after it end at 571.8, one of 500 at 575.1, and one of 1,000 at 577.0."""

DEFAULT_EFFORT = 100
"""Effort at which a cycle ends; every cycle ends at twice the effort at which the one before ended."""

ROUNDS, ROUNDS_PER_VM, MOST_ROUNDS_PER_VM = 600, 0.25, 15
"""Rounds of annealing for each unit of effort: the first number and the second for each VM; for very small instances,
which CP-SAT solves, at most the third for each VM."""

LEAST_STEPS, MOST_STEPS, STEPS_TIMES_VMS = 34, 120, 80_000
"""Steps of the bound for each unit of effort: the last number divided by the number of VMs, within these limits."""

HOT_STEPS, COOLING = 187, 1.5
"""The first rate of an ascent falls with the power of how often the first number fits into the steps before the cycle.
With fewer steps before, an ascent is still far from the best point, and begins as fast as the first one."""

LAST_RATE = 0.001
"""Last rate of the ascent in every cycle.  At 10,000 VMs, 0.01 in the first cycle ends 12 lower."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A piece of the work.

    Parameters
    ----------
    number
        0 for the first cycle.
    begin, end
        Effort before the cycle and after it.
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
        """Steps of the bound."""
        return max(1, round(self._steps_per_effort * self.length))

    @property
    def _steps_per_effort(self) -> float:
        return _steps_per_effort(self.num_vms)

    @property
    def rounds(self) -> int:
        """Rounds of annealing."""
        per_effort = min(ROUNDS + ROUNDS_PER_VM * self.num_vms, MOST_ROUNDS_PER_VM * self.num_vms)
        return max(1, round(per_effort * self.length))

    @property
    def rounds_of_any(self) -> int:
        """Rounds of annealing, if the size of the instance does not matter."""
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
    """The cycles of a search: those that end within the effort, and always the first.

    Parameters
    ----------
    effort
        Total work.
    num_vms
        Number of VMs of the instance.
    """
    begin, end = 0.0, DEFAULT_EFFORT / 2 ** (MOST_CYCLES_OF_DEFAULT - 1)
    while _steps_per_effort(num_vms) * end < LEAST_FIRST_STEPS:
        end *= 2
    found: list[Cycle] = []
    while not found or end <= effort:
        found.append(Cycle(len(found), begin, end, num_vms))
        begin, end = end, 2 * end
    return tuple(found)

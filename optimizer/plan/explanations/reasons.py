"""Reasons why VMs move or stay: one sentence for each VM of a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import NUM_OPTIONS, format_minute, format_start, resolve_zone
from optimizer.plan.case import Case
from optimizer.plan.explanations.vm_overlaps import VmOverlaps
from optimizer.risk import LEAST_COUNTED
from optimizer.solve import Limit, Marginals, OptionCosts, Problem

NOTICEABLE = 0.005
"""Smallest gain, in at-risk backups per 30 days, that a sentence mentions."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Schedule with the data that is needed to explain it.

    Parameters
    ----------
    case
        The solved case.
    options
        Shape (V,): start option of each VM in the plan.
    observed
        Shape (V, 48): risk as it was in the history, see :func:`optimizer.risk.observed.observed_risk`. Only full
        explanations use it. Without it, the estimates are not compared with observations.
    """

    case: Case
    options: IntArray
    observed: FloatArray | None = None

    @property
    def problem(self) -> Problem:
        """The problem that was solved."""
        return self.case.problem

    def believes_in(self, v: int) -> bool:
        """Whether a gain of the VM can be a reason; the small share that counts of any gain only decides ties."""
        return bool(self.case.table.credit[v] > LEAST_COUNTED)

    def moved_on(self, v: int) -> date | None:
        """Day of the last move of a VM; None if the VM was not moved recently."""
        return self.case.recently_moved.get(self.case.inventory.items[v].vm_id)


def format_start_utc(inventory: Inventory, timezone: str, option: int) -> str:
    """Start option of a zone as ``HH:MM`` in UTC, at the start of the horizon."""
    return format_minute(option * 30 - inventory.horizon.nominal_offset(resolve_zone(timezone)))


def reasons(solution: Solution) -> list[str]:
    """One sentence for each VM that explains why it moves or stays."""
    marginals = solution.problem.marginals(solution.options)
    overlaps = VmOverlaps(solution.case.inventory, solution.options)
    return [_VmReason(solution, marginals, overlaps, v).text() for v in range(solution.problem.instance.num_vms)]


@dataclass(frozen=True)
class _VmReason:
    """Reason of one VM, with all other VMs at their planned starts."""

    solution: Solution
    marginals: Marginals
    all_overlaps: VmOverlaps
    v: int

    @property
    def here(self) -> int:
        """Start option in the plan."""
        return int(self.solution.options[self.v])

    @property
    def today(self) -> int:
        """Start option today."""
        return int(self.solution.problem.instance.today[self.v])

    @property
    def allowed(self) -> BoolArray:
        """Options that the rules on the VM alone allow; shape (48,)."""
        allowed: BoolArray = self.solution.problem.instance.allowed[self.v]
        return allowed

    @cached_property
    def costs(self) -> OptionCosts:
        """Cost of every option."""
        return self.marginals.of(self.v)

    @cached_property
    def blocked(self) -> Mapping[Limit, BoolArray]:
        """Options that limits shared with other VMs forbid."""
        return self.marginals.blocked(self.v)

    def text(self) -> str:
        """The reason as a sentence."""
        if self.here != self.today:
            return f"moves: {self._forbidden_today() or self._gains() or self._needed_elsewhere()}"
        immovable = self.solution.problem.restrictions.stays_because
        if self.v in immovable:
            return f"stays: {immovable[self.v]}"
        if broken := self._broken_by_staying():
            return f"stays for now: {format_start(self.today)} breaks {broken}, and other moves come first"
        return (
            f"stays: {self._too_soon() or self._obstacle_to_less_risk() or self._no_room() or self._nothing_to_gain()}"
        )

    def _forbidden_today(self) -> str:
        """Rules that forbid the start of today; empty if none does."""
        if self.allowed[self.today]:
            return ""
        names = map(repr, self._forbidding_alone(self.today))
        return f"{format_start(self.today)} is forbidden by {' and '.join(names)}"

    def _forbidding_alone(self, option: int) -> list[str]:
        """Names of the rules on the VM alone that forbid an option."""
        forbidden_by = self.solution.problem.restrictions.forbidden_by
        return [name for name, mask in forbidden_by.items() if mask[self.v, option]]

    def _gains(self) -> str:
        """Gains of the VM itself from the move; empty if none is noticeable."""
        return "; ".join(self._each_gain())

    def _each_gain(self) -> Iterator[str]:
        costs, here, today = self.costs, self.here, self.today
        if self.solution.believes_in(self.v) and costs.risk[today] - costs.risk[here] > NOTICEABLE:
            risk = self.solution.problem.instance.risk[self.v]
            yield f"at-risk backups {risk[today]:.2f} -> {risk[here]:.2f} per 30 days"
        if costs.overlap[today] - costs.overlap[here] > NOTICEABLE:
            yield _fewer_overlaps(self.all_overlaps.of(self.v), today, here)
        if costs.vault_peak[today] - costs.vault_peak[here] > NOTICEABLE:
            yield "a less crowded half hour in its vault"

    def _needed_elsewhere(self) -> str:
        """Reason of a VM that moves without a gain of its own."""
        if in_the_way := self._in_the_way(self.today):
            return f"with the others where they go {format_start(self.today)} would break rule {in_the_way}"
        return "makes room for others or spares a policy"

    def _in_the_way(self, option: int) -> str:
        """Limits shared with other VMs that forbid an option, joined; empty if none does."""
        return " and ".join(repr(limit.name) for limit, mask in self.blocked.items() if mask[option])

    def _broken_by_staying(self) -> str:
        """Rules that a VM breaks if it stays, which only a step of ``plan --toward`` allows; empty if none."""
        shared = [limit.name for limit, mask in self.blocked.items() if mask[self.today]]
        return " and ".join(map(repr, dict.fromkeys([*self._forbidding_alone(self.today), *shared])))

    def _too_soon(self) -> str:
        """Reason of a VM that was moved recently although another start would gain; empty for all other VMs."""
        moved_on, costs = self.solution.moved_on(self.v), self.costs
        if moved_on is None:
            return ""
        gain = np.where(self.allowed, costs.total[self.here] - (costs.total - costs.move), -np.inf)
        gain[self.here] = -np.inf
        best = int(np.argmax(gain))
        price = self.solution.problem.instance.move_price[self.v]
        if not NOTICEABLE < gain[best] <= price:
            return ""
        return (
            f"moved on {moved_on}, and {format_start(best)} would gain {gain[best]:.2f}, less than the {price:g} of "
            "another move"
        )

    def _obstacle_to_less_risk(self) -> str:
        """Obstacle between the VM and a start with less risk; empty if no start has noticeably less."""
        risk = np.where(self.allowed, self.costs.risk, np.inf)
        safest = int(np.argmin(risk))
        if not self.solution.believes_in(self.v) or risk[safest] >= self.costs.risk[self.here] - NOTICEABLE:
            return ""
        plain = self.solution.problem.instance.risk[self.v]
        return (
            f"{format_start(safest)} has less risk ({plain[safest]:.2f} instead of {plain[self.here]:.2f}), "
            f"but {self._obstacle(safest)}"
        )

    def _obstacle(self, option: int) -> str:
        """Obstacle between the VM and an option that the rules on it alone allow."""
        if in_the_way := self._in_the_way(option):
            return f"with the others where they are rule {in_the_way} forbids it"
        extra = self.costs.total[option] - self.costs.total[self.here]
        if extra < 0 and (used_up := self._used_up(option)):
            return f"{used_up} no room for what would save {-extra:.2f}"
        return f"the move would cost {extra:.2f} more than it gains"

    def _used_up(self, option: int) -> str:
        """Limits on moves or writes that leave no room for an option, with their verb; empty if none."""
        names = [limit.name for limit in self.marginals.used_up(self.v, option)]
        return f"{' and '.join(names)} {'leaves' if len(names) == 1 else 'leave'}" if names else ""

    @cached_property
    def _open(self) -> BoolArray:
        """Options that the rules allow while all other VMs stay; shape (48,)."""
        none = np.zeros(NUM_OPTIONS, np.bool_)
        blocked = np.asarray(np.logical_or.reduce([none, *self.blocked.values()]), dtype=np.bool_)
        return self.allowed & ~blocked

    def _no_room(self) -> str:
        """Reason of a VM that would move if more moves or policy writes were allowed; empty for all other VMs."""
        total = np.where(self._open, self.costs.total, np.inf)
        best = int(np.argmin(total))
        saved = self.costs.total[self.here] - total[best]
        used_up = self._used_up(best) if saved > NOTICEABLE else ""
        return f"{format_start(best)} would save {saved:.2f}, but {used_up} no room for it" if used_up else ""

    def _nothing_to_gain(self) -> str:
        """Reason of a VM that has no better start."""
        table = self.solution.case.table
        if not table.own[self.v]:
            return "its own load history is too short or too uniform to predict a gain"
        if not self.solution.believes_in(self.v) and table.risk[self.v, self.here] > NOTICEABLE:
            return "its busy hours have not been shown to repeat, so no gain in risk is counted for it"
        if self._open.sum() == 1:
            return "the rules and limits leave no other start"
        return "no other start is worth the move"


def _fewer_overlaps(overlaps: FloatArray, today: int, here: int) -> str:
    """The gain in overlaps of a VM, with all other VMs at their planned starts.

    If the VMs of the service have different weights, the weighted number can fall while the plain one does not.
    """
    if overlaps[today] <= overlaps[here]:
        return "fewer overlaps with VMs of its service, as the rules weight them"
    return (
        f"fewer expected overlaps with VMs of its service: {overlaps[today]:.2f} -> {overlaps[here]:.2f} per 30 days"
    )

"""Data of ``plan --toward``: the breaches that a plan leaves, and the number of plans needed to remove them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from optimizer.model.arm_id import ArmId
from optimizer.model.strict import StrictModel


class RuleToward(StrictModel):
    """A rule that today's schedule breaks, and how many VMs break it today and in the plan."""

    rule: str
    today: int
    left: int


class LaterMove(StrictModel):
    """A VM that a later plan can move, and the start that it goes to, in the time zone of its policy."""

    vm: ArmId
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):(00|30)$")]


class Toward(StrictModel):
    """A step toward a schedule that keeps every rule. A VM that breaks a rule is one violation.

    Parameters
    ----------
    violations_today, violations_left
        Violations of today's schedule and of the plan. VMs that no plan may move do not count.
    moves_needed
        The fewest moves found after which every rule holds.
    months
        Plans of at most ``max_moves`` moves that this takes, this one included, where one is applied each month.
    rules
        The rules that today's schedule breaks, those with the most VMs first.
    later
        Moves of the other plans after which every rule holds: ``plan --toward --from`` begins with them.
    """

    violations_today: Annotated[int, Field(ge=0)]
    violations_left: Annotated[int, Field(ge=0)]
    moves_needed: Annotated[int, Field(ge=0)]
    months: Annotated[int, Field(ge=1)]
    rules: tuple[RuleToward, ...]
    later: Annotated[tuple[LaterMove, ...], Field(exclude_if=lambda moves: not moves)] = ()

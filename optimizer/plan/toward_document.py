"""How far a plan of ``plan --toward`` leads: what of the rules stays broken, and how many more plans it takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from optimizer.model.strict import StrictModel


class RuleToward(StrictModel):
    """A rule that today's schedule breaks, and how many VMs break it today and in the plan."""

    rule: str
    today: int
    left: int


class Toward(StrictModel):
    """A step toward a schedule that keeps every rule.  A VM that breaks a rule is one violation.

    Parameters
    ----------
    violations_today, violations_left
        Violations of today's schedule and of the plan.  VMs that no plan may move do not count.
    moves_needed
        The fewest moves found after which every rule holds.
    months
        Plans of at most ``max_moves`` moves that this takes, this one included, where one is applied each month.
    rules
        The rules that today's schedule breaks, those with the most VMs first.
    """

    violations_today: Annotated[int, Field(ge=0)]
    violations_left: Annotated[int, Field(ge=0)]
    moves_needed: Annotated[int, Field(ge=0)]
    months: Annotated[int, Field(ge=1)]
    rules: tuple[RuleToward, ...]

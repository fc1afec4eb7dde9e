"""Errors about plans."""

from __future__ import annotations

from optimizer.errors import OptimizerError


class PlanError(OptimizerError):
    """A plan that cannot be used."""


class PlanFormatError(PlanError):
    """A file that is not a plan, or a plan of a version that this program does not know."""


class StalePlanError(PlanError):
    """The estate is not the one that the plan was made for; the message states what differs."""

    exit_code = 4

"""Limits under which a bound is proven, in words; with more moves or policy writes, a schedule may cost less."""

from __future__ import annotations

from typing import Protocol

from optimizer.report.formats import plural


class WithLimits(Protocol):
    """Rules, or the figures of a plan, with the limits that the whole plan must keep; None: no limit."""

    @property
    def max_moves(self) -> int | None:
        """Maximum number of VMs that may move."""

    @property
    def max_policy_writes(self) -> int | None:
        """Maximum number of policies that may be created or edited."""

    @property
    def budget_days(self) -> int | None:
        """Number of days within which the policy writes must fit."""


def within_limits(limits: WithLimits, vms: int) -> str:
    """Name the limits of a plan in a phrase such as "with at most 4 moves and at most 2 policy writes".

    Parameters
    ----------
    limits
        Rules or figures with the limits.
    vms
        Number of VMs of the plan. A limit that lets all of them move is left out.

    Returns
    -------
    str
        The phrase; empty if the plan has no such limit.
    """
    parts = []
    if limits.max_moves is not None and limits.max_moves < vms:
        parts.append(_at_most(limits.max_moves, "move"))
    if limits.max_policy_writes is not None:
        parts.append(_at_most(limits.max_policy_writes, "policy write"))
    if limits.budget_days is not None:
        parts.append(f"policy writes that fit in {plural(limits.budget_days, 'day')}")
    return "with " + " and ".join(parts) if parts else ""


def _at_most(limit: int, noun: str) -> str:
    return f"at most {plural(limit, noun)}" if limit else f"no {noun}s"

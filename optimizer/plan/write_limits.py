"""Limits on policy writes hold for what is written, detours included: where they do not, solve again with less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from optimizer.plan.case import Case
from optimizer.plan.compose import changes_to
from optimizer.plan.diff import Diff
from optimizer.plan.document import ReassignItem
from optimizer.solve.cost import evaluate
from optimizer.solve.cpsat import Outcome
from optimizer.solve.instance import IntArray
from optimizer.solve.solver import OPTIMALITY_GAP, Result
from optimizer.solve.why_not.no_schedule import NoScheduleError, NotFoundWithinEffortError

MOST_ATTEMPTS = 3


def excess_writes(case: Case, diff: Diff) -> tuple[int, ...]:
    """By how much the policies that some changes write exceed each limit of the instance; 0 where they do not.

    Full policies that exchange VMs need one more on the way, which the solver does not see.
    """
    vaults = {vault_id: n for n, vault_id in enumerate(case.inventory.vaults)}
    written = Counter(
        vaults[change.vault_id.lower()] for change in diff.changes if not isinstance(change, ReassignItem)
    )
    key_vault = case.instance.key_vault
    return tuple(
        max(0, sum(written[vault] for vault in {int(key_vault[k]) for k in limit.keys}) - limit.limit)
        for limit in case.instance.write_limits
    )


def solve_within_write_limits(case: Case, known: Iterable[str], solve_case: Callable[[Case], Result]) -> Result:
    """Solve a case so that its limits on policy writes hold for everything that is written.

    Parameters
    ----------
    case
        The case.
    known
        ARM ids of every policy of the estate.
    solve_case
        Solves a case, or raises.

    Returns
    -------
    Result
        Its bound is that of the case, whatever was held back for detours.

    Raises
    ------
    NotFoundWithinEffortError
        No schedule was found whose detours fit, and today's breaks a rule.
    """
    result = solve_case(case)
    known = tuple(known)
    bound, instance = result.bound, case.instance
    limits = instance.write_limits
    for _ in range(MOST_ATTEMPTS if limits else 0):
        assert result.options is not None
        excess = excess_writes(case, changes_to(case, result.options, known))
        if not any(excess):
            return result
        limits = tuple(
            replace(limit, limit=max(0, limit.limit - more)) for limit, more in zip(limits, excess, strict=True)
        )
        try:
            again = solve_case(replace(case, instance=replace(instance, write_limits=limits)))
        except (NoScheduleError, NotFoundWithinEffortError):
            break
        result = _with_bound(again, bound)
    if not limits:
        return result
    if result.options is not None and not any(excess_writes(case, changes_to(case, result.options, known))):
        return result
    if result.reference_name == "today":
        return _with_bound(replace(result, options=_today(case), cost=evaluate(instance, _today(case))), bound)
    raise NotFoundWithinEffortError(
        "no schedule was found that keeps the limits on policy writes: full policies exchange VMs, which takes a "
        "policy more than the limit leaves; raise max_policy_writes or budget_days, or loosen what today breaks"
    )


def _today(case: Case) -> IntArray:
    return case.instance.today.copy()


def _with_bound(result: Result, bound: float) -> Result:
    """A result of a tighter problem, measured against the bound of the problem itself."""
    assert result.cost is not None
    bound = min(bound, result.cost.total)
    optimal = result.cost.total - bound <= OPTIMALITY_GAP * max(1.0, abs(result.cost.total))
    return replace(result, bound=bound, outcome=Outcome.OPTIMAL if optimal else Outcome.FEASIBLE)

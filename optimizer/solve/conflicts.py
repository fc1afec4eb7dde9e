"""Why there is no schedule: rules in conflict, named as the planner wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.errors import OptimizerError
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.cost import overfull_caps
from optimizer.solve.cpsat import (
    Outcome,
    ScopedModel,
    add_move_limit,
    add_one_option_per_vm,
    add_policy_capacity,
    add_vault_policy_limit,
    whole,
)
from optimizer.solve.instance import NO_CAP, BoolArray, Instance
from optimizer.solve.restrict import Restrictions

MAX_MOVES = "max_moves"
POLICY_LIMIT = "the limit of policies per vault"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Rules and limits that cannot all hold.

    Parameters
    ----------
    names
        Rules and limits; leaving out any one of them would resolve this conflict, where ``irreducible``.
    vms
        Rows of VMs that it shows at.
    irreducible
        Whether every name is needed.
    """

    names: tuple[str, ...]
    vms: tuple[int, ...]
    irreducible: bool = True


class NoScheduleError(OptimizerError):
    """No schedule satisfies the rules; carries the conflicts.

    Parameters
    ----------
    message
        For people.
    conflicts
        Found so far.
    """

    exit_code = 3

    def __init__(self, message: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)


class NotFoundWithinEffortError(OptimizerError):
    """The search ended without a schedule and without a proof that there is none."""


def find_conflicts(
    instance: Instance, restrictions: Restrictions, effort: int, time_limit_seconds: float | None = None
) -> list[Conflict]:
    """Conflicts of single VMs where there are any, else one of caps and limits.

    Parameters
    ----------
    instance
        Proven to have no schedule.
    restrictions
        Which rule forbids which option.
    effort, time_limit_seconds
        Work for the second kind, and its limit of wall-clock time; what is not settled by then stays named.
    """
    stuck = np.flatnonzero(~instance.allowed.any(axis=1)).tolist()
    if stuck:
        found: dict[tuple[str, ...], list[int]] = {}
        for v in stuck:
            found.setdefault(_covering_rules(restrictions, v), []).append(v)
        return [Conflict(names, tuple(vms)) for names, vms in found.items()]
    return [_joint_conflict(instance, restrictions, effort, time_limit_seconds)]


def _covering_rules(restrictions: Restrictions, v: int) -> tuple[str, ...]:
    """Smallest set, by leaving out one at a time, of rules that together forbid every option of a VM."""
    names = [name for name, mask in restrictions.forbidden_by.items() if mask[v].any()]
    for name in list(names):
        others = [restrictions.forbidden_by[other][v] for other in names if other != name]
        if others and np.logical_or.reduce(others).all():
            names.remove(name)
    return tuple(names)


def _joint_conflict(
    instance: Instance, restrictions: Restrictions, effort: int, time_limit_seconds: float | None
) -> Conflict:
    """Rules that contradict each other only over several VMs: leave out one at a time while none is missed."""
    caps = {
        instance.cap_names[g] for g, cap in zip(instance.rows.group, instance.rows.cap, strict=True) if cap != NO_CAP
    }
    names = [name for name, mask in restrictions.forbidden_by.items() if mask.any()] + sorted(
        caps - set(restrictions.forbidden_by)
    )
    names += [MAX_MOVES] if instance.max_moves is not None else []
    names.append(POLICY_LIMIT)
    sure = True
    share = None if time_limit_seconds is None else time_limit_seconds / len(names)
    for name in list(names):
        kept = [other for other in names if other != name]
        outcome = _feasibility(instance, restrictions, kept, effort, share)
        if outcome is Outcome.INFEASIBLE:
            names = kept
        elif outcome is Outcome.UNKNOWN:
            sure = False
    return Conflict(tuple(names), tuple(np.flatnonzero(_concerned(instance, restrictions, names)).tolist()), sure)


def _concerned(instance: Instance, restrictions: Restrictions, names: Sequence[str]) -> BoolArray:
    """VMs that a joint conflict shows at: those of the caps in it, else those that may not stay where they are."""
    rows = instance.rows
    of_caps = np.array(
        [cap != NO_CAP and instance.cap_names[g] in names for g, cap in zip(rows.group, rows.cap, strict=True)]
    )
    if of_caps.any():
        classes = np.asarray(np.append(of_caps, False)[instance.touched].any(axis=(1, 2)))
        return np.asarray(classes[instance.vm_class])
    concerned = np.zeros(instance.num_vms, dtype=np.bool_)
    for name in names:
        if name in restrictions.forbidden_by:
            concerned |= restrictions.forbidden_by[name][np.arange(instance.num_vms), instance.today]
    return concerned


def _feasibility(
    instance: Instance,
    restrictions: Restrictions,
    names: Sequence[str],
    effort: int,
    time_limit_seconds: float | None,
) -> Outcome:
    """Whether some schedule keeps the named rules and limits; a rule's windows and its cap stand or fall together."""
    forbidden = np.zeros((instance.num_vms, NUM_OPTIONS), dtype=np.bool_)
    for name in names:
        forbidden |= restrictions.forbidden_by.get(name, False)
    if forbidden.all(axis=1).any() or set(overfull_caps(instance, ~forbidden)) & set(names):
        return Outcome.INFEASIBLE

    def allowed(m: ScopedModel) -> None:
        for v, t in np.argwhere(forbidden).tolist():
            m.model.add(m.variables.x[v, t] == 0)

    def caps(m: ScopedModel) -> None:
        for r, terms in m.row_terms.items():
            cap = int(instance.rows.cap[r])
            if cap != NO_CAP and instance.cap_names[instance.rows.group[r]] in names:
                m.model.add(sum(m.variables.x[term] for term in terms) <= cap)

    families = [add_one_option_per_vm, allowed, caps]
    if MAX_MOVES in names:
        families.append(add_move_limit)
    if POLICY_LIMIT in names:
        families += [add_policy_capacity, add_vault_policy_limit]
    model = ScopedModel(instance, whole(instance, instance.today, only_allowed=False), families)
    return model.solve(0.05 * effort, 0, time_limit_seconds).outcome

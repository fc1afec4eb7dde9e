"""Verification of a plan, check by check.

It shares no code with the model in :mod:`optimizer.solve`. It compares windows as instants, not as slots of merged
rows, and counts policies in the inventory that the changes lead to. It computes every figure again. It makes the
changes one by one in their order, and checks every state on the way.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.errors import VerificationError
from optimizer.model.inventory import ProtectedItem
from optimizer.verifier.caps import check_caps
from optimizer.verifier.checked import Checked, Claims
from optimizer.verifier.policies import check_items, check_policies, check_policy_writes
from optimizer.verifier.rule_counts import Counting, check_left
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.single_vms import check_single_vms
from optimizer.verifier.stated_figures import check_figures
from optimizer.verifier.under_rules import CappedGroup, capped_groups, stays
from optimizer.verifier.window_clock import WindowClock
from optimizer.verifier.write_order import check_order

MOST_FAULTS_NAMED = 5
"""Number of faults that the error of a plan lists."""


def verify(checked: Checked, claims: Claims) -> list[str]:
    """All faults of a plan, in words; empty for a plan without faults."""
    faults = check_items(checked)
    if faults:
        return faults
    clock = WindowClock(checked.before)
    sets = SetRules(checked.before, checked.rules, clock)
    return [
        *check_policies(checked),
        *check_single_vms(checked, clock),
        *check_caps(checked, clock),
        *_check_sets(checked, clock, sets),
        *check_order(checked.before, checked.rules, checked.changes, clock, sets, _groups_of(checked)),
        *_check_moves(checked),
        *check_policy_writes(checked),
        *check_figures(checked, clock, claims),
    ]


def require_verified(checked: Checked, claims: Claims) -> None:
    """Refuse a plan in which the verifier finds faults.

    Raises
    ------
    VerificationError
        The plan has faults and must not be shown; the message contains the first ones.
    """
    faults = verify(checked, claims)
    if faults:
        more = f" (and {len(faults) - MOST_FAULTS_NAMED} more)" if len(faults) > MOST_FAULTS_NAMED else ""
        raise VerificationError(
            "the plan did not pass its verification and is not written; please report this as a bug: "
            + "; ".join(faults[:MOST_FAULTS_NAMED])
            + more
        )


def _groups_of(checked: Checked) -> Callable[[ProtectedItem], list[CappedGroup]]:
    return lambda item: capped_groups(checked.before, checked.rules, item)


def _check_sets(checked: Checked, clock: WindowClock, sets: SetRules) -> list[str]:
    """Check rules between sets of VMs; of a step of ``plan --toward``, that it breaks no more than it states."""
    if checked.left is None:
        return sets.broken(checked.options, settled=True)
    counting = Counting(checked.before, clock, sets, checked.rules_of, _groups_of(checked), stays)
    before, after = (counting.breaking(starts) for starts in (checked.today, checked.options))
    return [
        *sets.broken(checked.options, checked.today, settled=True),
        *check_left(before, after, checked.left),
    ]


def _check_moves(checked: Checked) -> list[str]:
    """Check that no more VMs move than the rules allow."""
    moved, most = sum(map(checked.moves, range(len(checked.starts)))), checked.rules.max_moves
    return [f"{moved} VMs move, allowed are {most}"] if most is not None and moved > most else []

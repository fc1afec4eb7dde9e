"""Use case: audit today's schedule."""

from __future__ import annotations

from optimizer.plan.audit import audit
from optimizer.plan.audit_document import Audit
from optimizer.plan.broken_rules import find_broken_rules
from optimizer.plan.case import Case
from optimizer.plan.credit_notes import notes_on_repetition
from optimizer.plan.estate_notes import notes_on_estate
from optimizer.plan.orders import order_gaps
from optimizer.plan.policy_notes import notes_on_policies
from optimizer.plan.rule_notes import notes_on_rpo
from optimizer.plan.rule_scope import idle_rules, notes_on_parts
from optimizer.plan.together import services_together
from optimizer.plan.weight_notes import notes_on_weights


def audit_case(case: Case) -> Audit:
    """Audit today's schedule, including the rules that it breaks."""
    broken = find_broken_rules(case.inventory, case.problem, case.snapshot_minutes)
    return audit(
        case.inventory,
        case.table.reported,
        case.rules,
        snapshot_minutes=case.snapshot_minutes,
        history_days=case.history_days,
        allowed=case.problem.restrictions.allowed,
        credited=case.table.own,
        broken_rules=broken if case.rules.rule else None,
        together=services_together(case, case.problem.instance.today),
        idle_rules=idle_rules(case.inventory, case.rules, ~case.problem.restrictions.movable),
        notes=(
            *notes_on_estate(case.inventory),
            *notes_on_repetition(case.table, case.forecast),
            *notes_on_weights(case.inventory, case.rules),
            *notes_on_parts(case.inventory, case.rules, ~case.problem.restrictions.movable),
            *notes_on_rpo(case.inventory, case.rules, case.problem.restrictions.movable),
            *notes_on_policies(case.inventory, case.rules),
        ),
        orders=order_gaps(case.inventory, case.rules, case.problem.instance.today, case.snapshot_minutes),
    )

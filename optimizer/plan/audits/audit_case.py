"""Audit of a case: today's schedule, the rules that it breaks, and notes."""

from __future__ import annotations

from optimizer.documents import Audit
from optimizer.plan.audits.audit import TodaysSchedule, audit
from optimizer.plan.audits.broken_rules import find_broken_rules
from optimizer.plan.audits.orders import order_gaps
from optimizer.plan.audits.rule_scope import idle_rules, notes_on_parts
from optimizer.plan.case import Case
from optimizer.plan.notes.credit_notes import notes_on_repetition
from optimizer.plan.notes.estate_notes import notes_on_estate
from optimizer.plan.notes.policy_notes import notes_on_policies
from optimizer.plan.notes.rule_notes import notes_on_rpo
from optimizer.plan.notes.weight_notes import notes_on_weights
from optimizer.plan.together import services_together


def audit_case(case: Case) -> Audit:
    """Audit today's schedule, including the rules that it breaks."""
    broken = find_broken_rules(case.inventory, case.problem)
    today = TodaysSchedule(
        case.inventory,
        case.table.reported,
        case.rules,
        history_days=case.history_days,
        allowed=case.problem.restrictions.allowed,
        credited=case.table.own,
    )
    return audit(
        today,
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
        orders=order_gaps(case.inventory, case.rules, case.problem.instance.today),
    )

"""The audit of a case says what today breaks, and adds the notes."""

from __future__ import annotations

from optimizer.model.rules import Rule, Rules
from optimizer.plan.audits.audit_case import audit_case
from tests.plan.three_vms import the_case


def test_a_case_is_audited_with_its_own_risk_and_history() -> None:
    """15 at-risk backups, one busy VM whose best start has none, and 28 days of history."""
    audit = audit_case(the_case())
    assert audit.totals.at_risk_per_month == 15.0
    assert audit.totals.at_risk_at_best == 0.0
    assert [vm.name for vm in audit.busy] == ["web-1"]
    assert audit.history == ()
    assert [service.service for service in audit.services_together] == ["shop"]


def test_broken_rules_are_looked_for_only_if_there_are_rules() -> None:
    """None means that nobody looked."""
    assert audit_case(the_case()).broken_rules is None
    rules = Rules(
        rule=(Rule(name="apart", separate=True, per="service"), Rule(name="idle", pin=True, where={"name": "x"}))
    )
    audit = audit_case(the_case().changed(rules=rules))
    assert [(broken.rule, len(broken.vms)) for broken in audit.broken_rules or ()] == [("apart", 2)]
    assert [idle.rule for idle in audit.idle_rules] == ["idle"]
    assert audit.num_rules == 2

"""An audit as data frames, and as it shows itself in a notebook."""

from __future__ import annotations

from optimizer.documents.audit_document import BrokenRule
from optimizer.model.rules import Rules
from optimizer.plan.audits.audit import TodaysSchedule, audit
from tests.report.small_estate import make_inventory, make_risk

INVENTORY = make_inventory()
AUDIT = audit(
    TodaysSchedule(INVENTORY, make_risk(INVENTORY), Rules()),
    broken_rules=(BrokenRule(rule="<nights>", demands=("forbid",), vms=("a",), never_written=0),),
)


def test_the_entries_are_data_frames() -> None:
    """One row per service, busy VM and vault, in the order of the audit."""
    services = AUDIT.services_frame()
    assert services["service"].to_list() == [one.service for one in AUDIT.services]
    assert services["overlaps_per_month"].sum() == sum(one.overlaps_per_month for one in AUDIT.services)
    assert AUDIT.busy_frame()["saving"].to_list() == [one.saving for one in AUDIT.busy]
    assert AUDIT.vaults_frame()["vms"].sum() == AUDIT.totals.vms


def test_an_audit_shows_itself() -> None:
    """Totals, broken rules and services; names are text."""
    shown = AUDIT._repr_html_()
    assert "30 VMs in 6 services on 2025-09-01" in shown
    assert "1 VM breaks rule &#x27;&lt;nights&gt;&#x27;." in shown
    assert f"<td>{AUDIT.services[0].service}</td>" in shown
    assert f">{AUDIT.totals.at_risk_per_month:.1f}<" in shown

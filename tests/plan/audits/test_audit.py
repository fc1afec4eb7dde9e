"""What the audit finds wrong today."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from optimizer.documents.audit_document import Audit
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import starts_today
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan.audits.audit import TodaysSchedule, audit, best_options
from tests.report.small_estate import AS_OF, make_inventory, make_risk

INVENTORY = make_inventory()
RISK = make_risk(INVENTORY)
ROWS = np.arange(len(INVENTORY.items))


def audit_of(rules: Rules | None = None) -> Audit:
    """Audit the small estate, of which VM n has n days of history."""
    return audit(TodaysSchedule(INVENTORY, RISK, rules or Rules(), history_days=ROWS))


def test_totals_add_up() -> None:
    """Risk is that of today's starts, services and backups are those of the inventory."""
    totals = audit_of().totals
    runs = sum(INVENTORY.policy(item).recurrence.runs_per_week for item in INVENTORY.items)
    assert (totals.vms, totals.vaults, totals.policies) == (30, 2, 5)
    assert totals.services == len({INVENTORY.vm(item).service for item in INVENTORY.items})
    assert totals.backups_per_month == pytest.approx(runs * 30 / 7)
    assert totals.at_risk_per_month == pytest.approx(sum(RISK[ROWS, starts_today(INVENTORY)]))
    assert totals.at_risk_at_best <= totals.at_risk_per_month


def test_services_come_with_the_most_crowded_first() -> None:
    """Pair-slots fall down the list, sum to the total, and the peak is one that occurs."""
    found = audit_of()
    pairs = [one.overlaps_per_month for one in found.services]
    assert pairs == sorted(pairs, reverse=True)
    assert sum(pairs) == pytest.approx(found.totals.overlaps_per_month)
    assert found.totals.peak_concurrency == max(one.peak_concurrency for one in found.services)
    assert all(1 <= one.peak_concurrency <= one.vms for one in found.services)


def test_busy_vms_are_those_at_risk_once_a_month() -> None:
    """Exactly the VMs with at least one at-risk backup in 30 days are listed, the largest saving first."""
    found = audit_of()
    today = RISK[ROWS, starts_today(INVENTORY)]
    assert {one.vm for one in found.busy} == {str(INVENTORY.items[v].vm_id) for v in ROWS if today[v] >= 1}
    assert [one.saving for one in found.busy] == sorted((one.saving for one in found.busy), reverse=True)
    assert all(one.saving == pytest.approx(one.risk_today - one.risk_best) for one in found.busy)


def test_best_option_is_allowed_and_never_worse_than_today() -> None:
    """Where rules leave nothing better, the best start is today's."""
    allowed = np.zeros((30, 48), dtype=np.bool_)
    allowed[:, 20:22] = True
    allowed[3] = False
    best, today = best_options(INVENTORY, RISK, allowed), starts_today(INVENTORY)
    assert all(best[v] == today[v] or allowed[v, best[v]] for v in ROWS)
    assert (RISK[ROWS, best] <= RISK[ROWS, today]).all()
    assert best[3] == today[3]


def test_best_option_of_an_hourly_policy_is_one_that_azure_accepts() -> None:
    """A window of 8 hours does not start after 16:00, however quiet the evening."""
    quiet_evening = np.ones((30, 48))
    quiet_evening[:, 40:] = 0
    best = best_options(INVENTORY, quiet_evening)
    hourly = [v for v in ROWS if INVENTORY.policy(INVENTORY.items[v]).name == "hourly"]
    assert hourly
    assert all(best[v] <= 32 for v in hourly)


@pytest.mark.parametrize(("limit", "state"), [(100, "near"), (97, "at"), (96, "over"), (108, None)])
def test_policy_limit_counts_items_that_the_estate_does_not_know(limit: int, state: str | None) -> None:
    """A policy that Azure says protects 97 items is judged by 97, whatever the estate holds of them."""
    found = audit_of(Rules(policies=PolicyLimits(max_vms_per_policy=limit)))
    states = {one.policy: one.state for one in found.policies if one.policy == "daily-0200"}
    assert states.get("daily-0200") == state


@pytest.mark.parametrize(("limit", "state"), [(200, "near"), (198, "at"), (197, "over"), (300, None)])
def test_vault_limit_counts_policies_of_other_workloads(limit: int, state: str | None) -> None:
    """Two policies of VMs and 196 of other workloads make 198."""
    found = audit_of(Rules(policies=PolicyLimits(max_policies_per_vault=limit)))
    assert {one.vault: one.state for one in found.vaults}["vault-2"] == state


def test_history_tells_none_from_too_little() -> None:
    """No day of load is no data; fewer than seven are too little data; seven are enough."""
    found = audit_of().history
    assert found is not None
    assert [(one.days, one.kind) for one in found] == [
        (0, "no data"), *((float(n), "too little data") for n in range(1, 7))
    ]  # fmt: skip
    assert audit(TodaysSchedule(INVENTORY, RISK, Rules())).history is None


def test_items_that_stay_say_why() -> None:
    """Azure's reasons, idle items, exclusions and pins are all told, several for one item together."""
    rules = Rules(
        rule=(
            Rule(name="keep databases", where=Selector(tag={"tier": "db"}), pin=True),
            Rule(name="not ours", where=Selector(name="vm-005"), exclude=True),
        )
    )
    why = {one.vm.rsplit("/", 1)[-1]: one.reason for one in audit_of(rules).unwritable}
    assert why["vm-stopped"] == "protection is stopped"
    assert why["vm-005"] == "the initial backup is pending; excluded by rule 'not ours'"
    assert why["vm-009"] == "pinned by rule 'keep databases'"
    assert "vm-010" not in why


def test_an_item_whose_policy_cannot_be_read_has_the_name_of_the_policy() -> None:
    """A policy that is not in the inventory is shown by its name, as every other, not by its ARM id."""
    (first, *others) = INVENTORY.items
    lost = replace(first, policy_id=f"{first.vault_id}/backupPolicies/quarterly", unwritable="cannot be planned")
    inventory = replace(INVENTORY, items=tuple(others), idle_items=(*INVENTORY.idle_items, lost))
    found = audit(TodaysSchedule(inventory, RISK[1:], Rules())).unwritable
    assert [one.policy for one in found if one.vm == first.vm_id] == ["quarterly"]


def test_zones_that_change_their_clocks_are_flagged() -> None:
    """Berlin is, at both of its offsets; UTC is not."""
    (berlin,) = audit_of().clock_changes
    assert (berlin.timezone, berlin.policies) == ("W. Europe Standard Time", 1)
    assert berlin.offsets == ("+02:00", "+01:00")


def test_starts_per_half_hour_are_a_mean_day() -> None:
    """The 48 figures sum to the backups of a mean day."""
    found = audit_of()
    assert len(found.starts_per_half_hour) == 48
    assert sum(found.starts_per_half_hour) * 30 == pytest.approx(found.totals.backups_per_month)


def test_audit_round_trips_through_json() -> None:
    """Everything that was found is in the JSON."""
    found = audit_of()
    assert Audit.model_validate_json(found.model_dump_json()) == found
    assert len(json.loads(found.model_dump_json())["busy"]) == found.totals.busy_vms


def test_an_empty_estate_has_nothing_wrong() -> None:
    """No items: figures of nought and empty lists."""
    empty = Inventory(as_of=AS_OF, vaults={}, policies={}, vms={}, items=())
    found = audit(TodaysSchedule(empty, np.zeros((0, 48)), Rules(), history_days=np.zeros(0)))
    assert found.totals.peak_concurrency == 0
    assert (found.services, found.busy, found.history, found.unwritable) == ((), (), (), ())


def test_wrong_shapes_are_refused() -> None:
    """An array with other rows than the inventory is the caller's mistake."""
    with pytest.raises(ValueError, match=r"risk has shape \(29, 48\); wanted \(30, 48\)"):
        audit(TodaysSchedule(INVENTORY, RISK[1:], Rules()))

"""Audits for a terminal."""

from __future__ import annotations

import re

import numpy as np
import pytest
from rich.console import RenderableType

from optimizer.documents.audit_document import BrokenRule
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan.audits.audit import TodaysSchedule, audit
from optimizer.report.terminal.audit import WORST, render_audit
from optimizer.report.terminal.sheet import to_text
from tests.report.fitting import assert_fits
from tests.report.small_estate import AS_OF, make_inventory, make_risk

INVENTORY = make_inventory()
AUDIT = audit(TodaysSchedule(INVENTORY, make_risk(INVENTORY), Rules(), history_days=np.arange(30)))
BROKEN = tuple(
    BrokenRule(
        rule=f"rule {number} with a name that says at length what it is for",
        demands=("max_concurrent",) if number else ("separate", "order"),
        vms=tuple(item.vm_id for item in INVENTORY.items[: 14 - number]),
        never_written=number % 2,
    )
    for number in range(WORST + 2)
)
BREAKING = AUDIT.model_copy(update={"broken_rules": BROKEN})
PAGES = {"audit": render_audit(AUDIT), "rules": render_audit(BREAKING)}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_pages_fit_the_terminal(page: RenderableType, ascii_only: bool, width: int) -> None:
    """No line is longer than the terminal is wide, and ASCII output is ASCII."""
    assert_fits(page, width, ascii_only=ascii_only)


def test_audit_shows_the_worst_and_says_how_many_there_are() -> None:
    """Ten of the busy VMs are drawn, the first first, with the number of all."""
    text = to_text(PAGES["audit"])
    assert f"({WORST} of {len(AUDIT.busy)} shown)" in text
    assert text.index(AUDIT.busy[0].name) < text.index(AUDIT.busy[WORST - 1].name)
    for title in ("the most overlap", "limit of VMs", "limit of policies", "too little load", "daylight saving"):
        assert title in text


def test_audit_names_the_broken_rules() -> None:
    """Each has its keys, how many VMs break it, how many of them stay and the first three; ten rules are shown."""
    text = to_text(PAGES["rules"], 200)
    assert f"Rules that today's schedule breaks ({WORST} of {len(BROKEN)} shown)" in text
    names = ", ".join(vm.rsplit("/", 1)[-1] for vm in BROKEN[0].vms[:3])
    assert re.search(rf"rule 0 with .* separate, order +14 +0 +{names} and 11 more", text)
    assert re.search(r"rule 1 with .* max_concurrent +13 +1 ", text)
    assert "rule 10 with" not in text


def test_audit_says_that_every_rule_holds_only_where_it_looked() -> None:
    """Kept rules are said to be; without rules nothing is said of them."""
    kept = "today's schedule keeps every rule"
    assert kept in to_text(render_audit(AUDIT.model_copy(update={"broken_rules": (), "num_rules": 2})))
    assert kept not in to_text(PAGES["audit"])
    assert kept not in to_text(PAGES["rules"])


def test_audit_of_an_empty_estate_says_what_is_fine() -> None:
    """Where nothing was found the report says what was looked for."""
    empty = Inventory(as_of=AS_OF, vaults={}, policies={}, vms={}, items=())
    text = to_text(
        render_audit(audit(TodaysSchedule(empty, np.zeros((0, 48)), Rules(), history_days=np.zeros(0)))), 500
    )
    assert "no two snapshots of a service overlap" in text
    assert "every VM has enough history" in text


def test_an_audit_calls_overlaps_fine_only_where_none_remain() -> None:
    """Snapshots that overlap only by the exact count are shown, and not called fine."""
    totals = AUDIT.totals.model_copy(update={"overlaps_per_month": 0.0, "overlaps_exact": 0.94})
    text = to_text(render_audit(AUDIT.model_copy(update={"totals": totals})))
    assert "no two snapshots of a service overlap" not in text
    assert "0.94  expected overlapping snapshots" in text

"""Limits that bind, for a terminal."""

from __future__ import annotations

from optimizer.plan.explanations.limit_prices import LimitPriceEntry
from optimizer.report.terminal.limits import render_limits
from optimizer.report.terminal.sheet import to_text
from optimizer.solve.problem.limits import LimitKind

VAULT_LIMIT = "the limit of policies per vault"


def price(name: str, kind: LimitKind, saves: float, vault: str | None = None) -> LimitPriceEntry:
    return LimitPriceEntry(
        name=name,
        kind=kind,
        vault=vault,
        was=3,
        to=4,
        saves=saves,
        at_risk_change=0.5,
        overlaps_change=-10 * saves,
    )


def test_the_vault_that_needs_policies_most_is_named() -> None:
    """Of the vaults without room the one whose VMs would gain most by a policy."""
    rows = [
        price("in turns", LimitKind.RULE, 2.0),
        price(VAULT_LIMIT, LimitKind.POLICIES_PER_VAULT, 1.25, "vault-b"),
        price(VAULT_LIMIT, LimitKind.POLICIES_PER_VAULT, 0.5, "vault-a"),
    ]
    text = to_text(render_limits(rows))
    assert "Vault that needs policies most: vault-b; one more would save 1.25 per 30 days." in text
    assert "policies in vault-a" in text
    assert "in turns" in text
    assert "needs policies most" not in to_text(
        render_limits([price(VAULT_LIMIT, LimitKind.POLICIES_PER_VAULT, 0.0, "vault-a")])
    )


def test_where_nothing_binds_that_is_said() -> None:
    """Silence would be mistaken for a failure."""
    assert "No limit binds" in to_text(render_limits([]))


def test_limits_whose_price_is_nothing_have_no_row() -> None:
    """What would be shown as 0.00 is counted and named in a sentence, beside rows and where there are none."""
    idle = [
        price("max_risk_increase", LimitKind.MAX_RISK_INCREASE, 0.004),
        price(VAULT_LIMIT, LimitKind.POLICIES_PER_VAULT, 0.0, "vault-a"),
    ]
    text = to_text(render_limits([price("in turns", LimitKind.RULE, 0.02), *idle]))
    assert "0.00" not in text.replace("0.005", "")
    assert (
        "2 further limits bind (max_risk_increase, policies in vault-a), but raising any of them by one would save "
        "less than 0.005 per 30 days."
    ) in " ".join(text.split())
    alone = to_text(render_limits(idle[:1]))
    assert "Limits that bind" not in alone
    assert "1 limit binds (max_risk_increase), but raising it by one would save less than 0.005" in " ".join(
        alone.split()
    )


def test_limits_show_changes_as_json_has_them() -> None:
    """A plan that would have fewer at-risk backups has them with a minus, here and there."""
    one = price("in turns", LimitKind.RULE, 2.0).model_copy(update={"at_risk_change": -1.5})
    (row,) = [line for line in to_text(render_limits([one])).splitlines() if "in turns" in line]
    assert row.split()[-3:] == ["2.00", "-1.50", "-20.0"]

"""Limits that bind: which have a row, and what is said about the others."""

from __future__ import annotations

import pytest

from optimizer.plan.explanations.limit_prices import LimitPriceEntry
from optimizer.report.wording.limit_prices import LEAST, limits_sentences, limits_table
from optimizer.solve.problem.limits import LimitKind


def price(name: str, saves: float, kind: LimitKind = LimitKind.RULE, vault: str | None = None) -> LimitPriceEntry:
    """Build the price of a limit."""
    return LimitPriceEntry(
        name=name, kind=kind, vault=vault, was=3, to=4, saves=saves, at_risk_change=-1.5, overlaps_change=12
    )


def test_a_limit_with_a_price_has_a_row() -> None:
    """Name, unit, both values, what it saves, and what changes; less than half a hundredth is no price."""
    table = limits_table([price("in turns", 2.0), price("idle", LEAST - 1e-6), price("at least", LEAST)])
    assert [row[0] for row in table.cells] == ["in turns", "at least"]
    assert table.cells[0] == ("in turns", "at once", "3", "4", "2.00", "-1.50", "12.0")


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        (LimitKind.MAX_MOVES, "moves"),
        (LimitKind.POLICY_WRITES, "policy writes"),
        (LimitKind.POLICIES_PER_VAULT, "new policies"),
        (LimitKind.MAX_RISK_INCREASE, "at-risk backups"),
    ],
)
def test_each_kind_of_limit_has_a_unit(kind: LimitKind, unit: str) -> None:
    """One more of what."""
    assert limits_table([price("x", 1.0, kind)]).cells[0][1] == unit


def test_limits_of_vaults_are_named_after_the_vault() -> None:
    """All vaults have the same limit, so its name would say nothing."""
    row = limits_table([price("the limit", 1.0, LimitKind.POLICIES_PER_VAULT, "weu-1")]).cells[0]
    assert row[0] == "policies in weu-1"


def test_sentences_name_the_vault_that_needs_most_and_what_has_no_row() -> None:
    """The vault with the largest saving; limits without a price are counted, and further ones if others have one."""
    vaults = [price("limit", saves, LimitKind.POLICIES_PER_VAULT, vault) for saves, vault in ((1.0, "a"), (2.5, "b"))]
    assert limits_sentences(vaults) == ["Vault that needs policies most: b; one more would save 2.50 per 30 days."]
    assert limits_sentences([*vaults, price("idle", 0.0)])[1] == (
        "1 further limit binds (idle), but raising it by one would save less than 0.005 per 30 days."
    )
    assert limits_sentences([price("one", 0.0), price("two", 0.0)]) == [
        "2 limits bind (one, two), but raising any of them by one would save less than 0.005 per 30 days."
    ]
    assert limits_sentences([]) == ["No limit binds: raising any of them by one allows nothing new."]

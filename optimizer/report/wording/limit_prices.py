"""Limits that bind in a plan, and the saving from raising each by one."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.phrases import some_of
from optimizer.plan import LimitPriceEntry
from optimizer.report.formats import plural
from optimizer.report.table import Column, Table, figure, number, text
from optimizer.solve import LimitKind

_ONE_MORE = {
    LimitKind.RULE: "at once",
    LimitKind.MAX_MOVES: "moves",
    LimitKind.POLICY_WRITES: "policy writes",
    LimitKind.POLICIES_PER_VAULT: "new policies",
    LimitKind.MAX_RISK_INCREASE: "at-risk backups",
}


LEAST = 0.005
"""A saving below this is shown as zero."""


def limits_table(prices: Sequence[LimitPriceEntry]) -> Table:
    """Table of the limits with a price: name, unit, present and raised value, and what changes."""
    columns: tuple[Column[LimitPriceEntry], ...] = (
        text("limit", _name, share=1),
        text("of", lambda price: _ONE_MORE[price.kind]),
        number("now", lambda price: f"{price.was:g}"),
        number("then", lambda price: f"{price.to:g}"),
        number("saves", lambda price: f"{price.saves:,.2f}"),
        figure("at risk", lambda price: price.at_risk_change),
        figure("overlaps", lambda price: price.overlaps_change),
    )
    note = (
        "each limit is raised by one, alone; saves: largest saving found, in cost per 30 days; at risk and "
        "overlaps: change per 30 days. Windows, pins, separate and order cannot be raised by one; "
        "'explain' shows what they cost a VM"
    )
    return Table.of("Limits that bind", columns, [price for price in prices if price.saves >= LEAST], note=note)


def limits_sentences(prices: Sequence[LimitPriceEntry]) -> list[str]:
    """Sentences about limits: the vault that needs policies most, and limits that do not deserve a row."""
    if not prices:
        return ["No limit binds: raising any of them by one allows nothing new."]
    idle = [price for price in prices if price.saves < LEAST]
    return [*_neediest_vault(prices), *_idle(idle, "limit" if len(idle) == len(prices) else "further limit")]


def _neediest_vault(prices: Sequence[LimitPriceEntry]) -> list[str]:
    vaults = [price for price in prices if price.vault is not None and price.saves >= LEAST]
    if not vaults:
        return []
    worst = max(vaults, key=lambda price: price.saves)
    return [f"Vault that needs policies most: {worst.vault}; one more would save {worst.saves:.2f} per 30 days."]


def _idle(idle: Sequence[LimitPriceEntry], noun: str) -> list[str]:
    """Limits that bind and save too little to be shown."""
    if not idle:
        return []
    binds, raised = ("binds", "raising it") if len(idle) == 1 else ("bind", "raising any of them")
    names = some_of([_name(price) for price in idle])
    return [
        f"{plural(len(idle), noun)} {binds} ({names}), but {raised} by one would save less than {LEAST} per 30 days."
    ]


def _name(price: LimitPriceEntry) -> str:
    return price.name if price.vault is None else f"policies in {price.vault}"

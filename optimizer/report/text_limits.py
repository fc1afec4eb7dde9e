"""Limits that bind in a plan, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.plan.limit_prices import LimitPriceEntry
from optimizer.report.typeset import Column, Glyphs, Page, Rows, decimals, number, table
from optimizer.solve.why_not.limits import LimitKind

_ONE_MORE = {
    LimitKind.RULE: "at once",
    LimitKind.MAX_MOVES: "moves",
    LimitKind.POLICY_WRITES: "policy writes",
    LimitKind.POLICIES_PER_VAULT: "new policies",
    LimitKind.MAX_RISK_INCREASE: "at-risk backups",
}


def render_limits(prices: Sequence[LimitPriceEntry]) -> Page:
    """Draw which limits bind and what one more of each would save, the dearest first."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        if prices:
            yield table(_limits(prices), glyphs, width)
            if starved := _starved(prices):
                yield Text(glyphs.clean(starved))
        else:
            yield Text()
            yield Text("No limit binds: loosening none of them by one would change what may be done.")

    return Page(build)


def _limits(prices: Sequence[LimitPriceEntry]) -> Rows:
    return Rows(
        title="Limits that bind",
        columns=(
            Column("limit", share=1),
            Column("of"),
            number("now"),
            number("then"),
            number("saves"),
            number("at risk"),
            number("pair-slots"),
        ),
        cells=list(
            zip(
                [one.name if one.vault is None else f"policies in {one.vault}" for one in prices],
                [_ONE_MORE[one.kind] for one in prices],
                [f"{one.was:g}" for one in prices],
                [f"{one.to:g}" for one in prices],
                decimals(one.saves for one in prices),
                decimals(-one.at_risk for one in prices),
                decimals(-one.pair_slots for one in prices),
                strict=True,
            )
        ),
        note=(
            "each loosened alone by one; saves: cost per 30 days, the most that the search found; then the change of "
            "at-risk backups per 30 days and of pair-slots per day. Windows, pins, separate and order have no one "
            "more: what they cost a VM is in explain"
        ),
    )


def _starved(prices: Sequence[LimitPriceEntry]) -> str:
    """Which vault is starved of policies, and what one more would bring."""
    vaults = [one for one in prices if one.vault is not None and one.saves >= 0.005]
    if not vaults:
        return ""
    worst = max(vaults, key=lambda one: one.saves)
    return f"Most starved of policies: {worst.vault}; one more would save {worst.saves:.2f} per 30 days."

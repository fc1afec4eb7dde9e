"""Limits that bind in a plan, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.model.phrases import some_of
from optimizer.plan import LimitPriceEntry
from optimizer.report.terminal.sheet import Column, Glyphs, Page, Rows, decimals, number, plural, table
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


def render_limits(prices: Sequence[LimitPriceEntry]) -> Page:
    """Render the limits that bind and what raising each by one would save, the largest saving first."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        rows = _limits(prices)
        if rows.cells:
            yield table(rows, glyphs, width)
        for sentence in limits_sentences(prices):
            yield Text()
            yield Text(glyphs.clean(sentence))

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
            number("overlaps"),
        ),
        cells=limit_cells(prices),
        note=(
            "each limit is raised by one, alone; saves: largest saving found, in cost per 30 days; at risk and "
            "overlaps: change per 30 days. Windows, pins, separate and order cannot be raised by one; "
            "'explain' shows what they cost a VM"
        ),
    )


def limit_cells(prices: Sequence[LimitPriceEntry]) -> list[tuple[str, ...]]:
    """Cells of the limits with a price: name, unit, present and raised value, and what changes."""
    worth = [one for one in prices if one.saves >= LEAST]
    return list(
        zip(
            [_name(one) for one in worth],
            [_ONE_MORE[one.kind] for one in worth],
            [f"{one.was:g}" for one in worth],
            [f"{one.to:g}" for one in worth],
            [f"{one.saves:,.2f}" for one in worth],
            decimals(one.at_risk_change for one in worth),
            decimals(one.overlaps_change for one in worth),
            strict=True,
        )
    )


def limits_sentences(prices: Sequence[LimitPriceEntry]) -> list[str]:
    """Sentences about limits: the vault that needs policies most, and limits that do not deserve a row."""
    if not prices:
        return ["No limit binds: raising any of them by one allows nothing new."]
    said = []
    vaults = [one for one in prices if one.vault is not None and one.saves >= LEAST]
    if vaults:
        worst = max(vaults, key=lambda one: one.saves)
        said.append(
            f"Vault that needs policies most: {worst.vault}; one more would save {worst.saves:.2f} per 30 days."
        )
    idle = [one for one in prices if one.saves < LEAST]
    if idle:
        raised = "raising it by one" if len(idle) == 1 else "raising any of them by one"
        which = f"({some_of([_name(one) for one in idle])}), but {raised} would save less than {LEAST} per 30 days"
        count = plural(len(idle), "limit" if len(idle) == len(prices) else "further limit")
        said.append(f"{count} {'binds' if len(idle) == 1 else 'bind'} {which}.")
    return said


def _name(one: LimitPriceEntry) -> str:
    return one.name if one.vault is None else f"policies in {one.vault}"

"""Limits that bind in a plan, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.plan import LimitPriceEntry
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.limit_prices import limits_sentences, limits_table


def render_limits(prices: Sequence[LimitPriceEntry]) -> Page:
    """Render the limits that bind and what raising each by one would save, the largest saving first."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        table = limits_table(prices)
        if table.cells:
            yield sheet.table(table)
        for sentence in limits_sentences(prices):
            yield Text()
            yield sheet.line(sentence)

    return Page(build)

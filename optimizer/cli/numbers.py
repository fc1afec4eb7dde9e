"""Numbers on the command line: what is none, or outside its range, is answered in words with what is allowed."""

from __future__ import annotations

import math
from typing import Any

import click

LARGEST = 2**31 - 1
"""Where nothing else is the most: the solvers hold counts and seeds in 32 bits."""


class WholeNumber(click.IntRange):
    """A whole number of a range that its ends belong to.

    Parameters
    ----------
    low, high
        The least and the most that are allowed; None: no more than :data:`LARGEST`, which is said where it matters.
    """

    name = "number"

    def __init__(self, low: int, high: int | None = None) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number.

        Raises
        ------
        click.BadParameter
            The text is no whole number, or one outside the range.
        """
        allowed = f"of at least {self.min:,}" if self.max is None else f"from {self.min:,} to {self.max:,}"
        try:
            found = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number {allowed}", param, ctx)
        if found > LARGEST:
            self.fail(f"{value!r} is too large; allowed: a whole number from {self.min:,} to {LARGEST:,}", param, ctx)
        return found


class Number(click.FloatRange):
    """A finite number of a range.

    Parameters
    ----------
    low, high
        Its ends; None: there is no upper one.
    open_low, open_high
        Whether an end is itself outside.
    """

    name = "number"

    def __init__(
        self, low: float, high: float | None = None, *, open_low: bool = False, open_high: bool = False
    ) -> None:
        super().__init__(low, high, min_open=open_low, max_open=open_high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number.

        Raises
        ------
        click.BadParameter
            The text is no number, or one outside the range.
        """
        try:
            found = super().convert(value, param, ctx)
        except click.BadParameter:
            found = math.nan
        if not math.isfinite(found):  # click finds nan inside every range, and inf inside one without an upper end
            self.fail(f"{value!r} is not a number {self._allowed()}", param, ctx)
        return found

    def _allowed(self) -> str:
        low = f"{'above' if self.min_open else 'of at least'} {self.min:,g}"
        return low if self.max is None else f"{low} and {'below' if self.max_open else 'at most'} {self.max:,g}"

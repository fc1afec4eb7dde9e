"""Number options that explain the allowed range when the value is invalid."""

from __future__ import annotations

import math
from typing import Any

import click

LARGEST = 2**31 - 1
"""Maximum where an option has no other: the solvers keep counts and seeds in 32 bits."""


class WholeNumber(click.IntRange):
    """A whole number of a range, which includes both ends.

    Parameters
    ----------
    low, high
        Minimum and maximum. None: the maximum is :data:`LARGEST`, which the message names only if it is exceeded.
    """

    name = "number"

    def __init__(self, low: int, high: int | None = None) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number.

        Raises
        ------
        click.BadParameter
            The text is not a whole number, or it is out of range.
        """
        allowed = f"of at least {self.min:,}" if self.max is None else f"from {self.min:,} to {self.max:,}"
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number {allowed}", param, ctx)
        if number > LARGEST:
            self.fail(f"{value!r} is too large; allowed: a whole number from {self.min:,} to {LARGEST:,}", param, ctx)
        return number


class Number(click.FloatRange):
    """A finite number of a range.

    Parameters
    ----------
    low, high
        Its ends. None: there is no upper end.
    open_low, open_high
        Whether the end does not belong to the range.
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
            The text is not a number, or it is out of range.
        """
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if not math.isfinite(number):  # click accepts nan in every range, and inf where there is no upper end
            self.fail(f"{value!r} is not a number {self._allowed()}", param, ctx)
        return number

    def _allowed(self) -> str:
        low = f"{'above' if self.min_open else 'of at least'} {self.min:,g}"
        return low if self.max is None else f"{low} and {'below' if self.max_open else 'at most'} {self.max:,g}"

"""Numbers of options: what is allowed, and what a message says about anything else."""

from __future__ import annotations

import math

import click
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.cli import cli
from optimizer.cli.numbers import LARGEST, Number, WholeNumber


@given(st.integers(-5, 15))
def test_whole_numbers_of_a_range_are_taken(value: int) -> None:
    """Both ends belong to the range, and nothing beyond them does."""
    kind = WholeNumber(1, 10)
    if 1 <= value <= 10:
        assert kind.convert(str(value), None, None) == value
    else:
        with pytest.raises(click.BadParameter, match=f"'{value}' is not a whole number from 1 to 10"):
            kind.convert(str(value), None, None)


@pytest.mark.parametrize("text", ["", "two", "1.5", "1e3", "nan"])
def test_what_is_not_a_whole_number_is_named(text: str) -> None:
    """The message repeats the value and says what is allowed."""
    with pytest.raises(click.BadParameter, match=f"'{text}' is not a whole number of at least 1,000"):
        WholeNumber(1000).convert(text, None, None)


def test_a_whole_number_fits_into_32_bits() -> None:
    """The solvers count in 32 bits, so a larger number is refused here and not there."""
    assert WholeNumber(0).convert(str(LARGEST), None, None) == LARGEST
    with pytest.raises(click.BadParameter, match="is too large; allowed: a whole number from 0 to 2,147,483,647"):
        WholeNumber(0).convert(str(LARGEST + 1), None, None)


@given(st.floats(-2, 2))
def test_an_open_end_is_outside(value: float) -> None:
    """The ends of a range belong to it unless they are open."""
    assume(not (value == 0 and math.copysign(1, value) < 0))
    closed, opened = Number(0, 1), Number(0, 1, open_low=True, open_high=True)
    for kind, inside in ((closed, 0 <= value <= 1), (opened, 0 < value < 1)):
        if inside:
            assert kind.convert(repr(value), None, None) == value
        else:
            with pytest.raises(click.BadParameter):
                kind.convert(repr(value), None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "much"])
@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Number(0), "of at least 0"),
        (Number(0, open_low=True), "above 0"),
        (Number(0, 100), "of at least 0 and at most 100"),
        (Number(0.1, 1, open_high=True), "of at least 0.1 and below 1"),
    ],
    ids=str,
)
def test_a_number_is_finite(kind: Number, allowed: str, text: str) -> None:
    """Infinity and "not a number" are refused with what is allowed."""
    with pytest.raises(click.BadParameter, match=f"{text!r} is not a number {allowed}$"):
        kind.convert(text, None, None)


def test_every_option_with_a_number_says_what_is_allowed() -> None:
    """No option takes a number in click's own words, which a planner does not read."""
    types = {
        type(option.type)
        for command in cli.commands.values()
        for option in command.params
        if isinstance(option.type, click.IntRange | click.FloatRange) or option.type in {click.INT, click.FLOAT}
    }
    assert types == {Number, WholeNumber}

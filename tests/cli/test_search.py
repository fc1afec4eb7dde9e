"""Options of a search, and what a command gets of them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from optimizer.cli.search import DEFAULT_GAP_PERCENT, SearchSettings, search_options
from optimizer.solve import Search


def settings_of(*args: str, **defaults: float) -> SearchSettings | str:
    """What a command gets, or what click answers."""
    given: list[SearchSettings] = []

    @click.command()
    @search_options(**defaults)  # type: ignore[arg-type]  # numbers only
    def command(search: SearchSettings) -> None:
        given.append(search)

    answer = CliRunner().invoke(command, args)
    return given[0] if given else answer.output


def test_the_defaults_are_those_of_the_search() -> None:
    """The command line repeats two defaults of the solver, which ``--help`` must not import."""
    assert settings_of() == {"seed": 0, "effort": 100, "gap": Search().gap, "time_limit_seconds": None}
    assert Search().gap == DEFAULT_GAP_PERCENT / 100
    assert Search().effort == 100


@pytest.mark.parametrize(
    ("args", "gap"), [(("--prove",), 0.0), (("--gap", "0"), 0.0), (("--gap", "2"), 0.02), ((), 0.001)]
)
def test_a_gap_is_given_in_percent(args: tuple[str, ...], gap: float) -> None:
    """``--prove`` is a gap of 0; without either, the command's own default counts."""
    settings = settings_of(*args, gap_percent=0.1)
    assert isinstance(settings, dict)
    assert settings["gap"] == pytest.approx(gap)


def test_the_other_options_are_handed_on() -> None:
    """Seed, effort and time limit arrive under the names of the Python API."""
    assert settings_of("--seed", "7", "--effort", "25", "--time-limit", "1.5", "--gap", "1") == {
        "seed": 7,
        "effort": 25,
        "gap": 0.01,
        "time_limit_seconds": 1.5,
    }


@pytest.mark.parametrize(
    ("args", "answer"),
    [
        (("--prove", "--gap", "1"), "--prove is the same as --gap 0; give one of them"),
        (("--gap", "101"), "'101' is not a number of at least 0 and at most 100"),
        (("--effort", "0"), "'0' is not a whole number from 1 to 10,000"),
        (("--time-limit", "0"), "'0' is not a number above 0"),
    ],
)
def test_what_is_not_allowed_is_named(args: tuple[str, ...], answer: str) -> None:
    """Contradictions and values out of range are wrong usage."""
    assert answer in str(settings_of(*args))

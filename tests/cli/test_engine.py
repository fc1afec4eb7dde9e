"""Options that say where the work runs."""

from __future__ import annotations

import logging

import click
import pytest
from click.testing import CliRunner

from optimizer.cli.engine import EngineChoice, engine_options


def choice_of(*args: str) -> EngineChoice | str:
    """What a command gets, or what click answers."""
    given: list[EngineChoice] = []

    @click.command()
    @engine_options
    def command(engine: EngineChoice) -> None:
        given.append(engine)

    answer = CliRunner().invoke(command, args)
    return given[0] if given else answer.output


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), EngineChoice("local", None)),
        (("--processes", "3"), EngineChoice("local", 3)),
        (("--engine", "dask"), EngineChoice("dask", None)),
        (("--engine", "tls://scheduler:8786"), EngineChoice("tls://scheduler:8786", None)),
    ],
)
def test_an_engine_is_chosen_by_name_or_address(args: tuple[str, ...], expected: EngineChoice) -> None:
    """Processes of this machine are the default."""
    assert choice_of(*args) == expected


@pytest.mark.parametrize(
    ("args", "answer"),
    [
        (("--engine", "spark"), "'spark' is not an engine; allowed: local, dask, or a Dask scheduler such as"),
        (("--engine", "dask", "--processes", "2"), "--processes is for --engine local"),
        (("--processes", "0"), "'0' is not a whole number of at least 1"),
    ],
)
def test_what_is_not_an_engine_is_named(args: tuple[str, ...], answer: str) -> None:
    """Nothing is started for a name that does not exist."""
    assert answer in str(choice_of(*args))


def test_an_engine_of_one_process_is_opened() -> None:
    """Opening the choice gives an engine that works, and leaves the log of Dask alone."""
    log = logging.getLogger("distributed.worker")
    before = log.level
    with EngineChoice("local", 1).open() as engine:
        assert engine.name != "dask"
    assert log.level == before

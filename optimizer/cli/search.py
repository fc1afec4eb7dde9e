"""Options that say how much work the search for a schedule is, wherever one is searched for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypedDict

import click

from optimizer.cli.numbers import Number, WholeNumber

DEFAULT_SEED = 0
"""Of every search that is given no other."""


class SearchSettings(TypedDict):
    """What :func:`optimizer.workflow.make_plan` and its like take of these options, by their names for it."""

    seed: int
    effort: int
    time_limit_seconds: float | None


def search_options(
    seed: int = DEFAULT_SEED, seed_help: str = "Random seed of the search."
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--seed``, ``--effort`` and ``--time-limit``; the command gets :class:`SearchSettings` as ``search``.

    Parameters
    ----------
    seed, seed_help
        Default of ``--seed``, and what it is the seed of.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--seed", type=WholeNumber(0), default=seed, show_default=True, help=seed_help)
        @click.option(
            "--effort",
            type=WholeNumber(1, 10_000),
            default=100,
            show_default=True,
            help="Amount of search work. Twice the effort takes about twice as long.",
        )
        @click.option(
            "--time-limit",
            type=Number(0, open_low=True),
            metavar="SECONDS",
            help="Stop the search after this time. The plan is valid, but another run may give a different one.  "
            "[default: no limit]",
        )
        @wraps(command)
        def with_search(*args: Any, seed: int, effort: int, time_limit: float | None, **kwargs: Any) -> object:
            settings = SearchSettings(seed=seed, effort=effort, time_limit_seconds=time_limit)
            return command(*args, search=settings, **kwargs)

        return with_search

    return add

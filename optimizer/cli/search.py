"""Options that limit the work of a search for a schedule, for every command that searches."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypedDict

import click

from optimizer.cli.numbers import Number, WholeNumber

DEFAULT_SEED = 0
"""Seed of every search that is given no other."""

DEFAULT_GAP_PERCENT = 0.5
"""Default of ``--gap``, as in :mod:`optimizer.solve.effort.search_settings`, which ``--help`` must not import."""


class SearchSettings(TypedDict):
    """Keyword arguments for :func:`optimizer.workflow.make_plan` and other functions that search."""

    seed: int
    effort: int
    gap: float
    time_limit_seconds: float | None


def search_options(
    seed: int = DEFAULT_SEED,
    seed_help: str = "Random seed of the search.",
    gap_percent: float = DEFAULT_GAP_PERCENT,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a search; the command gets :class:`SearchSettings` as ``search``.

    They are ``--seed``, ``--gap``, ``--prove``, ``--effort`` and ``--time-limit``.

    Parameters
    ----------
    seed, seed_help
        Default and help text of ``--seed``.
    gap_percent
        Default of ``--gap``, in percent.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--seed", type=WholeNumber(0), default=seed, show_default=True, help=seed_help)
        @click.option(
            "--gap",
            type=Number(0, 100),
            metavar="PERCENT",
            help="Stop the search when at most this share of the possible improvement over today's schedule is left "
            "to find. Where today's schedule breaks rules: this share of the plan's cost.  "
            f"[default: {gap_percent:g}]",
        )
        @click.option(
            "--prove",
            is_flag=True,
            help="Go on until the plan is proven optimal or the effort is used up. Same as --gap 0.",
        )
        @click.option(
            "--effort",
            type=WholeNumber(1, 10_000),
            default=100,
            show_default=True,
            help="Maximum amount of search work. The search doubles its work (25, 50, 100, 200 ...) as long as that "
            "does not exceed this number. More effort continues the same search, so the plan is never worse.",
        )
        @click.option(
            "--time-limit",
            type=Number(0, open_low=True),
            metavar="SECONDS",
            help="Stop the search after this time. The plan is valid, but another run may give a different one.  "
            "[default: no limit]",
        )
        @wraps(command)
        def with_search(
            *args: Any,
            seed: int,
            gap: float | None,
            prove: bool,
            effort: int,
            time_limit: float | None,
            **kwargs: Any,
        ) -> object:
            if prove and gap is not None:
                raise click.UsageError("--prove is the same as --gap 0; give one of them")
            percent = 0.0 if prove else gap_percent if gap is None else gap
            settings = SearchSettings(seed=seed, effort=effort, gap=percent / 100, time_limit_seconds=time_limit)
            return command(*args, search=settings, **kwargs)

        return with_search

    return add

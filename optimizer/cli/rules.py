"""Options for the rules of a plan and for the limits that narrow them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.console import FILE
from optimizer.cli.numbers import WholeNumber

if TYPE_CHECKING:
    from optimizer.model.rules import Rules


def load_rules(path: Path | None) -> Rules:
    """Rules of a file, or the defaults."""
    from optimizer.config import read_rules
    from optimizer.model.rules import Rules

    return read_rules(path) if path is not None else Rules()


def rules_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--rules`` and the limits that replace those of the rules; the command gets the result as ``rules``.

    The limits are ``--max-moves``, ``--max-policy-writes`` and ``--budget-days``.
    """

    @click.option("--rules", "rules_file", type=FILE, help="Rules file (TOML). See data/rules for examples.")
    @click.option("--max-moves", type=WholeNumber(0), help="Maximum number of VMs to move.  [default: from the rules]")
    @click.option(
        "--max-policy-writes",
        type=WholeNumber(0),
        help="Maximum number of policies to create or edit.  [default: from the rules]",
    )
    @click.option(
        "--budget-days",
        type=WholeNumber(1),
        metavar="DAYS",
        help="Number of days within which all policy writes must fit, at max_writes_per_day each day.  "
        "[default: from the rules]",
    )
    @wraps(command)
    def with_rules(
        *args: Any,
        rules_file: Path | None,
        max_moves: int | None,
        max_policy_writes: int | None,
        budget_days: int | None,
        **kwargs: Any,
    ) -> object:
        limits = {"max_moves": max_moves, "max_policy_writes": max_policy_writes, "budget_days": budget_days}
        given = {key: value for key, value in limits.items() if value is not None}
        return command(*args, rules=load_rules(rules_file).model_copy(update=given), **kwargs)

    return with_rules


def history_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--history``; the command gets the paths as ``history``."""
    return click.option(
        "--history",
        "history",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE|DIR",
        help="Journal of an earlier 'apply', an applied plan, or a folder of journals. VMs that moved recently stay "
        "unless moving them again clearly pays. Repeatable.",
    )(command)

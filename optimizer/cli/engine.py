"""Options that select the engine for the work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.numbers import WholeNumber

if TYPE_CHECKING:
    from optimizer.engine import Engine


class EngineName(click.ParamType[str]):
    """``local``, ``dask``, or the address of a Dask scheduler."""

    name = "engine"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it is.

        Raises
        ------
        click.BadParameter
            There is no such engine.
        """
        text = str(value)
        if text not in {"local", "dask"} and "://" not in text:
            self.fail(
                f"{text!r} is not an engine; allowed: local, dask, or a Dask scheduler such as tls://scheduler:8786",
                param,
                ctx,
            )
        return text


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that a user asked for; started when it is opened.

    Parameters
    ----------
    kind, processes
        See :func:`optimizer.engine.open_engine`.
    """

    kind: str
    processes: int | None

    @contextmanager
    def open(self) -> Iterator[Engine]:
        """Start or join it.

        Raises
        ------
        EngineError
            It cannot be used.
        """
        from optimizer.engine import open_engine

        with open_engine(self.kind, processes=self.processes) as engine:
            if engine.name == "dask":
                _silence_dask()
            yield engine


def _silence_dask() -> None:
    """Keep Dask's log off the screen: lost tasks are repeated, and a task that cannot be is reported once."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--engine`` and ``--processes``; the command gets an :class:`EngineChoice` as ``engine``."""

    @click.option(
        "--engine",
        "kind",
        type=EngineName(),
        metavar="local|dask|ADDRESS",
        default="local",
        show_default=True,
        help="Where to compute: 'local' uses processes on this machine, 'dask' the cluster named by "
        "DASK_SCHEDULER_ADDRESS, and an address such as tls://scheduler:8786 that scheduler. The result is the same. "
        "Dask runs pickled code: use only a cluster that you trust, with TLS (docs/dask.md).",
    )
    @click.option(
        "--processes",
        type=WholeNumber(1),
        metavar="N",
        help="Maximum number of processes of --engine local. 1 uses no others.  [default: one per core]",
    )
    @wraps(command)
    def with_engine(*args: Any, kind: str, processes: int | None, **kwargs: Any) -> object:
        if processes is not None and kind != "local":
            raise click.UsageError("--processes is for --engine local; the workers of Dask are started with Dask")
        return command(*args, engine=EngineChoice(kind, processes), **kwargs)

    return with_engine

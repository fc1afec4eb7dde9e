"""What the core needs of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # numpy comes with it, and the command line needs the protocols for every --help
    from optimizer.model.load import DayLoad


class LoadSource(Protocol):
    """History of load, one UTC day at a time."""

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        ...

    def read_day(self, day: date) -> DayLoad:
        """Load of every VM that has any on this day; VMs sorted by id."""
        ...


class Progress(Protocol):
    """Where a long computation says how far it is; the command line draws it."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Report ``done`` of ``total`` steps of a stage."""
        ...


def no_progress(stage: str, done: int, total: int, note: str = "") -> None:
    """A :class:`Progress` that says nothing."""

"""Errors of a roll-out."""

from __future__ import annotations

from optimizer.errors import OptimizerError


class ApplyError(OptimizerError):
    """A roll-out that cannot begin or continue; nothing was written after the last line of the journal."""


class BusyError(ApplyError):
    """Another ``apply`` or ``rollback`` is running."""


class ClockError(ApplyError):
    """The clocks of this machine and the service differ, or the service's time is unknown; nothing was written."""


class JournalError(ApplyError):
    """A journal that cannot be read, or that belongs to another plan, command or object."""

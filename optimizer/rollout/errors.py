"""Errors of a roll-out."""

from __future__ import annotations

from optimizer.errors import OptimizerError


class ApplyError(OptimizerError):
    """A roll-out that cannot be begun or carried on; nothing was written since the last line of the journal."""


class BusyError(ApplyError):
    """Another apply or rollback is at work."""


class ClockError(ApplyError):
    """The clocks of this machine and of the service differ, or the service's is not known; nothing was written."""


class JournalError(ApplyError):
    """A journal that cannot be read, or that belongs to something else."""

"""The plain errors of the package; the command line catches :class:`OptimizerError` and only this.

OptimizerError
    ConfigError             rules file: file, key, value, what is allowed
    DataError               an input that cannot be used: file, VM, time, value, what is allowed
    EstateError             an estate folder that cannot be read or written
    VerificationError       a schedule that the verifier refuses: never shown as a plan
    NoScheduleError         (solve) no schedule satisfies the rules; carries the rules in conflict
    NotFoundWithinEffortError  (solve) none was found, nor was it proven that there is none
    PlanError               (plan)
        PlanFormatError     a file that is not a plan
        StalePlanError      the estate is no longer the one that the plan was made for
"""

from __future__ import annotations

__all__ = ["ConfigError", "DataError", "EstateError", "OptimizerError", "VerificationError"]


class OptimizerError(Exception):
    """Root of all errors that a user can cause and mend; ``exit_code`` is that of the command line."""

    exit_code = 1


class ConfigError(OptimizerError):
    """A rules file that cannot be used: names file, key, value and what is allowed."""


class DataError(OptimizerError):
    """Input data that cannot be used: names file, object, value and what is allowed."""


class EstateError(OptimizerError):
    """An estate folder that cannot be read or written."""


class VerificationError(OptimizerError):
    """A result that breaks a limit or misstates a figure, found by the independent verifier."""

"""Errors that a user can cause and correct; the command line catches only :class:`OptimizerError`.

OptimizerError
    ConfigError             a rules file with a mistake: names file, key, value and what is allowed
        UsageError          an option with a value that is not allowed (exit code 2)
    DataError               an input that cannot be used: names file, VM, time, value and what is allowed
    EstateError             an estate folder that cannot be read or written
    EngineError             work that could not be distributed over processes or machines
    VerificationError       a schedule that the verifier refuses; it is never shown as a plan
    NoScheduleError         (solve) no schedule satisfies the rules; carries the conflicts and ways out
    NotFoundWithinEffortError  (solve) the search found no schedule, but did not prove that none exists
    PlanError               a plan that cannot be used
        PlanFormatError     a file that is not a plan
        StalePlanError      the estate has changed since the plan was made
    ApplyError              a roll-out that cannot begin or continue
        BusyError           another run is active
        ClockError          the clocks of this machine and the service differ
        JournalError        a journal that cannot be read, or that belongs to another plan, command or object
    CloudError              the service refused or failed; the Azure adapter translates all errors in one place
        AuthError           no sign-in, or the sign-in was refused (401)
        ForbiddenError      a missing right (403); the message names it
        NotFoundError       no such object (404)
        ConflictError       another operation is in progress on the object (some 409, ObjectLocked, 412)
        ThrottledError      too many requests (429); not carried out
        NotSentError        no connection: nothing was sent
        RejectedError       the service understood and refused (other 4xx, failed operation); not carried out
        UncertainError      connection lost, 5xx or timeout: it is not known whether the request was carried out
"""

from __future__ import annotations

__all__ = [
    "ApplyError",
    "AuthError",
    "BusyError",
    "ClockError",
    "CloudError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "EngineError",
    "EstateError",
    "ForbiddenError",
    "JournalError",
    "NotFoundError",
    "NotSentError",
    "OptimizerError",
    "PlanError",
    "PlanFormatError",
    "RejectedError",
    "StalePlanError",
    "ThrottledError",
    "UncertainError",
    "UsageError",
    "VerificationError",
]


class OptimizerError(Exception):
    """Base class of all errors that a user can cause and correct; ``exit_code`` is for the command line."""

    exit_code = 1


class ConfigError(OptimizerError):
    """A rules file that cannot be used; the message names file, key, value and what is allowed."""


class UsageError(ConfigError):
    """An option with a value that no data would allow; the message names option, value and what is allowed."""

    exit_code = 2


class DataError(OptimizerError):
    """Input data that cannot be used; the message names file, object, value and what is allowed."""


class EstateError(OptimizerError):
    """An estate folder that cannot be read or written."""


class EngineError(OptimizerError):
    """Processes or a cluster that cannot be used: not installed, not reachable, set up differently, or killed."""


class VerificationError(OptimizerError):
    """A result that breaks a limit or states a wrong figure, as found by the independent verifier."""


class PlanError(OptimizerError):
    """A plan that cannot be used."""


class PlanFormatError(PlanError):
    """A file that is not a plan, or a plan of a version that this program does not know."""


class StalePlanError(PlanError):
    """The estate is not the one that the plan was made for; the message states what differs."""

    exit_code = 4


class ApplyError(OptimizerError):
    """A roll-out that cannot begin or continue; nothing was written after the last line of the journal."""


class BusyError(ApplyError):
    """Another ``apply`` or ``rollback`` is running."""


class ClockError(ApplyError):
    """The clocks of this machine and the service differ, or the service's time is unknown; nothing was written."""


class JournalError(ApplyError):
    """A journal that cannot be read, or that belongs to another plan, command or object."""


class CloudError(OptimizerError):
    """The cloud service refused or failed.

    Parameters
    ----------
    message
        What was requested for which object, what the service answered, and what to do; never a token or a signed URL.
    code
        Error code of the service; empty if the answer had none.
    status
        HTTP status of the answer; None if no answer arrived.
    retry_after_seconds
        Number of seconds that the service asks to wait; None if it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class AuthError(CloudError):
    """No sign-in, or the sign-in was refused; not raised if the network prevents signing in."""


class ForbiddenError(CloudError):
    """A missing right; the message names it."""


class NotFoundError(CloudError):
    """An object that does not exist."""


class ConflictError(CloudError):
    """An object whose state does not allow the request now, e.g. a running operation; nothing was carried out."""


class ThrottledError(CloudError):
    """Too many requests; nothing was carried out."""


class NotSentError(CloudError):
    """No connection could be made, so no request was sent; nothing was carried out."""


class RejectedError(CloudError):
    """The service understood the request and refused it, or its operation failed; nothing was carried out."""


class UncertainError(CloudError):
    """The connection was lost or the service failed; it is not known whether the request was carried out."""

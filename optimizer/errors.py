"""The plain errors of the package; the command line catches :class:`OptimizerError` and only this.

OptimizerError
    ConfigError             rules file: file, key, value, what is allowed
        UsageError          an option with a value that it cannot have (exit code 2)
    DataError               an input that cannot be used: file, VM, time, value, what is allowed
    EstateError             an estate folder that cannot be read or written
    EngineError             work that could not be spread over processes or machines
    VerificationError       a schedule that the verifier refuses: never shown as a plan
    NoScheduleError         (solve) no schedule satisfies the rules; carries conflicts and ways out
    NotFoundWithinEffortError  (solve) none was found, nor was it proven that there is none
    PlanError               (plan)
        PlanFormatError     a file that is not a plan
        StalePlanError      the estate is no longer the one that the plan was made for
    ApplyError              (rollout) a roll-out that cannot be begun or carried on
    CloudError              the service refused or failed; the Azure adapter translates at one door
        AuthError           nobody is signed in, or the sign-in was refused (401)
        ForbiddenError      a right is missing (403); names it
        NotFoundError       no such object (404)
        ConflictError       not now: another operation is in progress on the object (some 409, ObjectLocked, 412)
        ThrottledError      too many requests (429); was not carried out
        NotSentError        no connection came about: nothing was sent
        RejectedError       the service understood and refused (other 4xx, failed operation); was not carried out
        UncertainError      connection lost, 5xx, time-out: it is not known whether it was carried out
"""

from __future__ import annotations

__all__ = [
    "AuthError",
    "CloudError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "EngineError",
    "EstateError",
    "ForbiddenError",
    "NotFoundError",
    "NotSentError",
    "OptimizerError",
    "RejectedError",
    "ThrottledError",
    "UncertainError",
    "UsageError",
    "VerificationError",
]


class OptimizerError(Exception):
    """Root of all errors that a user can cause and correct; ``exit_code`` is that of the command line."""

    exit_code = 1


class ConfigError(OptimizerError):
    """A rules file that cannot be used: names file, key, value and what is allowed."""


class UsageError(ConfigError):
    """An option with a value that it cannot have, whatever the data; names option, value and what is allowed."""

    exit_code = 2


class DataError(OptimizerError):
    """Input data that cannot be used: names file, object, value and what is allowed."""


class EstateError(OptimizerError):
    """An estate folder that cannot be read or written."""


class EngineError(OptimizerError):
    """Processes or a cluster that cannot be used: not installed, not reached, set up otherwise, or killed."""


class VerificationError(OptimizerError):
    """A result that breaks a limit or misstates a figure, found by the independent verifier."""


class CloudError(OptimizerError):
    """The cloud service refused or failed.

    Parameters
    ----------
    message
        What was asked of which object, what the service answered, what to do; never a token or a signed URL.
    code
        The service's own error code, empty where it gave none.
    status
        HTTP status of the answer; None if no answer came.
    retry_after_seconds
        How long the service asks to wait; None if it does not say.
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
    """Nobody is signed in, or the sign-in was refused; not raised where the network is in the way."""


class ForbiddenError(CloudError):
    """A right is missing; the message names it."""


class NotFoundError(CloudError):
    """There is no such object."""


class ConflictError(CloudError):
    """The object's state does not allow it now, e.g. another operation is in progress; nothing was carried out."""


class ThrottledError(CloudError):
    """Too many requests; nothing was carried out."""


class NotSentError(CloudError):
    """No connection came about, so no request was sent; nothing was carried out."""


class RejectedError(CloudError):
    """The service understood the request and refused it, or its operation failed; nothing was carried out."""


class UncertainError(CloudError):
    """The connection was lost or the service failed: it is not known whether the request was carried out."""

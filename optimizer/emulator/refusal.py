"""How the service refuses: status, code and message of an answer that is none of success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INVALID_POLICY = (
    "Input for create or update policy is not in proper format. Please check format of parameters like schedule "
    "time, schedule days, retention time and retention days"
)
OBJECT_LOCKED = "Another operation is in progress on the selected item."
GUARD_EMPTY = "ResourceGuard Operation requestid is either null or empty"


class Refusal(Exception):  # noqa: N818  # it is an answer of the service, not an error of the program
    """An answer of 400 or more.

    Parameters
    ----------
    status
        HTTP status.
    code, message
        As in the body; codes without a recording are the emulator's own.
    headers
        Of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Body as ARM writes it."""
        return {"error": {"code": self.code, "message": self.message}}


def invalid_policy() -> Refusal:
    """A policy that the service does not accept; the recorded message does not say why."""
    return Refusal(400, "BMSUserErrorInvalidPolicyInput", INVALID_POLICY)


def not_found(object_id: str) -> Refusal:
    """There is no such object."""
    name = object_id.rpartition("/")[2]
    return Refusal(404, "ResourceNotFound", f"The Resource '{name}' under '{object_id}' was not found.")


def locked() -> Refusal:
    """Another operation is in progress on the object."""
    return Refusal(409, "BMSUserErrorObjectLocked", OBJECT_LOCKED)


def forbidden(action: str, scope: str) -> Refusal:
    """A right is missing."""
    return Refusal(
        403,
        "AuthorizationFailed",
        f"The client 'emulated' with object id '00000000-0000-0000-0000-000000000000' does not have authorization to "
        f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials.",
    )


def throttled(code: str, message: str, retry_after: float | None = None) -> Refusal:
    """Too many requests."""
    return Refusal(429, code, message, {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})

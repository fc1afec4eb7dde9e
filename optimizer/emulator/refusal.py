"""Refusals of the service: status, code and message of an unsuccessful answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.model.arm_id import ArmId

INVALID_POLICY = (
    "Input for create or update policy is not in proper format. Please check format of parameters like schedule "
    "time, schedule days, retention time and retention days"
)
OBJECT_LOCKED = "Another operation is in progress on the selected item."
GUARD_EMPTY = "ResourceGuard Operation requestid is either null or empty"


class Refusal(Exception):  # noqa: N818  # it is an answer of the service, not an error of the program
    """An answer with a status of 400 or more.

    Parameters
    ----------
    status
        HTTP status.
    code, message
        Code and message in the body; codes that were not recorded from the service are the emulator's own.
    headers
        Headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Body in the format of ARM."""
        return {"error": {"code": self.code, "message": self.message}}


def invalid_policy() -> Refusal:
    """Refusal of a policy that is not acceptable; the recorded message does not state the reason."""
    return Refusal(400, "BMSUserErrorInvalidPolicyInput", INVALID_POLICY)


def not_found(object_id: str) -> Refusal:
    """Refusal because the object does not exist."""
    name = ArmId(object_id).name
    return Refusal(404, "ResourceNotFound", f"The Resource '{name}' under '{object_id}' was not found.")


def locked() -> Refusal:
    """Refusal because another operation is in progress on the object."""
    return Refusal(409, "BMSUserErrorObjectLocked", OBJECT_LOCKED)


def forbidden(action: str, scope: str) -> Refusal:
    """Refusal because a right is missing."""
    return Refusal(
        403,
        "AuthorizationFailed",
        f"The client 'emulated' with object id '00000000-0000-0000-0000-000000000000' does not have authorization to "
        f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials.",
    )


def throttled(code: str, message: str, retry_after: float | None = None) -> Refusal:
    """Refusal because of too many requests."""
    return Refusal(429, code, message, {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})

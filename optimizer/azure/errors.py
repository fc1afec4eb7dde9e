"""The only place that translates errors of the Azure packages, by class and status code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from azure.core import exceptions as azure

from optimizer.azure.permissions import how_to_get
from optimizer.azure.pipeline import StrayError
from optimizer.azure.sign_in import HOW_TO_SIGN_IN, network_advice, network_failure, refusal
from optimizer.azure.waits import asked_seconds, blocked_seconds
from optimizer.errors import (
    AuthError,
    CloudError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UncertainError,
)
from optimizer.model.caseless import Caseless
from optimizer.model.clock import SYSTEM_CLOCK

_LONGEST_TEXT = 600
"""Maximum length, in characters, of the service's own text in a message."""

_SECRET = re.compile(
    r"""(?ix)
    (?P<url>https?://[^\s"'<>?]+)\?[^\s"'<>]*\bsig=[^\s"'<>]*  # a signed URL: its whole query
    | \b(?P<name>sig|signature|sas|sharedaccesskey|sharedaccesssignature|accountkey|client_?secret|client_assertion
        |password|pwd|access_?token|refresh_?token|id_?token)["']?\s*[=:]\s*["']?[^\s"',;&}]+
    | \b(?P<scheme>bearer|basic)\s+[\w.~+/=-]{8,}
    | \b(?P<header>(?:x-ms-)?authorization(?:-auxiliary)?)["']?\s*[=:]\s*[^\s,;}]+(?:\s+[\w.~+/=-]{8,})?
    | \beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?  # a token
    """
)

_ACTION = re.compile(r"perform action '([^']+)'")
_SCOPE = re.compile(r"(?:over scope|linked scope\(s\)) '(?P<scope>[^']+)'")

_REFUSED = {
    "scopelocked": "a lock forbids it: remove the lock, or leave this vault out",
    "missingsubscriptionregistration": "the subscription does not use Azure Backup: leave it out",
    "bmsusererrorinvalidpolicyinput": "the service does not accept the policy: check its times, days and retention",
    "usererroroperationdeniedonimmutableitem": "the vault is immutable, and retention would shrink: leave it out",
    "requestdisallowedbypolicy": "an Azure Policy of your organization forbids it: ask for an exemption",
}
"""Advice by error code in lower case, for refusals that waiting does not resolve, whatever their status is."""

_REFUSAL_CODE = re.compile(r"invalid|unsupported|not(?:supported|allowed)|disallowed|denied|unauthori[sz]ed")
"""Codes of refusals. A number of days in their text is a value that is not allowed, never a time to wait."""

_BUSY = "another operation is in progress on it: try again later"
_BUSY_CODE = re.compile(r"objectlocked|operationinprogress|anotheroperation|conflictingoperation|concurrent")
_BUSY_TEXT = re.compile(
    r"\bin progress\b|\balready (?:running|in process)|\b(?:being|currently) (?:processed|updated)"
)
_GENERAL_CONFLICTS = {"conflict", "conflicterror", "resourceconflict", "409"}
"""Error codes of a 409 that add nothing to the status."""

_MAY_ASK_TO_WAIT = (200, 202, 400, 409, 429)
"""Statuses whose text may ask the caller to try again later; the request was not carried out."""

_GONE = "it was deleted or is elsewhere: check its id, or pull the estate again"
_BY_STATUS: Mapping[int, tuple[type[CloudError], str]] = {
    404: (NotFoundError, _GONE),
    408: (UncertainError, "the service took too long: try again later"),
    410: (NotFoundError, _GONE),
    412: (ConflictError, "it was changed in the meantime: read it again"),
}
"""Class of error and advice, by status, for statuses that need no look at the answer."""

_FAILED = (UncertainError, "the service failed: try again later")
_BY_HUNDREDS: Mapping[int, tuple[type[CloudError], str]] = {
    3: (CloudError, "the service never answers like this: look for a proxy between this machine and Azure"),
    **dict.fromkeys(range(5, 10), _FAILED),
}
"""Class of error and advice, by the first digit of the status, for all other statuses."""

_OTHER = (RejectedError, "read the reason that the service states")


def redact(text: str) -> str:
    """Remove signatures, tokens, passwords and Authorization headers from a text."""
    return _SECRET.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    if match["url"]:
        return f"{match['url']}?[redacted]"
    if match["name"]:
        return f"{match['name']}=[redacted]"
    if match["scheme"]:
        return f"{match['scheme']} [redacted]"
    if match["header"]:
        return f"{match['header']}: [redacted]"
    return "[redacted]"


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """Error information in an answer of the service.

    Parameters
    ----------
    status
        HTTP status; None if no answer arrived.
    code, text
        Error code and message of the service, innermost last; empty if the answer had none.
    retry_after_seconds
        Number of seconds that the service asks to wait; None if it does not say.
    """

    status: int | None
    code: str
    text: str
    retry_after_seconds: float | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """All error codes of the answer, in lower case."""
        return tuple(part.lower() for part in self.code.split("/") if part)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate exceptions of the Azure packages to :class:`optimizer.errors.CloudError`.

    Parameters
    ----------
    what
        The request and its object, to follow "cannot", e.g. ``read policy 'P' of vault 'V'``.

    Raises
    ------
    AuthError
        No sign-in, a refused sign-in, or a 401.
    ForbiddenError
        A 403; the message names the missing right and the role that contains it.
    NotFoundError
        A 404 or 410.
    ConflictError
        A 412, a 409 or code that reports another operation in progress, or a 409 without any details.
    ThrottledError
        A 429, or the service's protection against floods of requests.
    RejectedError
        Any other 4xx, or a failed operation.
    UncertainError
        No answer, an incomplete answer, a 408, a 5xx, or a network failure that prevented the sign-in.
    CloudError
        A redirect, or a link to a host that was not chosen.
    """
    try:
        yield
    except azure.SerializationError as exc:
        raise RejectedError(f"cannot {what}: it cannot be encoded as a request: {_short(str(exc))}") from exc
    except (azure.DeserializationError, json.JSONDecodeError, requests.exceptions.JSONDecodeError) as exc:
        raise UncertainError(f"cannot {what}: the answer cannot be read: {_short(str(exc))}; try again") from exc
    except RecursionError as exc:
        raise UncertainError(f"cannot {what}: the answer cannot be read: it is nested too deeply; try again") from exc
    except (azure.AzureError, requests.RequestException) as exc:
        raise translate(what, exc) from exc


def translate(what: str, exc: Exception) -> CloudError:
    """Error of this package for an exception of the Azure packages; see :func:`translated`."""
    if isinstance(exc, StrayError):
        return CloudError(f"cannot {what}: {_short(str(exc))}")
    answer = read_answer(exc)
    if isinstance(exc, azure.ClientAuthenticationError) or answer.status == 401:
        return _no_token(what, exc, answer)
    if answer.status is None or isinstance(exc, azure.DecodeError):
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(exc).__name__.removesuffix("Error")).lower()
        advice = network_advice(answer.text) or "check whether the network and a proxy let it through"
        then = " Then try again" if advice.endswith("?") else ", then try again"
        return UncertainError(
            f"cannot {what}: {kind or 'failure'}: {_short(answer.text)}; {advice}{then}",
            code=answer.code,
            status=answer.status,
        )
    return from_answer(what, answer)


def _no_token(what: str, exc: Exception, answer: ErrorAnswer) -> CloudError:
    """Error for a request without access, because of the service or the sign-in."""
    if answer.status is not None:
        return AuthError(
            f"cannot {what}: {_described(answer)}; {HOW_TO_SIGN_IN}", code=answer.code, status=answer.status
        )
    if failure := network_failure(exc, answer.text):
        return UncertainError(f"cannot {what}: the sign-in service could not be reached: {_short(failure)}; try again")
    refused = refusal(answer.text)
    reason = f"the sign-in was refused: {_short(refused)}" if refused else "not signed in"
    return AuthError(f"cannot {what}: {reason}; {HOW_TO_SIGN_IN}", code=answer.code)


def from_answer(what: str, answer: ErrorAnswer) -> CloudError:
    """Error for an unsuccessful answer.

    Parameters
    ----------
    what
        The request and its object.
    answer
        The answer. A status below 400 means that the operation was accepted and then failed.
    """
    said = f"cannot {what}: {_described(answer)}"
    error = _by_code(said, answer) or _by_status(said, answer)
    error.status = answer.status
    if error.retry_after_seconds is None:
        error.retry_after_seconds = answer.retry_after_seconds
    return error


def _by_code(said: str, answer: ErrorAnswer) -> CloudError | None:
    refused = next((_REFUSED[code] for code in answer.codes if code in _REFUSED), "")
    if refused:
        return RejectedError(f"{said}; {refused}", code=answer.code)
    blocked = None
    if not _is_refusal(answer):
        throttled = answer.status == 429
        blocked = blocked_seconds(answer.codes, answer.text, answer.retry_after_seconds, throttled=throttled)
    if blocked is not None:
        return _throttled(said, answer, blocked)
    if any(_BUSY_CODE.search(code) for code in answer.codes):
        return ConflictError(f"{said}; {_BUSY}", code=answer.code)
    return None


def _is_refusal(answer: ErrorAnswer) -> bool:
    """Whether the code states that the request is not acceptable, so that waiting does not help."""
    return answer.status != 429 and any(_REFUSAL_CODE.search(code) for code in answer.codes)


def _by_status(said: str, answer: ErrorAnswer) -> CloudError:
    status = answer.status or 0
    if status == 403:
        return ForbiddenError(f"{said}; {_missing_right(answer.text)}", code=answer.code)
    asked = _asked(answer)
    if status == 429 or asked is not None:
        waits = [wait for wait in (asked, answer.retry_after_seconds) if wait is not None]
        return _throttled(said, answer, max(waits, default=None))
    if status == 409:
        return _conflict(said, answer)
    kind, advice = _BY_STATUS.get(status) or _BY_HUNDREDS.get(status // 100, _OTHER)
    return kind(f"{said}; {advice}", code=answer.code)


def _asked(answer: ErrorAnswer) -> float | None:
    """Number of seconds that the text of an answer asks to wait; None if the answer has another meaning."""
    may_ask = answer.status in _MAY_ASK_TO_WAIT and not _is_refusal(answer)
    return asked_seconds(answer.text) if may_ask else None


def _throttled(said: str, answer: ErrorAnswer, seconds: float | None) -> CloudError:
    if seconds is None or seconds < 3600:
        text = f"{said}; too many requests: try again later"
    else:
        text = f"{said}; the service asks to wait for {seconds / 3600:.3g} h"
    return ThrottledError(text, code=answer.code, retry_after_seconds=seconds)


def _conflict(said: str, answer: ErrorAnswer) -> CloudError:
    """Error for a 409 whose code is inconclusive; Azure also sends 409 for requests that it never allows."""
    if _BUSY_TEXT.search(answer.text.lower()):
        return ConflictError(f"{said}; {_BUSY}", code=answer.code)
    if set(answer.codes) <= _GENERAL_CONFLICTS:
        advice = "the state of the object does not allow this: look at it, then try again"
        return ConflictError(f"{said}; {advice}", code=answer.code)
    return RejectedError(
        f"{said}; the service does not allow it at present: read the reason that it states", code=answer.code
    )


def read_answer(exc: Exception) -> ErrorAnswer:
    """Error information in an exception of the Azure packages."""
    response = getattr(exc, "response", None)
    status = getattr(exc, "status_code", None)
    if status is None:
        status = getattr(response, "status_code", None)
    code, text = read_error(_body(response))
    headers = getattr(response, "headers", None) or {}
    return ErrorAnswer(status, code, redact(text or str(exc)), retry_after(headers))


def _body(response: Any) -> object:
    try:
        return json.loads(response.text())
    except Exception:  # noqa: BLE001 - if the body is unreadable for any reason, the exception has its own text
        return None


def read_error(body: object) -> tuple[str, str]:
    """Codes and texts of an ARM error and its details, without secrets; empty if the body has no error.

    Parameters
    ----------
    body
        The error as ``{"error": {"code", "message", "details", "innererror", "additionalInfo"}}``, or the value of
        ``error``. Azure Backup states how long to wait only in the ``recommendedAction`` of ``additionalInfo``.
    """
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    codes: list[str] = []
    texts: list[str] = []
    _collect(body, codes, texts, depth=0)
    return "/".join(dict.fromkeys(codes)), "; ".join(dict.fromkeys(texts))


def _collect(node: object, codes: list[str], texts: list[str], depth: int) -> None:
    if depth >= 4:
        return
    if isinstance(node, list):
        for inner in node[:5]:
            _collect(inner, codes, texts, depth + 1)
    if not isinstance(node, Mapping):
        return
    fields = {Caseless(str(key)): value for key, value in node.items()}
    if code := fields.get(Caseless("code")):
        codes.append(redact(str(code)))
    if message := fields.get(Caseless("message")):
        texts.append(redact(str(message)))
    texts.extend(redact(action) for action in _actions(fields.get(Caseless("recommendedAction"))))
    for name in ("details", "innererror", "additionalInfo", "info"):
        _collect(fields.get(Caseless(name)), codes, texts, depth + 1)


def _actions(value: object) -> list[str]:
    """Recommended actions in a field that contains one text or a list."""
    actions = value[:5] if isinstance(value, list) else [value]
    return [action for action in actions if isinstance(action, str) and action]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Number of seconds that an answer asks to wait; None if it does not say.

    Parameters
    ----------
    headers
        Headers with names in any case: ``Retry-After`` in seconds or as a date, ``retry-after-ms``,
        ``x-ms-retry-after-ms``. A date is compared with the answer's own ``Date``, so that a wrong clock on this
        machine does not change the wait.
    """
    by_name: dict[str, str] = {Caseless(str(name)): str(value).strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1e-3), ("x-ms-retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = by_name.get(name, "")
        if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
            return float(text) * unit
    due = http_date(by_name.get("retry-after", ""))
    if due is None:
        return None
    now = http_date(by_name.get("date", "")) or SYSTEM_CLOCK.now()
    return max(0.0, (due - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Time in an HTTP header, e.g. ``Wed, 21 Oct 2015 07:28:00 GMT``; None if the text is not one."""
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _missing_right(text: str) -> str:
    actions, scope = _ACTION.findall(text), _SCOPE.search(text)
    if not actions:
        return "a right is missing; the roles that this program needs are in data/roles"
    where = f" on {scope['scope']}" if scope else ""
    # For a linked scope, the text first lists the rights that are granted.
    return f"missing right: {actions[-1]}{where}; {how_to_get(actions[-1])}"


def _described(answer: ErrorAnswer) -> str:
    head = " ".join(part for part in (f"HTTP {answer.status}" if answer.status else "", answer.code) if part)
    return f"{head}: {_short(answer.text)}" if head else _short(answer.text)


def _short(text: str) -> str:
    line = " ".join(redact(text).split()).rstrip(".; ")
    return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + " ..."

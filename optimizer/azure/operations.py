"""What the service accepted and carries out by and by: how it is followed to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.polling import PollingMethod
from azure.core.rest import HttpRequest, HttpResponse

from optimizer.azure.errors import Answer, from_answer, read_error, retry_after, translated
from optimizer.errors import CloudError, ConflictError, NotFoundError, RejectedError, ThrottledError, UncertainError

LONGEST_OPERATION_SECONDS = 3600.0
"""How long an operation is followed before its end counts as unknown."""

LONGEST_PAUSE_SECONDS = 120.0
"""The most between two looks, whatever the service asks for."""

MOST_LOSSES = 10
"""Looks in a row that may fail before the end of an operation counts as unknown."""


class Client(Protocol):
    """A client of the SDK, as far as it sends plain requests."""

    def send_request(self, request: HttpRequest, *, stream: bool = False, **kwargs: Any) -> HttpResponse:
        """Send a request through the client's pipeline."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """The first answer to a write.

    Parameters
    ----------
    status
        200 or 204 where it is done, 202 where it has only begun.
    headers
        By name in lower case.
    """

    status: int
    headers: Mapping[str, str]

    @classmethod
    def of(cls, response: Any) -> Accepted:
        """Of a response of the SDK."""
        return cls(response.status_code, {str(name).lower(): value for name, value in response.headers.items()})


class FirstAnswer(PollingMethod[Any]):
    """A polling method of the SDK that polls nothing: its result is the first answer."""

    def __init__(self) -> None:
        self._accepted: Accepted | None = None

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        """Keep the answer."""
        del client, deserialization_callback
        self._accepted = Accepted.of(initial_response.http_response)

    def run(self) -> None:
        """Do nothing."""

    def status(self) -> str:
        """Done, as far as the SDK is concerned."""
        return "Succeeded"

    def finished(self) -> bool:
        """Whether there is nothing to wait for: always."""
        return True

    def resource(self) -> Accepted | None:
        """The first answer."""
        return self._accepted


@dataclass(frozen=True)
class Follower:
    """Looks at an accepted operation until it has ended.

    Parameters
    ----------
    client
        Through which it was accepted.
    sleep
        Waits so many seconds.
    pause_seconds
        Between two looks, where the service does not say; the first ones come sooner.
    """

    client: Client
    sleep: Callable[[float], None]
    pause_seconds: float

    def follow(self, what: str, accepted: Accepted) -> None:
        """Wait until an operation has ended.

        Parameters
        ----------
        what
            What was asked of which object, to follow "cannot".
        accepted
            The first answer.

        Raises
        ------
        RejectedError, ConflictError
            It failed.
        UncertainError
            Its end could not be learnt, or some of its jobs failed.
        """
        if accepted.status != 202:
            return
        path, is_status = _where(what, accepted.headers)
        wait, waited, losses, looks = retry_after(accepted.headers), 0.0, 0, 0
        while waited < LONGEST_OPERATION_SECONDS:
            pause = min(self._pause(looks) if wait is None else wait, LONGEST_PAUSE_SECONDS)
            self.sleep(pause)
            waited, looks = waited + max(pause, 0.01), looks + 1
            try:
                response = self._look(what, path, is_result=not is_status)
            except (UncertainError, ThrottledError, NotFoundError) as exc:
                losses += 1
                if losses > MOST_LOSSES:
                    _lost(what, exc)
                wait = exc.retry_after_seconds if isinstance(exc, ThrottledError) else None
                continue
            losses, wait = 0, retry_after(response.headers)
            if _ended(what, response, is_status=is_status):
                return
        raise UncertainError(
            f"cannot say whether it was done to {what}: it was accepted, but had not ended after {waited:.0f} s; "
            "look at the object in the portal"
        )

    def _pause(self, looks: int) -> float:
        return float(self.pause_seconds * min(1.0, 2.0 ** (looks - 3)))

    def _look(self, what: str, path: str, *, is_result: bool) -> HttpResponse:
        """One look, not repeated.

        Parameters
        ----------
        is_result
            Whether a refusal is the operation's own, not one of the look.
        """
        try:
            with translated(what):
                response = self.client.send_request(HttpRequest("GET", path), retry_total=0)
                if response.status_code >= 400:
                    raise HttpResponseError(response=response)
                return response
        except (UncertainError, ThrottledError, NotFoundError):
            raise
        except (RejectedError, ConflictError) as exc:
            if is_result:
                raise
            _lost(what, exc)
        except CloudError as exc:
            _lost(what, exc)


def _where(what: str, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Path and query at which an operation is looked at, and whether it gives a status (or else the result).

    The host is left out: the token goes to the endpoint that was asked, whatever the answer names.
    """
    for name in ("azure-asyncoperation", "operation-location", "location"):
        parts = urlsplit(headers.get(name, ""))
        path = parts.path
        if path.lower().startswith("/subscriptions/") and ".." not in path and "{" not in path + parts.query:
            return f"{path}?{parts.query}" if parts.query else path, name != "location"
    raise UncertainError(
        f"cannot say whether it was done to {what}: it was accepted, but the answer does not say where to ask; "
        "look at the object in the portal"
    )


def _lost(what: str, exc: CloudError) -> NoReturn:
    raise UncertainError(
        f"cannot say whether it was done to {what}: it was accepted, but its end cannot be learnt: {exc}",
        code=exc.code,
    ) from exc


def _ended(what: str, response: HttpResponse, *, is_status: bool) -> bool:
    """Whether an operation has ended well.

    Raises
    ------
    RejectedError, ConflictError
        It failed.
    UncertainError
        It was cancelled, or some of its jobs failed.
    """
    try:
        body = response.json() if response.text().strip() else {}
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    properties = body.get("properties")
    status = str(body.get("status") or "").lower()
    if not status:
        return not is_status and response.status_code != 202
    failed = (properties.get("failedJobsError") if isinstance(properties, dict) else None) or {}
    code, text = read_error(body)
    if status in {"canceled", "cancelled"} or (failed and status in {"succeeded", "failed"}):
        jobs = (
            "; ".join(f"job {job}: {error}" for job, error in failed.items()) if isinstance(failed, dict) else failed
        )
        raise UncertainError(
            f"cannot say whether it was done to {what}: the operation ended as {body['status']}: {jobs or text}; "
            "look at the object and at its jobs in the portal",
            code=code,
        )
    if status == "failed":
        raise from_answer(what, Answer(response.status_code, code, text or "the operation failed"))
    return status == "succeeded"

"""Operations that continue after the service accepted a write: their addresses, and their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.polling import PollingMethod
from azure.core.rest import HttpRequest, HttpResponse

from optimizer.azure.errors import ErrorAnswer, from_answer, read_error, retry_after, translated
from optimizer.errors import CloudError, ConflictError, RejectedError, UncertainError
from optimizer.model.caseless import Caseless
from optimizer.model.raw import mapping, properties_of, word
from optimizer.ports import Accepted, Look


class Client(Protocol):
    """The part of an SDK client that sends plain requests."""

    def send_request(self, request: HttpRequest, *, stream: bool = False, **kwargs: Any) -> HttpResponse:
        """Send a request through the client's pipeline."""
        ...


@dataclass(frozen=True, slots=True)
class FirstReply:
    """The first answer to a write.

    Parameters
    ----------
    status
        HTTP status: 200 or 204 if the write is done, 202 if the service only accepted it.
    headers
        Headers by name, in any case.
    """

    status: int
    headers: Mapping[str, str]

    @classmethod
    def of(cls, response: Any) -> FirstReply:
        """Read the reply from a response of the SDK."""
        return cls(response.status_code, {Caseless(str(name)): value for name, value in response.headers.items()})

    def accepted(self) -> Accepted | None:
        """Operation that the write started; None if the write is done."""
        if self.status != 202:
            return None
        return Accepted(_where_to_look(self.headers), retry_after(self.headers))


class FirstAnswer(PollingMethod[Any]):
    """SDK polling method that does not poll; its result is the first answer."""

    def __init__(self) -> None:
        self._reply: FirstReply | None = None

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        """Keep the first answer."""
        del client, deserialization_callback
        self._reply = FirstReply.of(initial_response.http_response)

    def run(self) -> None:
        """Do nothing."""

    def status(self) -> str:
        """Status for the SDK: always succeeded."""
        return "Succeeded"

    def finished(self) -> bool:
        """Whether polling has finished; always true."""
        return True

    def resource(self) -> FirstReply | None:
        """The first answer to the write."""
        return self._reply


def check_operation(operation: str) -> str:
    """Return an operation's path and query, if the text names an operation and nothing else.

    The host is never included: the token goes only to the endpoint of the connection, whatever host an answer or a
    journal names.

    Raises
    ------
    ValueError
        The text is something else.
    """
    parts = urlsplit(operation)
    path = parts.path
    is_local = not (parts.scheme or parts.netloc or ".." in path or "{" in operation)
    if not is_local or not Caseless(path).key.startswith("/subscriptions/"):
        raise ValueError(f"{operation!r} is not the path of an operation; it begins with /subscriptions/")
    return f"{path}?{parts.query}" if parts.query else path


def look_at(client: Client, operation: str) -> Look:
    """Look at an operation once, without retries.

    Parameters
    ----------
    client
        Client for the operation's subscription.
    operation
        Path and query, as in :class:`~optimizer.ports.Accepted`.

    Raises
    ------
    CloudError
        The look itself failed; the state of the operation is unknown.
    """
    path = check_operation(operation)
    is_result = not any(part in Caseless(path).key for part in ("/operations/", "/operationsstatus/"))
    what = f"read the status of operation {path.partition('?')[0].rpartition('/')[2]}"
    try:
        with translated(what):
            response = client.send_request(HttpRequest("GET", path), retry_total=0)
            if response.status_code >= 400:
                raise HttpResponseError(response=response)
    except (RejectedError, ConflictError) as exc:
        if is_result:  # the operation itself was refused, not the look
            return Look(ended=True, failure=exc)
        raise
    ended, failure = _read(response, is_result=is_result)
    return Look(ended, failure, retry_after(response.headers))


def _where_to_look(headers: Mapping[str, str]) -> str:
    """Path and query of an operation's status; empty if the answer does not state them."""
    for name in ("azure-asyncoperation", "operation-location", "location"):
        parts = urlsplit(headers.get(name, ""))
        try:
            return check_operation(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        except ValueError:
            continue
    return ""


_CANCELED = {Caseless("Canceled"), Caseless("Cancelled")}
_ENDED = {Caseless("Succeeded"), Caseless("Failed")}


def _read(response: HttpResponse, *, is_result: bool) -> tuple[bool, CloudError | None]:
    """Whether an operation has ended, and its error if it failed."""
    body = _body(response)
    status = word(body.get("status"))
    if not status:
        return is_result and response.status_code != 202, None
    code, text = read_error(body)
    failed_jobs = _failed_jobs(body)
    if status in _CANCELED or (failed_jobs and status in _ENDED):
        reason = (
            f"the operation ended as {status}: {failed_jobs or text}; look at the object and its jobs in the portal"
        )
        return True, UncertainError(reason, code=code)
    if status == "Failed":
        answer = ErrorAnswer(response.status_code, code, text or "the operation failed", retry_after(response.headers))
        return True, from_answer("carry out the accepted write", answer)
    return status == "Succeeded", None


def _body(response: HttpResponse) -> Mapping[str, Any]:
    """JSON object in a response; empty if it contains none."""
    try:
        return mapping(response.json()) if response.text().strip() else {}
    except (ValueError, RecursionError):
        return {}


def _failed_jobs(body: Mapping[str, Any]) -> str:
    """Jobs of an operation that failed, with their errors; empty if every job succeeded."""
    failed = properties_of(body).get("failedJobsError") or ""
    if isinstance(failed, Mapping):
        return "; ".join(f"job {job}: {error}" for job, error in failed.items())
    return str(failed)

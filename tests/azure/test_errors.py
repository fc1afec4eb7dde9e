"""Every error of the Azure packages becomes one of this package, at one door, and tells no secrets."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from azure.core import exceptions as azure
from azure.core.rest import HttpRequest
from azure.identity import AuthenticationRequiredError, CredentialUnavailableError

from optimizer.azure.errors import ErrorAnswer, from_answer, read_error, redact, retry_after, translated
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
from tests.azure.wire import SECRET


class Response:
    """An answer as exceptions of the SDK carry it."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status
        self.reason = "reason"
        self.headers = dict(headers or {})
        self.request = HttpRequest("GET", "https://127.0.0.1/x")
        self._body = body if isinstance(body, str) else json.dumps(body)

    def text(self, encoding: str | None = None) -> str:
        """Body as text."""
        del encoding
        return self._body


def http_error(
    status: int,
    code: str = "Code",
    message: str = "text",
    kind: type[azure.HttpResponseError] | None = None,
    **more: Any,
) -> azure.HttpResponseError:
    body = {"error": {"code": code, "message": message}}
    return (kind or azure.HttpResponseError)(response=Response(status, body, more.get("headers")))  # type: ignore[arg-type]


def translate(exc: Exception) -> CloudError:
    with pytest.raises(CloudError) as caught, translated("read policy 'p'"):
        raise exc
    assert caught.value.__cause__ is exc
    assert str(caught.value).startswith("cannot read policy 'p': ")
    return caught.value


def classes(module: Any) -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]
    return [kind for kind in found if kind.__module__.startswith("azure.")]


def make(kind: type[Exception]) -> Exception:
    """Build an exception of a class, whatever its constructor wants."""
    if issubclass(kind, azure.ODataV4Error):
        return kind(Response(400, {"error": {"code": "Code", "message": "text"}}))
    if kind in {azure.StreamConsumedError, azure.StreamClosedError, azure.ResponseNotReadError}:
        return kind(Response(200))
    if kind is azure.TooManyRedirectsError:
        return kind([])
    if kind is AuthenticationRequiredError:
        return AuthenticationRequiredError(["scope"])
    return kind("words")


EXPECTED: dict[type[Exception], type[CloudError]] = {
    azure.AzureError: UncertainError,
    azure.ServiceRequestError: UncertainError,
    azure.ServiceResponseError: UncertainError,
    azure.ServiceRequestTimeoutError: UncertainError,
    azure.ServiceResponseTimeoutError: UncertainError,
    azure.HttpResponseError: UncertainError,
    azure.DecodeError: UncertainError,
    azure.IncompleteReadError: UncertainError,
    azure.ResourceExistsError: UncertainError,
    azure.ResourceNotFoundError: UncertainError,
    azure.ClientAuthenticationError: AuthError,
    azure.ResourceModifiedError: UncertainError,
    azure.ResourceNotModifiedError: UncertainError,
    azure.TooManyRedirectsError: UncertainError,
    azure.ODataV4Error: RejectedError,
    azure.StreamConsumedError: UncertainError,
    azure.StreamClosedError: UncertainError,
    azure.ResponseNotReadError: UncertainError,
    azure.SerializationError: RejectedError,
    azure.DeserializationError: UncertainError,
    CredentialUnavailableError: AuthError,
    AuthenticationRequiredError: AuthError,
}
"""By class, without an answer of the service (but for OData, which cannot be without)."""


def test_every_class_of_the_sdk_is_known() -> None:
    """A new version of azure-core cannot bring an exception that nobody thought of."""
    assert set(classes(azure)) <= set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_every_class_is_translated(kind: type[Exception]) -> None:
    """No exception of the SDK gets through; one without an answer leaves the outcome open."""
    assert type(translate(make(kind))) is EXPECTED[kind]


STATUSES: dict[int, type[CloudError]] = {
    304: CloudError,
    400: RejectedError,
    401: AuthError,
    402: RejectedError,
    403: ForbiddenError,
    404: NotFoundError,
    408: UncertainError,
    409: RejectedError,
    410: NotFoundError,
    412: ConflictError,
    422: RejectedError,
    429: ThrottledError,
    500: UncertainError,
    502: UncertainError,
    503: UncertainError,
    504: UncertainError,
}


@pytest.mark.parametrize("status", STATUSES)
def test_the_status_decides_whatever_the_class(status: int) -> None:
    """409 may arrive as ResourceExistsError; 403, 412 and 429 as the plain class."""
    kinds = [azure.HttpResponseError, azure.ResourceExistsError, azure.ResourceNotFoundError]
    for kind in kinds:
        found = translate(http_error(status, kind=kind))
        assert type(found) is STATUSES[status]
        assert found.code == "Code"
        assert f"HTTP {status} Code: text" in str(found)


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (400, "BMSUserErrorObjectLocked", ConflictError, "another operation"),
        (500, "ObjectLocked", ConflictError, "another operation"),
        (200, "UserErrorBackupOperationInProgress", ConflictError, "another operation"),
        (409, "AnotherOperationInProgress", ConflictError, "another operation"),
        (409, "ConcurrentOperationError", ConflictError, "another operation"),
        (409, "OperationNotAllowed", RejectedError, "read the reason"),
        (409, "Conflict", ConflictError, "does not allow this"),
        (409, "ScopeLocked", RejectedError, "remove the lock"),
        (409, "MissingSubscriptionRegistration", RejectedError, "does not use Azure Backup"),
        (403, "RequestDisallowedByPolicy", RejectedError, "an Azure Policy"),
        (400, "BMSUserErrorInvalidPolicyInput", RejectedError, "check its times"),
        (400, "UserErrorOperationDeniedOnImmutableItem", RejectedError, "immutable"),
        (400, "CloudDosTimeboudLimitReached", ThrottledError, "asks to wait for 4 h"),
    ],
)
def test_codes_go_before_the_status(status: int, code: str, kind: type[CloudError], advice: str) -> None:
    """What the service calls it says more than the number that it sends it with."""
    found = translate(http_error(status, code))
    assert type(found) is kind
    assert advice in str(found)


@pytest.mark.parametrize(
    ("code", "text", "kind", "in_progress"),
    [
        ("OperationNotAllowed", "The operation is not allowed on an immutable vault.", RejectedError, False),
        ("UserErrorVaultInUse", "The vault cannot be changed.", RejectedError, False),
        ("OperationNotAllowed", "Another update is in progress on the item.", ConflictError, True),
        ("RetryableError", "The item is being updated by another request.", ConflictError, True),
        ("Conflict", "", ConflictError, False),
        ("", "", ConflictError, False),
    ],
)
def test_a_conflict_says_in_progress_only_if_the_service_does(
    code: str, text: str, kind: type[CloudError], in_progress: bool
) -> None:
    """A 409 is also sent for what is not allowed at all: that passes by no waiting, and the message says so."""
    found = translate(http_error(409, code, text))
    assert type(found) is kind
    assert ("in progress" in str(found)) is in_progress
    assert text.rstrip(".") in str(found)
    assert found.status == 409


def test_a_code_may_lie_deep() -> None:
    """A general code on top does not hide the one in the details."""
    body = {
        "error": {
            "code": "CloudInternalError",
            "message": "An error.",
            "details": [{"code": "BMSUserErrorObjectLocked", "message": "Another operation is in progress."}],
            "innererror": {"code": "x"},
        }
    }
    found = translate(azure.HttpResponseError(response=Response(500, body)))  # type: ignore[arg-type]
    assert type(found) is ConflictError
    assert found.code == "CloudInternalError/BMSUserErrorObjectLocked/x"
    assert "Another operation is in progress" in str(found)
    assert read_error({"Code": 400213, "Message": "m"}) == ("400213", "m")
    assert read_error("rubbish") == ("", "")


def test_a_body_that_is_no_error_does_no_harm() -> None:
    """A page of a proxy is repeated, shortened."""
    found = translate(azure.HttpResponseError(response=Response(502, "<html>" + "x" * 5000)))  # type: ignore[arg-type]
    assert type(found) is UncertainError
    assert len(str(found)) < 900


def test_throttling_says_how_long() -> None:
    """The wait that is asked for goes with the error."""
    found = translate(http_error(429, headers={"Retry-After": "17"}))
    assert isinstance(found, ThrottledError)
    assert found.retry_after_seconds == 17.0
    plain = translate(http_error(429))
    assert isinstance(plain, ThrottledError)
    assert plain.retry_after_seconds is None


DAILY_LIMIT = "Operation is blocked as you have reached the limit on number of operations permitted in 24 hours."
HOUR = 3600.0


@pytest.mark.parametrize(
    ("status", "code", "text", "header", "hours"),
    [
        (429, "Throttled", "Too many requests.", "86400", 24),
        (429, "Throttled", "Please retry after few hours.", None, 4),
        (429, "Throttled", "Too many requests. Try after 24 hours.", "60", 24),
        (429, "TooManyRequests", "Please try again after 90 minutes.", None, 1.5),
        (429, "TooManyRequests", "Please wait for an hour and then try.", None, 1),
        (400, "CloudDosTimeboudLimitReached", "", None, 4),
        (503, "CloudDosTimeboudLimitReached", "You reached a limit; retry after few hours", None, 4),
        (400, "CloudDosTimeboudLimitReached", "Retry after 6 hours.", "10", 6),
        (429, "CloudDosTimeBoundLimitReached", "", "7200", 2),
        (400, "UserErrorX", DAILY_LIMIT, None, 24),
        (409, "BMSUserErrorLimit", DAILY_LIMIT.upper(), "30", 24),
        (200, "BMSUserErrorLimit", DAILY_LIMIT, None, 24),
        (500, "", DAILY_LIMIT, None, 24),
        (400, "", "The request exceeded the limit of 50 policies per day", None, 24),
        (400, "", "You have exceeded the daily limit", None, None),
        (400, "UserErrorX", "The VM is busy. Wait for a few minutes and then retry.", None, 1 / 6),
        (409, "Busy", "Retry the operation after 2 days", None, 48),
        (429, "Throttled", "Please wait 45 minutes before retrying", None, 0.75),
        (429, "Throttled", "Retry after: 3600", None, 1),
        (429, "Throttled", "Retry-After=7200;", None, 2),
        (429, "Throttled", "Retry after two hours", "60", 2),
        (429, "Throttled", "Please try again in twenty-four hours.", None, 24),
        (429, "Throttled", "Wait half an hour, then retry.", None, 0.5),
        (429, "Throttled", "Please retry after 02:00:00", None, 2),
        (429, "Throttled", "Please retry after PT4H", None, 4),
        (429, "Throttled", "Please retry the operation tomorrow.", None, 24),
        (
            429,
            "Throttled",
            "Number of requests exceeded. Please try again after '1800' seconds after more tokens",
            None,
            0.5,
        ),
        (429, "Throttled", "Try again in 40 second(s)", None, 1 / 90),
        (429, "Throttled", "The 24-hour limit is exhausted", None, 24),
        (429, "Throttled", "You have exceeded the daily limit of policy modifications", None, 24),
        (429, "Throttled", "The daily limit of 50 policy changes has been reached", None, 24),
        (429, "Throttled", "Number of operations exceeded 50 per day", None, 24),
        (429, "Throttled", "The limit of 1200 requests per hour was exceeded; try again in 5 minutes", None, 1 / 12),
        (400, "UserErrorX", "You have exceeded the daily limit of policy modifications", None, 24),
        (400, "UserErrorX", "The daily limit of 50 policy changes has been reached", None, 24),
        (409, "UserErrorX", "Number of operations exceeded 50 per day", None, 24),
        (400, "UserErrorX", "The policy was modified more than 50 times in 24 hours", None, 24),
        (400, "CloudDosAbsoluteLimitReached", DAILY_LIMIT, None, 24),
        (400, "CloudDosAbsoluteLimitReached", "Operation is blocked for some time", None, 4),
    ],
)
def test_a_request_to_stay_away_is_understood(
    status: int, code: str, text: str, header: str | None, hours: float | None
) -> None:
    """Whatever status it comes with: by header, by its words, by its code, the longest of them."""
    found = translate(http_error(status, code, text, headers={"Retry-After": header} if header else {}))
    if hours is None:
        assert not isinstance(found, ThrottledError)
        return
    assert isinstance(found, ThrottledError)
    assert found.retry_after_seconds == pytest.approx(hours * HOUR)
    assert ("asks to wait for" in str(found)) is (hours >= 1)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "The maximum number of policies per vault is reached.", RejectedError),
        (400, "The retention must be at least 7 days.", RejectedError),
        (400, "Try a time that is not within 2 hours of another", RejectedError),
        (403, "Retry after 5 minutes", ForbiddenError),
        (404, "Retry after 5 minutes", NotFoundError),
        (500, "Please try again in 5 minutes", UncertainError),
        (400, "Instant recovery snapshot retention exceeds the limit allowed for 5 days", RejectedError),
        (400, "Snapshot retention exceeded the maximum limit allowed in a 7 days window", RejectedError),
        (400, "The number of schedule times exceeds the limit of 6 backups per day", RejectedError),
        (400, "The limit of 100 VMs is reached; try again in another policy for 30 days retention", RejectedError),
        (400, "Try again with snapshots kept for 5 days.", RejectedError),
        (400, "The vault has reached the limit of 200 policies, some of them unused in 30 days", RejectedError),
        (400, "Retry after 3 restore points are deleted", RejectedError),
    ],
)
def test_not_every_number_of_hours_is_a_wait(status: int, text: str, kind: type[CloudError]) -> None:
    """Limits without a period, missing rights and failures that may have had an effect are no throttling."""
    assert type(translate(http_error(status, "Code", text))) is kind


@pytest.mark.parametrize(
    "text",
    [
        "Instant recovery snapshot retention exceeds the limit allowed for 5 days",
        "The number of requests exceeded 5 per day",
        "Retry after 24 hours",
        "Change the retention, and wait 2 days",
    ],
)
@pytest.mark.parametrize("code", ["BMSUserErrorInvalidPolicyInput", "ScopeLocked", "CloudInvalidInputErrorX"])
def test_a_refusal_is_never_a_wait(code: str, text: str) -> None:
    """A code that is known to be a refusal is one, whatever its text says about limits and days."""
    found = translate(http_error(400, code, text))
    assert type(found) is RejectedError
    assert found.retry_after_seconds is None


def test_the_recommended_action_is_read() -> None:
    """Azure Backup says how long to wait in a part of the answer that stands beside the message."""
    info = {"code": "CloudDosTimeboudLimitReached", "recommendedAction": ["Please retry the operation tomorrow."]}
    error = {"code": "BadRequest", "message": "Blocked.", "additionalInfo": [{"type": "X", "info": info}]}
    found = translate(azure.HttpResponseError(response=Response(400, {"error": error})))  # type: ignore[arg-type]
    assert isinstance(found, ThrottledError)
    assert found.retry_after_seconds == 24 * HOUR
    assert "Please retry the operation tomorrow" in str(found)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"RETRY-AFTER": "2.5"}, 2.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_waits_are_read(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds or a date, in any case; nonsense is no wait."""
    assert retry_after(headers) == expected


@pytest.mark.parametrize("now", [{}, {"Date": "Mon, 02 Mar 2026 12:00:00 GMT"}, {"Date": "no date"}])
def test_a_wait_may_be_a_date(now: dict[str, str]) -> None:
    """A date in the future is as far away as it is by the answer's own date, or by this machine's clock."""
    assert retry_after({"Retry-After": "Mon, 02 Mar 2026 12:01:00 GMT", **now}) == 60


def test_a_wrong_clock_does_not_change_a_wait() -> None:
    """The service's dates are compared with each other, whatever time it is here."""
    dates = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "retry-after": "Sat, 01 Jan 2000 00:05:00 GMT"}
    assert retry_after(dates) == 300


def test_a_missing_right_is_named_with_its_role() -> None:
    """The action, the scope and the role out of the service's own words."""
    text = (
        "The client 'a@b.c' with object id 'x' does not have authorization to perform action "
        "'Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write' over scope "
        "'/subscriptions/s/resourceGroups/r' or the scope is invalid."
    )
    message = str(translate(http_error(403, "AuthorizationFailed", text)))
    assert (
        "missing right: Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"
        in message
    )
    assert "on /subscriptions/s/resourceGroups/r" in message
    assert "'Backup Schedule Optimizer Operator' (data/roles)" in message


def test_a_right_beyond_the_roles_is_named_too() -> None:
    """Rights on a linked scope and on a Resource Guard are in other hands."""
    linked = (
        "The client has permission to perform action 'Microsoft.X/y/write' on scope 'a'; however, it does not have "
        "permission to perform action 'Microsoft.X/z/write' on the linked scope(s) 'b'"
    )
    assert "missing right: Microsoft.X/z/write on b" in str(
        translate(http_error(403, "LinkedAuthorizationFailed", linked))
    )
    guard = "no authorization to perform action 'Microsoft.DataProtection/resourceGuards/read' over scope 'g'"
    assert "'Backup MUA Operator' on the Resource Guard" in str(
        translate(http_error(403, "AuthorizationFailed", guard))
    )
    assert "data/roles" in str(translate(http_error(403, "Forbidden", "no")))


def test_signing_in_is_explained() -> None:
    """Whoever is not signed in is told how to."""
    for exc in (CredentialUnavailableError("words"), http_error(401), azure.ClientAuthenticationError("words")):
        assert "az login" in str(translate(exc))


CHAIN = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\t"
    "{}\nTo mitigate this issue, please refer to the troubleshooting guidelines."
)
"""Words of a chain of credentials; what each one said stands on a line of its own."""

NO_IDENTITY = "ManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, connection timed out"
"""What every machine outside of Azure gets."""


FAILED = "EnvironmentCredential: Authentication failed: "
CLI = f"{NO_IDENTITY}\n\tAzureCliCredential: "


@pytest.mark.parametrize(
    ("attempts", "kind", "words"),
    [
        (
            FAILED + "HTTPSConnection(host='x'): Failed to resolve 'x' ([Errno -2])",
            UncertainError,
            "check DNS",
        ),
        (
            CLI + "HTTPSConnectionPool: SSLError(CERTIFICATE_VERIFY_FAILED)",
            UncertainError,
            "--ca-file",
        ),
        (
            CLI + "ProxyError('Cannot connect to proxy.', 'Tunnel connection failed: 407')",
            UncertainError,
            "HTTPS_PROXY",
        ),
        (FAILED + "Failed to establish a new connection: Connection refused", UncertainError, "a firewall"),
        (CLI + "Please run 'az login' to set up an account", AuthError, "not signed in"),
        (
            FAILED + "AADSTS7000215: Invalid client secret.",
            AuthError,
            "the sign-in was refused: " + FAILED + "AADSTS7000215",
        ),
    ],
    ids=["dns", "tls", "proxy", "refused connection", "nobody", "wrong secret"],
)
def test_the_network_is_told_apart_from_a_missing_sign_in(attempts: str, kind: type[CloudError], words: str) -> None:
    """Whoever is signed in and has no network is not sent to sign in; nor does a write fail for good then."""
    found = translate(azure.ClientAuthenticationError(CHAIN.format(attempts)))
    assert type(found) is kind
    assert words in str(found)
    assert ("az login" in str(found)) is (kind is AuthError)


def test_a_refused_connection_to_this_machine_asks_for_the_emulator() -> None:
    """Nothing but an emulator is asked on this machine; elsewhere the network is to blame."""
    text = "HTTPSConnection(host='{}', port=9): Failed to establish a new connection: [Errno 111] Connection refused"
    here = str(translate(azure.ServiceRequestError(text.format("127.0.0.1"))))
    assert here.endswith("is 'backup-optimizer emulate' running, and is the port right? Then try again")
    assert "a firewall" in str(translate(azure.ServiceRequestError(text.format("management.azure.com"))))


def test_a_single_credential_without_network_is_no_missing_sign_in() -> None:
    """Outside of a chain the cause of the error says it, whatever the words are."""
    exc = azure.ClientAuthenticationError("Authentication failed: broken")
    exc.__cause__ = azure.ServiceRequestError("broken")
    assert type(translate(exc)) is UncertainError


def test_what_is_below_the_sdk_is_translated() -> None:
    """Exceptions of the HTTP library and of the JSON parser that slip through the SDK do not slip through here."""
    assert type(translate(requests.ConnectionError("reset"))) is UncertainError
    assert type(translate(json.JSONDecodeError("no", "x", 0))) is UncertainError


def test_errors_of_this_package_and_of_callers_pass() -> None:
    """What is translated already stays, and a bug stays a bug."""
    for exc in (RejectedError("mine"), ValueError("bug"), KeyError("bug")):
        with pytest.raises(type(exc)) as caught, translated("x"):
            raise exc
        assert caught.value is exc


def test_an_accepted_operation_that_failed_is_a_refusal() -> None:
    """A failure that arrives with 200 is one."""
    assert type(from_answer("x", ErrorAnswer(200, "UserErrorX", "text"))) is RejectedError


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f'{{"Authorization": "Bearer {SECRET}"}}',
        f"x-ms-authorization-auxiliary: Bearer {SECRET}",
        f"token was {SECRET}.",
        f"client_secret={SECRET}&x=1",
        f"'access_token': '{SECRET}'",
        f"https://acc.blob.core.windows.net/c/b?sv=2020&se=2030&sr=b&sp=r&sig={SECRET}",
        f"SharedAccessSignature sig={SECRET}&skn=x",
        f"AccountKey={SECRET};EndpointSuffix=core.windows.net",
        f"Password = {SECRET}",
        f"basic {SECRET}",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    """Tokens, signatures, keys and passwords are in no message, wherever the service or the SDK puts them."""
    assert SECRET not in redact(text)
    assert SECRET.rpartition(".")[2] not in redact(text)
    for exc in (http_error(400, "Code", text), azure.AzureError(text), http_error(403, text, text)):
        found = translate(exc)
        assert SECRET not in str(found)
        assert SECRET not in found.code


def test_the_rest_of_a_text_stays() -> None:
    """What is no secret is not taken out: codes, ids, times, ordinary words."""
    text = (
        "Code: BMSUserErrorX, policy /subscriptions/x/a;b at 2026-01-01T00:00:00Z, basic tier, bearer of news, code=5"
    )
    assert redact(text) == text

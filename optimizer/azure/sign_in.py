"""Explains why there is no token: no sign-in, a refused sign-in, or a network failure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from requests import RequestException

from optimizer.azure.pipeline import StrayError

HOW_TO_SIGN_IN = (
    "sign in with 'az login' (and 'az account set'), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret or "
    "certificate of a service principal, or run where a managed identity is available"
)

_NETWORK = (
    (
        re.compile(
            r"proxy ?error|(connect|connection) to proxy|tunnel connection failed|proxy authentication", re.IGNORECASE
        ),
        "the proxy did not let the request through: check HTTPS_PROXY, and its user and password",
    ),
    (
        re.compile(
            r"failed to resolve|name or service not known|name resolution|getaddrinfo|nodename nor servname"
            r"|no such host|name does not resolve",
            re.IGNORECASE,
        ),
        "the name of the host could not be resolved: check DNS and the network",
    ),
    (
        re.compile(
            r"(?=.*\b(127\.0\.0\.1|localhost|::1)\b).*(connection refused|actively refused)", re.IGNORECASE | re.DOTALL
        ),
        "nothing answers at this address: is 'backup-optimizer emulate' running, and is the port right?",
    ),
    (
        re.compile(
            r"certificate.verify.failed|ssl ?error|\bssl: |tlsv1|unexpected_eof|hostname mismatch", re.IGNORECASE
        ),
        "the TLS connection failed: where a proxy inspects TLS, pass its certificate authority with --ca-file",
    ),
    (
        re.compile(
            r"failed to establish a new connection|connection refused|connection (?:was )?(?:reset|aborted)"
            r"|max retries exceeded|timed out|time-?out|network is unreachable|no route to host|remote end closed",
            re.IGNORECASE,
        ),
        "no connection could be made: check the network, a firewall and HTTPS_PROXY",
    ),
)
"""Patterns in texts about failed connections, the most specific first, and advice for each."""

_ATTEMPT = re.compile(r"^\s*(?P<who>\w*Credential): (?P<text>.*)$", re.MULTILINE)
_MANAGED_IDENTITY = "ManagedIdentityCredential"
"""Credential that never gets an answer outside Azure, which says nothing about the network."""

_REFUSED = re.compile(r"AADSTS\d+|authentication failed|points to|redirects", re.IGNORECASE)


def network_advice(text: str) -> str:
    """Describe a network failure and what to do, recognized by the text of an error; empty if not recognized."""
    return next((advice for pattern, advice in _NETWORK if pattern.search(text)), "")


def network_failure(exc: BaseException, text: str) -> str:
    """Explanation of the network failure that prevented a token; empty if the network is not the cause.

    Parameters
    ----------
    exc
        Exception of the credential.
    text
        Text of the exception; a chain of credentials writes one line for each.
    """
    if any(isinstance(cause, StrayError) for cause in _causes(exc)):
        return ""
    connection = any(
        isinstance(cause, ServiceRequestError | ServiceResponseError | RequestException) for cause in _causes(exc)
    )
    attempts = _attempts(text) or [("", text)]
    lines = [line for who, line in attempts if who != _MANAGED_IDENTITY]
    failed = [line for line in lines if network_advice(line) and not re.search(r"AADSTS\d+", line)]
    if failed:
        return f"{failed[0].strip().rstrip('.')}; {network_advice(failed[0])}"
    return f"{text}; {_NETWORK[-1][1]}" if connection else ""


def refusal(text: str) -> str:
    """Refusal by the sign-in service in the text of a chain of credentials; empty if there is no sign-in."""
    attempts = _attempts(text)
    if not attempts:
        return text
    return next((f"{who}: {line.strip()}" for who, line in attempts if _REFUSED.search(line)), "")


def _attempts(text: str) -> list[tuple[str, str]]:
    return [(match["who"], match["text"]) for match in _ATTEMPT.finditer(text)]


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    for _ in range(10):
        if cause is None:
            return
        yield cause
        inner = cause.inner_exception if isinstance(cause, AzureError) else None
        cause = cause.__cause__ or inner

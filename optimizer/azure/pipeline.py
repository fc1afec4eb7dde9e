"""Policies for every request to Azure: only chosen hosts, bounded retries, no registration of providers."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy

from optimizer.errors import RejectedError

LONGEST_WAIT_SECONDS = 300.0
"""Longest ``Retry-After`` that a request waits for; if the service asks for more, it is not retried."""

_REGISTER = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/providers/(?P<provider>[^/]+)/register\b", re.IGNORECASE
)
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?(?=[/?]|\Z)", re.IGNORECASE
)
"""Beginning of an address. It is strict because URL parsers disagree about user names, backslashes and spaces."""

_USUAL_PORTS = {"http": 80, "https": 443}
"""Default port by scheme."""


class StrayError(AzureError):
    """A request or redirect to a host that was not chosen; nothing was sent there."""


class BoundedRetry(RetryPolicy[Any, Any]):
    """The SDK's retry policy, except that it does not wait for hours.

    It adds an option for single calls: ``retry_failures`` limits how often an answer of 5xx or 408 is retried, within
    the SDK's limits for all answers.
    """

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Read the options of a call."""
        failures = options.pop("retry_failures", None)
        return {**super().configure_retries(options), "failures": failures}

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Whether to retry the request after this answer."""
        wait = self.get_retry_after(response)
        if wait is not None and wait > LONGEST_WAIT_SECONDS:
            return False
        most = settings.get("failures")
        if most is not None and _is_failure(response.http_response):
            earlier = sum(_is_failure(entry.http_response) for entry in settings["history"])
            if earlier >= most:
                return False
        return super().is_retry(settings, response)


def _is_failure(response: Any) -> bool:
    return response is not None and (response.status_code >= 500 or response.status_code == 408)


class NoRegistration(SansIOHTTPPolicy[Any, Any]):
    """Stops the SDK from registering missing resource providers in a subscription, because that is a write."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Let every request pass except registrations.

        Raises
        ------
        RejectedError
            The SDK tries to register a provider.
        """
        match = _REGISTER.search(request.http_request.url)
        if match is not None and request.http_request.method == "POST":
            raise RejectedError(
                f"the subscription {match['subscription']} is not registered for {match['provider']}, so it has "
                "no such resources: leave the subscription out",
                code="MissingSubscriptionRegistration",
            )


class StayHome(SansIOHTTPPolicy[Any, Any]):
    """Sends requests only to the chosen endpoints, and follows no redirects.

    It replaces the SDK's redirect policy, which in every client comes before the policies that retry and that add the
    token. Links in answers (``nextLink``, ``Location``) therefore cannot send a token to another host.

    Parameters
    ----------
    endpoints
        Addresses whose scheme, host and port are allowed.
    plain
        Addresses that are allowed despite ``http://``, e.g. the managed identity endpoint of this machine.
    """

    def __init__(self, endpoints: Collection[str], plain: Collection[str] = ()) -> None:
        self._allowed = {origin for endpoint in endpoints if (origin := origin_of(endpoint)) and origin[0] == "https"}
        self._allowed |= {origin for endpoint in plain if (origin := origin_of(endpoint))}

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Let a request pass only if it goes to a chosen endpoint.

        Raises
        ------
        StrayError
            The request goes to another host.
        """
        url = str(request.http_request.url)
        origin = origin_of(url)
        if origin in self._allowed:
            return
        allowed = ", ".join(sorted(_text(origin) for origin in self._allowed)) or "none"
        raise StrayError(
            f"an answer points to {_shown(url)}, but this command sends requests and tokens to {allowed} only; "
            "nothing was sent there. Check --cloud, and look for a proxy that changes answers"
        )

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Refuse redirects; see :meth:`check`."""
        del request
        self.check(response)

    @staticmethod
    def check(response: PipelineResponse[Any, Any]) -> None:
        """Refuse an answer that redirects, with any content in its body.

        Raises
        ------
        StrayError
            The answer has a 3xx status.
        """
        status = response.http_response.status_code
        if 300 <= status < 400:
            target = _shown(str(response.http_response.headers.get("Location") or ""))
            where = f" to {target}" if target else ""
            raise StrayError(
                f"HTTP {status}: the answer redirects{where}. Azure does not do this, and redirects are not followed: "
                "look for a proxy or a sign-in page between this machine and Azure"
            )


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an absolute address; None if the address is not in plain form."""
    match = _ORIGIN.match(url)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    return scheme, match["host"].lower(), int(match["port"] or _USUAL_PORTS[scheme])


def _text(origin: tuple[str, str, int]) -> str:
    scheme, host, port = origin
    return f"{scheme}://{host}" + (f":{port}" if port != _USUAL_PORTS[scheme] else "")


def _shown(url: str) -> str:
    """An address without control characters, and without its query, which may contain a signature."""
    plain = "".join(character if character.isprintable() else "?" for character in re.split(r"[?#]", url)[0])
    return plain if len(plain) <= 200 else plain[:200] + " ..."

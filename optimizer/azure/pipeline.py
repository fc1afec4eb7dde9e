"""What every request to Azure passes: repeats within bounds, and no registration behind the user's back."""

from __future__ import annotations

import re
from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy

from optimizer.errors import RejectedError

LONGEST_WAIT_SECONDS = 300.0
"""The most that one ``Retry-After`` makes a request wait; what asks for more is not repeated by itself."""

_REGISTER = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/providers/(?P<provider>[^/]+)/register\b", re.IGNORECASE
)


class BoundedRetry(RetryPolicy[Any, Any]):
    """The SDK's own policy, which would obey any ``Retry-After``, kept from waiting for hours."""

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Whether the answer is one to repeat after."""
        wait = self.get_retry_after(response)
        return (wait is None or wait <= LONGEST_WAIT_SECONDS) and super().is_retry(settings, response)


class NoRegistration(SansIOHTTPPolicy[Any, Any]):
    """Stops the SDK from registering resource providers in a subscription that lacks them: that would be a write."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Let everything pass but a registration.

        Raises
        ------
        RejectedError
            The SDK wants to register a provider.
        """
        match = _REGISTER.search(request.http_request.url)
        if match is not None and request.http_request.method == "POST":
            raise RejectedError(
                f"the subscription {match['subscription']} is not registered for {match['provider']}, so it holds "
                "nothing of it: leave the subscription out",
                code="MissingSubscriptionRegistration",
            )

"""Counts requests by kind, and reports answers to the limiter."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse

from optimizer.azure.connection import Connection
from optimizer.azure.limiter import AdaptiveLimiter

RETRIES: Mapping[str, Any] = {
    "retry_on_methods": ["HEAD", "GET", "POST"],
    "retry_total": 6,
    "retry_status": 6,
    "retry_connect": 4,
    "retry_read": 4,
    "retry_backoff_max": 30,
}
"""Retry options of a call. By default the clients do not repeat a POST. The smallest of these numbers applies."""

_KINDS = (
    ("resource graph", re.compile(r"/providers/microsoft\.resourcegraph/", re.IGNORECASE)),
    ("metrics", re.compile(r"/metrics:getbatch$", re.IGNORECASE)),
    ("policies", re.compile(r"/backuppolicies(/|$)", re.IGNORECASE)),
    ("protected items", re.compile(r"/(backupprotecteditems|protecteditems)(/|$)", re.IGNORECASE)),
    ("jobs", re.compile(r"/backupjobs(/|$)", re.IGNORECASE)),
    ("vault settings", re.compile(r"/(backupconfig|backupresourceguardproxies|locks)(/|$)", re.IGNORECASE)),
    ("vms", re.compile(r"/microsoft\.compute/virtualmachines/[^/]+$", re.IGNORECASE)),
    ("vm sizes", re.compile(r"/microsoft\.compute/skus$", re.IGNORECASE)),
    ("logs", re.compile(r"/workspaces/[^/]+/query$", re.IGNORECASE)),
    ("vaults", re.compile(r"/microsoft\.recoveryservices/vaults(/[^/]+)?$", re.IGNORECASE)),
)


def kind_of(url: str) -> str:
    """Kind of a request, by its address; ``other`` if no pattern matches."""
    path = url.partition("?")[0].rstrip("/")
    return next((kind for kind, pattern in _KINDS if pattern.search(path)), "other")


class Traffic(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """A policy behind the clients' retries, so that it sees every try.

    Parameters
    ----------
    limiter
        Limiter that learns from the answers how much load the service accepts.
    """

    def __init__(self, limiter: AdaptiveLimiter) -> None:
        self._limiter = limiter
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """Number of requests sent so far, by kind, in order of first use."""
        with self._lock:
            return dict(self._counts)

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Count a request."""
        with self._lock:
            self._counts[kind_of(request.http_request.url)] += 1

    def on_response(
        self, request: PipelineRequest[HttpRequest], response: PipelineResponse[HttpRequest, HttpResponse]
    ) -> None:
        """Report the outcome to the limiter."""
        del request
        status = response.http_response.status_code
        if status < 400:
            self._limiter.succeeded()
        elif status in {429, 503}:
            self._limiter.slowed()


@dataclass(frozen=True)
class WatchedConnection(Connection):
    """A connection whose clients all use one policy that observes traffic.

    Parameters
    ----------
    traffic
        The policy that observes traffic; required.
    """

    traffic: Traffic | None = field(default=None, repr=False)

    def _options(self, endpoint: str) -> dict[str, Any]:
        # Answers have several megabytes: with the default blocks of 4 KiB, handling blocks takes longer than reading.
        options = super()._options(endpoint)
        policies = [*options.get("per_retry_policies", ()), self.traffic]
        return {**options, "per_retry_policies": policies, "connection_data_block_size": 1 << 17}


def watch(connection: Connection, traffic: Traffic) -> WatchedConnection:
    """Copy of a connection whose traffic is observed."""
    own = {part.name: getattr(connection, part.name) for part in fields(connection)}
    return WatchedConnection(**{**own, "token_credential": connection.credential, "traffic": traffic})

"""Connection to Azure: endpoints, credential, and the clients that share them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.pipeline.policies import SansIOHTTPPolicy
    from azure.mgmt.recoveryservices import RecoveryServicesClient
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
    from azure.mgmt.resourcegraph import ResourceGraphClient
    from azure.monitor.query import LogsQueryClient
    from azure.monitor.querymetrics import MetricsClient


_NEVER = 2**33
"""Expiry, in seconds since 1970, of a token that never expires."""

REGION = re.compile(r"[a-z0-9]{2,40}")
"""Pattern for the name of a region, which becomes part of a host name."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine, which never lead elsewhere."""

_SIGN_IN_HOSTS = ("https://login.microsoftonline.com", "https://login.microsoft.com")
"""Hosts that MSAL asks for the sign-in hosts of every cloud."""

_MANAGED_IDENTITY = "http://169.254.169.254"
"""Instance metadata service of a VM; it is link-local and does not use TLS by design."""

_AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"
_IDENTITY_VARIABLES = (
    "AZURE_KUBERNETES_TOKEN_PROXY",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "SYSTEM_OIDCREQUESTURI",
)
"""Environment variables in which Azure's own platforms state their endpoints for managed identities."""


class _NoSecret:
    """Credential for an emulator, which requires none."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Return a placeholder token."""
        from azure.core.credentials import AccessToken

        del scopes, kwargs
        return AccessToken("emulator", _NEVER)


@dataclass(frozen=True)
class Connection:
    """Endpoints and credential of the client.

    Parameters
    ----------
    arm_endpoint
        Endpoint of Azure Resource Manager.
    metrics_endpoint
        Template for the regional metrics endpoints, with ``{region}``.
    logs_endpoint
        Endpoint of Log Analytics.
    ca_file
        Certificate authority to trust instead of the default ones, for an emulator or a proxy.
    token_credential
        Credential of the caller. None means ``DefaultAzureCredential``, which supports environment variables, managed
        identities and ``az login``.
    polling_seconds
        First pause, in seconds, between two looks at an operation for which the service states none; it doubles each
        time.
    backoff_seconds
        First pause, in seconds, before a failed request is repeated; it doubles with each try.
    metrics_audience
        Audience of the token for metrics, which differs between clouds.
    authority
        Sign-in endpoint for users and service principals; the variable ``AZURE_AUTHORITY_HOST`` overrides it.
    """

    arm_endpoint: str = "https://management.azure.com"
    metrics_endpoint: str = "https://{region}.metrics.monitor.azure.com"
    logs_endpoint: str = "https://api.loganalytics.io/v1"
    ca_file: Path | None = None
    token_credential: TokenCredential | None = field(default=None, repr=False)
    polling_seconds: float = 1.0
    backoff_seconds: float = 0.8
    metrics_audience: str = "https://metrics.monitor.azure.com"
    authority: str = "https://login.microsoftonline.com"

    @cached_property
    def credential(self) -> TokenCredential:
        """Credential of the caller."""
        if self.token_credential is not None:
            return self.token_credential
        from azure.identity import DefaultAzureCredential

        authority = os.environ.get(_AUTHORITY_VARIABLE) or self.authority
        return DefaultAzureCredential(authority=authority, **self._trust(), **identity_options(authority))

    @classmethod
    def to_emulator(cls, endpoint: str, ca_file: Path | None) -> Connection:
        """Connection to an emulator: one address for all services, a placeholder credential, and short pauses.

        Parameters
        ----------
        endpoint
            Address of the emulator, as ``https://127.0.0.1:PORT``.
        ca_file
            Certificate authority of the emulator; None means the default ones.
        """
        base = endpoint.rstrip("/")
        return cls(
            arm_endpoint=base,
            metrics_endpoint=base + "/metrics/{region}",
            logs_endpoint=base + "/logs/v1",
            ca_file=ca_file,
            token_credential=_NoSecret(),
            polling_seconds=0.01,
            backoff_seconds=0.01,
        )

    @property
    def is_emulator(self) -> bool:
        """Whether every endpoint is an emulator on this machine, and the credential is one that Azure cannot accept.

        This follows from the endpoints and the credential themselves, so that no setting can make Azure look like an
        emulator.
        """
        endpoints = (self.arm_endpoint, self.metrics_endpoint, self.logs_endpoint)
        local = all(urlsplit(endpoint).scheme == "https" and _is_loopback(endpoint) for endpoint in endpoints)
        return local and isinstance(self.token_credential, _NoSecret)

    def _trust(self) -> Mapping[str, Any]:
        return {} if self.ca_file is None else {"connection_verify": str(self.ca_file)}

    def _options(self, endpoint: str) -> dict[str, Any]:
        """Options for a client that may contact only one endpoint."""
        from optimizer.azure.pipeline import BoundedRetry, StayHome

        return {
            "retry_policy": BoundedRetry(retry_backoff_factor=self.backoff_seconds),
            "redirect_policy": StayHome([endpoint]),
            "logging_enable": False,
            **self._trust(),
        }

    def _arm_options(self, *policies: SansIOHTTPPolicy[Any, Any]) -> dict[str, Any]:
        from optimizer.azure.pipeline import NoRegistration

        endpoint = self.arm_endpoint.rstrip("/")
        options = self._options(endpoint)
        options["per_retry_policies"] = [*options.get("per_retry_policies", ()), NoRegistration()]
        options["per_call_policies"] = [*options.get("per_call_policies", ()), *policies]
        return {"base_url": endpoint, "credential_scopes": [endpoint + "/.default"], **options}

    def vaults(self, subscription: str, *policies: SansIOHTTPPolicy[Any, Any]) -> RecoveryServicesClient:
        """Client for the vaults of a subscription.

        Parameters
        ----------
        policies
            Additional policies, which each call passes once, outside the retries.
        """
        from azure.mgmt.recoveryservices import RecoveryServicesClient

        return RecoveryServicesClient(self.credential, subscription, **self._arm_options(*policies))

    def backup(self, subscription: str, *policies: SansIOHTTPPolicy[Any, Any]) -> RecoveryServicesBackupClient:
        """Client for the policies, protected items and jobs of a subscription.

        Parameters
        ----------
        policies
            Additional policies, which each call passes once, outside the retries.
        """
        from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

        return RecoveryServicesBackupClient(self.credential, subscription, **self._arm_options(*policies))

    def graph(self) -> ResourceGraphClient:
        """Client for Resource Graph."""
        from azure.mgmt.resourcegraph import ResourceGraphClient

        return ResourceGraphClient(self.credential, **self._arm_options())

    def metrics(self, region: str) -> MetricsClient:
        """Client for the metrics of a region.

        Raises
        ------
        ValueError
            The text is not the name of a region, so it must not become part of a host name.
        """
        from azure.monitor.querymetrics import MetricsClient

        if not REGION.fullmatch(region):
            raise ValueError(f"{region!r} is not the name of a region; allowed: 2 to 40 lower-case letters and digits")
        endpoint = self.metrics_endpoint.format(region=region)
        return MetricsClient(endpoint, self.credential, audience=self.metrics_audience, **self._options(endpoint))

    def logs(self) -> LogsQueryClient:
        """Client for Log Analytics."""
        from azure.monitor.query import LogsQueryClient

        endpoint = self.logs_endpoint
        return LogsQueryClient(self.credential, endpoint=endpoint, **self._options(endpoint))


def _is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this machine."""
    return urlsplit(endpoint).hostname in LOOPBACK


def identity_options(authority: str, variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Options for ``azure.identity`` credentials that keep secrets at the sign-in hosts of the chosen cloud.

    The pipelines of these credentials accept no additional policies, but call hooks before each request and after each
    answer.

    Parameters
    ----------
    authority
        Sign-in endpoint for users and service principals, with or without ``https://``.
    variables
        Environment variables; Azure's platforms use some of them to state the endpoints of managed identities.
    """
    from optimizer.azure.pipeline import StayHome

    named = [variables[name] for name in _IDENTITY_VARIABLES if variables.get(name)]
    chosen = authority if "://" in authority else "https://" + authority
    guard = StayHome([chosen, *_SIGN_IN_HOSTS], plain=[_MANAGED_IDENTITY, *named])
    return {"raw_request_hook": guard.on_request, "raw_response_hook": guard.check}

"""How Azure is reached: endpoints, credential, and the clients that share them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.pipeline.policies import SansIOHTTPPolicy
    from azure.mgmt.recoveryservices import RecoveryServicesClient
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
    from azure.mgmt.resourcegraph import ResourceGraphClient
    from azure.monitor.query import LogsQueryClient
    from azure.monitor.querymetrics import MetricsClient


_NEVER = 2**33
"""Seconds since 1970 of a time that is never reached, for a token that does not expire."""

REGION = re.compile(r"[a-z0-9]{2,40}")
"""Name of a region; it becomes a part of a host name."""

_SIGN_IN_HOSTS = ("https://login.microsoftonline.com", "https://login.microsoft.com")
"""MSAL asks these for the sign-in hosts of every cloud."""

_MANAGED_IDENTITY = "http://169.254.169.254"
"""The instance metadata service of a VM: link-local, and without TLS by design."""

_AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"
_IDENTITY_VARIABLES = (
    "AZURE_KUBERNETES_TOKEN_PROXY",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "SYSTEM_OIDCREQUESTURI",
)
"""Environment variables in which Azure's own platforms name their endpoints for managed identities."""


class _NoSecret:
    """A credential for an emulator, which asks for none."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """A token that means nothing."""
        from azure.core.credentials import AccessToken

        del scopes, kwargs
        return AccessToken("emulator", _NEVER)


@dataclass(frozen=True)
class Connection:
    """Where the endpoints are and who asks.

    Parameters
    ----------
    arm_endpoint
        Azure Resource Manager.
    metrics_endpoint
        Template of the regional metrics endpoints, with ``{region}``.
    logs_endpoint
        Log Analytics.
    ca_file
        Certificate authority to trust instead of the usual ones: an emulator's, or that of a proxy.
    token_credential
        Who asks; None: ``DefaultAzureCredential``, which knows environment, managed identity and ``az login``.
    polling_seconds
        First pause between two looks at an operation, in seconds, if the service does not say; it doubles each time.
    backoff_seconds
        First pause before a failed request is repeated; it doubles with each try.
    metrics_audience
        Audience of the token for metrics; each cloud has its own.
    authority
        Where users and service principals sign in; the variable ``AZURE_AUTHORITY_HOST`` overrides it.
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
        """Who asks."""
        if self.token_credential is not None:
            return self.token_credential
        from azure.identity import DefaultAzureCredential

        authority = os.environ.get(_AUTHORITY_VARIABLE) or self.authority
        return DefaultAzureCredential(authority=authority, **self._trust(), **identity_options(authority))

    @classmethod
    def to_emulator(cls, endpoint: str, ca_file: Path | None) -> Connection:
        """Connection to an emulator: one address for everything, a credential that means nothing, short waits.

        Parameters
        ----------
        endpoint
            ``https://127.0.0.1:PORT``.
        ca_file
            Its certificate authority.
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

    def _trust(self) -> Mapping[str, Any]:
        return {} if self.ca_file is None else {"connection_verify": str(self.ca_file)}

    def _options(self, endpoint: str) -> dict[str, Any]:
        """Options of a client that may talk to one endpoint only."""
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
        """Client of the vaults of a subscription.

        Parameters
        ----------
        policies
            More policies that each call passes once, outside of the retries.
        """
        from azure.mgmt.recoveryservices import RecoveryServicesClient

        return RecoveryServicesClient(self.credential, subscription, **self._arm_options(*policies))

    def backup(self, subscription: str, *policies: SansIOHTTPPolicy[Any, Any]) -> RecoveryServicesBackupClient:
        """Client of policies, protected items and jobs of a subscription.

        Parameters
        ----------
        policies
            More policies that each call passes once, outside of the retries.
        """
        from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

        return RecoveryServicesBackupClient(self.credential, subscription, **self._arm_options(*policies))

    def graph(self) -> ResourceGraphClient:
        """Client of the Resource Graph."""
        from azure.mgmt.resourcegraph import ResourceGraphClient

        return ResourceGraphClient(self.credential, **self._arm_options())

    def metrics(self, region: str) -> MetricsClient:
        """Client of the metrics of a region.

        Raises
        ------
        ValueError
            The name is not one of a region, so it must not become a part of a host name.
        """
        from azure.monitor.querymetrics import MetricsClient

        if not REGION.fullmatch(region):
            raise ValueError(f"{region!r} is not the name of a region; allowed: 2 to 40 lower-case letters and digits")
        endpoint = self.metrics_endpoint.format(region=region)
        return MetricsClient(endpoint, self.credential, audience=self.metrics_audience, **self._options(endpoint))

    def logs(self) -> LogsQueryClient:
        """Client of Log Analytics."""
        from azure.monitor.query import LogsQueryClient

        endpoint = self.logs_endpoint
        return LogsQueryClient(self.credential, endpoint=endpoint, **self._options(endpoint))


def identity_options(authority: str, variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Options of ``azure.identity`` credentials that keep secrets at the sign-in hosts of the chosen cloud.

    Their pipelines have no place for policies of others, but they call hooks before each request and after each
    answer.

    Parameters
    ----------
    authority
        Where users and service principals sign in, with or without ``https://``.
    variables
        Environment variables; Azure's platforms name the endpoints of managed identities in some of them.
    """
    from optimizer.azure.pipeline import StayHome

    named = [variables[name] for name in _IDENTITY_VARIABLES if variables.get(name)]
    chosen = authority if "://" in authority else "https://" + authority
    guard = StayHome([chosen, *_SIGN_IN_HOSTS], plain=[_MANAGED_IDENTITY, *named])
    return {"raw_request_hook": guard.on_request, "raw_response_hook": guard.check}

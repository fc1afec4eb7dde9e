"""How Azure is reached: endpoints, credential, and the clients that share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.mgmt.recoveryservices import RecoveryServicesClient
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
    from azure.mgmt.resourcegraph import ResourceGraphClient
    from azure.monitor.query import LogsQueryClient
    from azure.monitor.querymetrics import MetricsClient


_NEVER = 2**33
"""Seconds since 1970 of a time that is never reached, for a token that does not expire."""


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
        Pause between two looks at an operation whose answer does not say how long.
    backoff_seconds
        First pause before a failed request is repeated; it doubles with each try.
    metrics_audience
        For whom a token for metrics is asked; each cloud has its own.
    """

    arm_endpoint: str = "https://management.azure.com"
    metrics_endpoint: str = "https://{region}.metrics.monitor.azure.com"
    logs_endpoint: str = "https://api.loganalytics.io/v1"
    ca_file: Path | None = None
    token_credential: TokenCredential | None = field(default=None, repr=False)
    polling_seconds: float = 30.0
    backoff_seconds: float = 0.8
    metrics_audience: str = "https://metrics.monitor.azure.com"

    @cached_property
    def credential(self) -> TokenCredential:
        """Who asks."""
        if self.token_credential is not None:
            return self.token_credential
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()

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

    def _options(self) -> dict[str, Any]:
        trust: Mapping[str, Any] = {} if self.ca_file is None else {"connection_verify": str(self.ca_file)}
        from optimizer.azure.pipeline import BoundedRetry

        retry = BoundedRetry(retry_backoff_factor=self.backoff_seconds)
        return {"retry_policy": retry, "logging_enable": False, **trust}

    def _arm_options(self) -> dict[str, Any]:
        from optimizer.azure.pipeline import NoRegistration

        endpoint, options = self.arm_endpoint.rstrip("/"), self._options()
        options["per_retry_policies"] = [*options.get("per_retry_policies", ()), NoRegistration()]
        return {"base_url": endpoint, "credential_scopes": [endpoint + "/.default"], **options}

    def vaults(self, subscription: str) -> RecoveryServicesClient:
        """Client of the vaults of a subscription."""
        from azure.mgmt.recoveryservices import RecoveryServicesClient

        return RecoveryServicesClient(self.credential, subscription, **self._arm_options())

    def backup(self, subscription: str) -> RecoveryServicesBackupClient:
        """Client of policies, protected items and jobs of a subscription."""
        from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

        return RecoveryServicesBackupClient(
            self.credential, subscription, polling_interval=self.polling_seconds, **self._arm_options()
        )

    def graph(self) -> ResourceGraphClient:
        """Client of the Resource Graph."""
        from azure.mgmt.resourcegraph import ResourceGraphClient

        return ResourceGraphClient(self.credential, **self._arm_options())

    def metrics(self, region: str) -> MetricsClient:
        """Client of the metrics of a region."""
        from azure.monitor.querymetrics import MetricsClient

        endpoint = self.metrics_endpoint.format(region=region)
        return MetricsClient(endpoint, self.credential, audience=self.metrics_audience, **self._options())

    def logs(self) -> LogsQueryClient:
        """Client of Log Analytics."""
        from azure.monitor.query import LogsQueryClient

        return LogsQueryClient(self.credential, endpoint=self.logs_endpoint, **self._options())

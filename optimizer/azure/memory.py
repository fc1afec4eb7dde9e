"""Memory of each VM size, which converts available bytes to percent."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest

from optimizer.azure.errors import translated
from optimizer.azure.traffic import RETRIES
from optimizer.errors import CloudError
from optimizer.model.caseless import Caseless

if TYPE_CHECKING:
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

_SKUS = "/subscriptions/{subscription}/providers/Microsoft.Compute/skus"
_API_VERSION = "2021-07-01"
_NAME = re.compile(r"[a-z0-9-]+", re.IGNORECASE)


class MemorySizes:
    """Memory by subscription, region and size; each region is requested once, on first use.

    Parameters
    ----------
    client
        Function that returns a client for any service of Azure Resource Manager, given the subscription.
    """

    def __init__(self, client: Callable[[str], RecoveryServicesBackupClient]) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Mapping[Caseless, float]] = {}
        self._lock = threading.Lock()
        self.failures: dict[str, str] = {}

    def bytes_of(self, subscription: str, region: str, size: str) -> float | None:
        """Memory of a VM size in bytes; None if unknown.

        Failed requests are recorded in ``failures``, by what could not be read.
        """
        key = (Caseless(subscription).key, region)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._read(*key)
            return self._known[key].get(Caseless(size))

    def _read(self, subscription: str, region: str) -> Mapping[Caseless, float]:
        if not (_NAME.fullmatch(subscription) and _NAME.fullmatch(region)):
            return {}
        what = f"read how much memory the VM sizes of {region} have (subscription {subscription})"
        try:
            with translated(what):
                return dict(self._sizes(subscription, region))
        except CloudError as exc:
            self.failures[what] = str(exc)
            return {}

    def _sizes(self, subscription: str, region: str) -> Iterator[tuple[Caseless, float]]:
        client = self._client(subscription)
        params = {"api-version": _API_VERSION, "$filter": f"location eq '{region}'"}
        request: HttpRequest | None = HttpRequest("GET", _SKUS.format(subscription=subscription), params=params)
        while request is not None:
            response = client.send_request(request, **RETRIES)
            response.raise_for_status()
            page: dict[str, Any] = response.json()
            for sku in page.get("value") or ():
                memory = _memory_gb(sku)
                if memory is not None:
                    yield Caseless(str(sku["name"])), memory * 1024**3
            link = urlsplit(str(page.get("nextLink") or ""))
            # Use only the link's path and query: a token must go only to the chosen endpoint.
            request = HttpRequest("GET", f"{link.path}?{link.query}") if link.path else None


def _memory_gb(sku: Mapping[str, Any]) -> float | None:
    if sku.get("resourceType") != "virtualMachines":
        return None
    for capability in sku.get("capabilities") or ():
        if capability.get("name") == "MemoryGB":
            try:
                return float(capability["value"])
            except (KeyError, ValueError):
                return None
    return None

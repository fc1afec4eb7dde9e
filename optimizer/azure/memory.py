"""How much memory a size of VM has: what turns available bytes into percent."""

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

if TYPE_CHECKING:
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

_SKUS = "/subscriptions/{subscription}/providers/Microsoft.Compute/skus"
_API_VERSION = "2021-07-01"
_NAME = re.compile(r"[a-z0-9-]+", re.IGNORECASE)


class MemorySizes:
    """Memory by subscription, region and size; each region is asked for once, when it is first needed.

    Parameters
    ----------
    client
        Of any service of Azure Resource Manager, by subscription.
    """

    def __init__(self, client: Callable[[str], RecoveryServicesBackupClient]) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Mapping[str, float]] = {}
        self._lock = threading.Lock()
        self.failures: dict[str, str] = {}

    def bytes_of(self, subscription: str, region: str, size: str) -> float | None:
        """Memory of a size in bytes; None where it is not known.

        What could not be asked is found in ``failures``, by region and subscription.
        """
        key = (subscription.lower(), region)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._read(*key)
            return self._known[key].get(size.lower())

    def _read(self, subscription: str, region: str) -> Mapping[str, float]:
        if not (_NAME.fullmatch(subscription) and _NAME.fullmatch(region)):
            return {}
        what = f"read how much memory the VM sizes of {region} have (subscription {subscription})"
        try:
            with translated(what):
                return dict(self._sizes(subscription, region))
        except CloudError as exc:
            self.failures[what] = str(exc)
            return {}

    def _sizes(self, subscription: str, region: str) -> Iterator[tuple[str, float]]:
        client = self._client(subscription)
        params = {"api-version": _API_VERSION, "$filter": f"location eq '{region}'"}
        request = HttpRequest("GET", _SKUS.format(subscription=subscription), params=params)
        links: set[str] = set()
        while True:
            response = client.send_request(request, **RETRIES)
            response.raise_for_status()
            content = response.json()
            page = content if isinstance(content, dict) else {}
            for sku in _dicts(page.get("value")):
                memory = _memory_gb(sku)
                if memory is not None:
                    yield str(sku.get("name")).lower(), memory * 1024**3
            link = str(page.get("nextLink") or "")
            if not link or link in links:  # a page that leads to itself would never end
                return
            links.add(link)
            # Only its path and query: the token goes to the endpoint that was chosen.
            parts = urlsplit(link)
            request = HttpRequest("GET", f"{parts.path}?{parts.query}")


def _dicts(value: object) -> list[dict[str, Any]]:
    """Objects of a list; whatever else stands in it, or for it, is passed over."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _memory_gb(sku: Mapping[str, Any]) -> float | None:
    if sku.get("resourceType") != "virtualMachines":
        return None
    for capability in _dicts(sku.get("capabilities")):
        if capability.get("name") == "MemoryGB":
            try:
                return float(capability["value"])
            except (KeyError, TypeError, ValueError):
                return None
    return None

"""Policies for every request: bounded waits, no registration of providers, and only the chosen hosts."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.azure.pipeline import StayHome, StrayError, origin_of
from optimizer.azure.service import AzureBackupService
from optimizer.errors import (
    RejectedError,
    ThrottledError,
)
from tests.azure.wire import (
    POLICY,
    Wire,
    failure,
)


def test_reads_do_not_wait_for_hours(wire: Wire, service: AzureBackupService) -> None:
    """A Retry-After beyond five minutes ends the read with the wait in the error."""
    wire.on("GET", POLICY, failure(429, "Slow", Retry_After="7200"))
    with pytest.raises(ThrottledError) as caught:
        service.get_policy(POLICY)
    assert caught.value.retry_after_seconds == 7200.0


def test_no_provider_is_registered(wire: Wire, service: AzureBackupService) -> None:
    """The SDK would register a missing provider, which is a write: it is kept from that."""
    wire.on(
        "GET",
        POLICY,
        failure(409, "MissingSubscriptionRegistration", "not registered to use 'Microsoft.RecoveryServices'"),
    )
    with pytest.raises(RejectedError, match=r"not registered for Microsoft\.RecoveryServices"):
        service.get_policy(POLICY)
    assert wire.sent("POST") == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Management.Azure.com/x", ("https", "management.azure.com", 443)),
        ("https://management.azure.com:443?x", ("https", "management.azure.com", 443)),
        ("https://[::1]:8443/x", ("https", "::1", 8443)),
        ("http://169.254.169.254/metadata", ("http", "169.254.169.254", 80)),
        ("https://management.azure.com#x", None),
        (" https://management.azure.com/", None),
        ("https://management.azure.com\t.evil.example/", None),
        ("https://user@management.azure.com/", None),
        ("https://management.azure.com\\.evil.example/", None),
        ("https:/management.azure.com/", None),
        ("//management.azure.com/", None),
        ("ftp://management.azure.com/", None),
        ("", None),
    ],
)
def test_origins_are_read_strictly(url: str, origin: tuple[str, str, int] | None) -> None:
    """What different parsers could read as different hosts is not read as any."""
    found = origin_of(url)
    assert found == (origin and (origin[0], f"[{origin[1]}]" if ":" in origin[1] else origin[1], origin[2]))


def test_a_guard_without_endpoints_lets_nothing_pass() -> None:
    """An endpoint that cannot be read is not an open door."""
    guard = StayHome(["management.azure.com"])
    request: Any = type("Request", (), {"http_request": type("Http", (), {"url": "https://management.azure.com/"})})
    with pytest.raises(StrayError, match="to none only"):
        guard.on_request(request)

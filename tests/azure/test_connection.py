"""Connections: endpoints that a token may reach, and names that may become part of a host name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optimizer.azure.connection import Connection, identity_options
from optimizer.azure.pipeline import StrayError
from optimizer.azure.service import AzureBackupReader
from optimizer.errors import CloudError
from tests.azure.wire import VAULT, Token, Wire


def test_a_plain_endpoint_is_refused(wire: Wire) -> None:
    """Not even a chosen endpoint gets a token over http."""
    plain = replace(wire.connection, arm_endpoint=wire.endpoint.replace("https", "http"))
    with AzureBackupReader(plain) as reader, pytest.raises(CloudError):
        reader.list_policies(VAULT)
    assert wire.requests == []


@pytest.mark.parametrize("region", ["evil.example/", "we@evil", "", "West Europe", "a" * 41])
def test_a_region_is_no_way_to_another_host(wire: Wire, region: str) -> None:
    """The name of a region becomes a part of a host name, so it may hold letters and digits only."""
    with pytest.raises(ValueError, match="not the name of a region"):
        wire.connection.metrics(region)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://login.microsoftonline.us/tenant/oauth2/v2.0/token", True),
        ("https://login.microsoftonline.com/common/discovery/instance?x=1", True),
        ("http://169.254.169.254/metadata/identity/oauth2/token", True),
        ("http://localhost:40342/metadata/identity/oauth2/token", True),
        ("http://localhost:40343/metadata/identity/oauth2/token", False),
        ("http://login.microsoftonline.us/tenant/oauth2/v2.0/token", False),
        ("https://login.microsoftonline.us.evil.example/token", False),
        ("https://evil.example/token", False),
    ],
)
def test_secrets_go_to_sign_in_hosts_and_to_the_platform_only(url: str, allowed: bool) -> None:
    """Those of the cloud, the metadata service of a VM, and what Azure's platforms name in the environment."""
    options = identity_options("login.microsoftonline.us", {"IDENTITY_ENDPOINT": "http://localhost:40342/metadata"})
    request: Any = type("Request", (), {"http_request": type("Http", (), {"url": url})})
    if allowed:
        options["raw_request_hook"](request)
    else:
        with pytest.raises(StrayError):
            options["raw_request_hook"](request)


def test_an_emulator_is_one_address_on_this_machine() -> None:
    """Every service is below the one address; another host, plain http or a real credential is no emulator."""
    connection = Connection.to_emulator("https://127.0.0.1:8443/", None)
    assert connection.is_emulator
    assert (connection.arm_endpoint, connection.logs_endpoint) == (
        "https://127.0.0.1:8443",
        "https://127.0.0.1:8443/logs/v1",
    )
    assert connection.metrics_endpoint.format(region="westeurope") == "https://127.0.0.1:8443/metrics/westeurope"
    others = (
        {"arm_endpoint": "https://management.azure.com"},
        {"logs_endpoint": "http://127.0.0.1:8443"},
        {"token_credential": Token()},
    )
    assert not any(replace(connection, **other).is_emulator for other in others)
    assert not Connection().is_emulator

"""Explanations of a missing token."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from optimizer.azure.pipeline import StrayError
from optimizer.azure.sign_in import network_advice, network_failure, refusal

CHAIN = (
    "DefaultAzureCredential failed to retrieve a token.\nAttempted credentials:\n"
    "\tEnvironmentCredential: {environment}\n"
    "\tManagedIdentityCredential: {identity}"
)
UNAVAILABLE = "authentication unavailable. Environment variables are not fully configured."
TIMED_OUT = "no response from the IMDS endpoint: connection timed out"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("Cannot connect to proxy: tunnel connection failed: 407", "the proxy did not let the request through"),
        ("Failed to resolve 'login.microsoftonline.com'", "could not be resolved: check DNS"),
        ("https://127.0.0.1:8443: [Errno 111] Connection refused", "is 'backup-optimizer emulate' running"),
        ("10.0.0.1: [Errno 111] Connection refused", "no connection could be made"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", "pass its certificate authority with --ca-file"),
        ("Max retries exceeded", "check the network, a firewall and HTTPS_PROXY"),
    ],
)
def test_the_cause_in_the_network_is_recognized(text: str, advice: str) -> None:
    """Each kind of network failure has its own advice, and the most specific one wins."""
    assert advice in network_advice(text)


def test_other_texts_are_no_network_failure() -> None:
    """A text without any sign of the network gets no advice."""
    assert network_advice("AADSTS7000215: invalid client secret") == ""


def test_the_managed_identity_proves_nothing_about_the_network() -> None:
    """Outside Azure its endpoint never answers, so only the other credentials of the chain count."""
    exc = ClientAuthenticationError("x")
    assert network_failure(exc, CHAIN.format(environment=UNAVAILABLE, identity=TIMED_OUT)) == ""
    text = CHAIN.format(environment="Failed to resolve 'login.microsoftonline.com'.", identity=TIMED_OUT)
    assert network_failure(exc, text).startswith("Failed to resolve 'login.microsoftonline.com'; the name of the host")


def test_a_refusal_by_entra_is_no_network_failure() -> None:
    """An answer with an AADSTS code arrived, whatever else its text mentions."""
    text = CHAIN.format(environment="AADSTS90033: the service timed out", identity=TIMED_OUT)
    assert network_failure(ClientAuthenticationError("x"), text) == ""
    assert refusal(text) == "EnvironmentCredential: AADSTS90033: the service timed out"


def test_the_causes_of_an_exception_count_too() -> None:
    """A failed request below the credential's exception is a network failure; a redirect is not."""
    for cause, expected in (
        (ServiceRequestError("x"), "odd text; no connection could be made"),
        (StrayError("x"), ""),
    ):
        exc = ClientAuthenticationError("odd text")
        exc.__cause__ = cause
        assert network_failure(exc, "odd text").startswith(expected)
        assert bool(network_failure(exc, "odd text")) is bool(expected)


def test_a_single_credential_is_its_own_refusal() -> None:
    """An error without a chain is the refusal itself; a chain without a refusal means that there was no sign-in."""
    assert refusal("invalid client secret") == "invalid client secret"
    assert refusal(CHAIN.format(environment=UNAVAILABLE, identity=TIMED_OUT)) == ""

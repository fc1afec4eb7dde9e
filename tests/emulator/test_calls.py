"""Requests as the handlers see them: addresses and pages."""

from __future__ import annotations

from tests.emulator.cloud import VAULT, call, state_of


def test_an_address_is_encoded_for_the_client() -> None:
    """Spaces and umlauts are encoded; the separators of container names are not."""
    url = call(state_of()).url("/a b/IaasVMContainer;x/ü", **{"api-version": "1", "$skipToken": "a="})
    assert url == "https://127.0.0.1:1/a%20b/IaasVMContainer;x/%C3%BC?api-version=1&$skipToken=a%3D"


def test_the_link_to_the_next_page_keeps_the_question() -> None:
    """Filter and API version are repeated with the token; the last page has no link."""
    first = call(state_of(), "/list", **{"$filter": "a eq 'b'", "api-version": "1"}).paged([1, 2, 3], 2)
    assert first.content["value"] == [1, 2]
    assert first.content["nextLink"].startswith("https://127.0.0.1:1/list?$filter=a+eq+%27b%27&api-version=1&")
    token = first.content["nextLink"].rpartition("$skipToken=")[2].replace("%3D", "=")
    assert call(state_of(), "/list", **{"$skiptoken": token}).paged([1, 2, 3], 2).content == {"value": [3]}


def test_the_vault_is_that_of_the_path() -> None:
    """A route that lies in a vault passes its id on."""
    assert call(state_of()).vault_id == VAULT

"""Tokens and secrets go to the chosen endpoints only: a second server, to which answers point, never hears of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from optimizer.azure.connection import Connection, identity_options
from optimizer.azure.discovery import GraphDirectory
from optimizer.azure.errors import translated
from optimizer.azure.limiter import AdaptiveLimiter
from optimizer.azure.logs import Workspaces
from optimizer.azure.memory import MemorySizes
from optimizer.azure.metrics import MetricsReader
from optimizer.azure.pull import azure_source
from optimizer.azure.service import AzureBackupReader, AzureBackupService
from optimizer.errors import CloudError, NotFoundError, RejectedError
from optimizer.intake.pull.pull_source import LoadTarget
from tests.azure.wire import ITEM, POLICY, SUBSCRIPTION, VAULT, VM, Answer, Wire, item_body, serve, vm_policy

TENANT = "11111111-2222-4333-8444-666666666666"


@pytest.fixture
def stranger(certificate: tuple[Path, Path]) -> Iterator[Wire]:
    """A second server, at which every path gives a page of policies."""
    with serve(*certificate) as server:
        server.on("GET", ".*", Answer(200, {"value": [], "status": "Succeeded"}))
        server.on("POST", ".*", Answer(200, {"value": [], "values": [], "tables": [], "data": []}))
        server.on("PUT", ".*", Answer(200, {}))
        yield server


def target() -> LoadTarget:
    """The VM, to be asked for its load."""
    return LoadTarget(
        vm_id=VM,
        subscription=SUBSCRIPTION,
        region="westeurope",
        size="Standard_D2s_v5",
        start=datetime(2026, 2, 28, tzinfo=UTC),
    )


def read_metrics(connection: Connection) -> None:
    """Ask for metrics; what fails is told per VM."""
    with connection.metrics("westeurope") as client, connection.backup(SUBSCRIPTION) as backup:
        reader = MetricsReader(lambda _: client, MemorySizes(lambda _: backup), AdaptiveLimiter(2), 2)
        try:
            (chunk,) = reader.read_day([target()], date(2026, 2, 28), datetime(2026, 3, 1, tzinfo=UTC))
        finally:
            reader.close()
        raise CloudError(chunk.failed[VM].reason)


def read_sizes(connection: Connection) -> None:
    """Ask for sizes of VMs; what fails is told aside."""
    with connection.backup(SUBSCRIPTION) as backup:
        sizes = MemorySizes(lambda _: backup)
        sizes.bytes_of(SUBSCRIPTION, "westeurope", "Standard_D2s_v5")
        raise CloudError("; ".join(sizes.failures.values()))


def read_jobs_of_workspace(connection: Connection) -> None:
    """Ask Log Analytics."""
    with connection.logs() as client:
        since = datetime(2026, 2, 1, tzinfo=UTC)
        Workspaces(client, [TENANT]).read_jobs(since, datetime(2026, 2, 2, tzinfo=UTC))


def find_vaults(connection: Connection) -> None:
    """Ask Resource Graph."""
    with connection.graph() as client:
        GraphDirectory(client).find_vaults([SUBSCRIPTION], [])


def pull_everything(connection: Connection) -> None:
    """Ask through the clients that a pull makes."""
    with azure_source(connection) as source:
        source.directory.find_vaults([SUBSCRIPTION], [])


def with_reader(read: Callable[[AzureBackupService], object]) -> Callable[[Connection], None]:
    """What a reader or writer of backup objects does."""

    def act(connection: Connection) -> None:
        with AzureBackupService(connection) as service:
            read(service)

    return act


CLIENTS: dict[str, Callable[[Connection], None]] = {
    "vault": with_reader(lambda service: service.vault_settings(VAULT)),
    "policy": with_reader(lambda service: service.get_policy(POLICY)),
    "items": with_reader(lambda service: service.list_items(VAULT)),
    "write of a policy": with_reader(lambda service: service.put_policy(POLICY, vm_policy())),
    "write of an item": with_reader(lambda service: service.put_item(ITEM, item_body())),
    "deletion": with_reader(lambda service: service.delete_policy(POLICY)),
    "graph": find_vaults,
    "pull": pull_everything,
    "metrics": read_metrics,
    "sizes": read_sizes,
    "logs": read_jobs_of_workspace,
}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_follows_or_believes_a_redirect(wire: Wire, stranger: Wire, client: str, status: int) -> None:
    """Neither is the other host asked, nor does the body of the redirect count as an answer."""
    body = {"value": [], "values": [], "status": "Succeeded", "tables": [], "data": [], "totalRecords": 0}
    away = Answer(status, body, {"Location": stranger.endpoint + "/subscriptions/x?sig=abc"})
    for method in ("GET", "POST", "PUT", "DELETE"):
        wire.on(method, ".*", away)
    with pytest.raises(CloudError) as caught:
        CLIENTS[client](wire.connection)
    assert f"HTTP {status}: the answer redirects to {stranger.endpoint}/subscriptions/x." in str(caught.value)
    assert "sig=" not in str(caught.value)
    assert not isinstance(caught.value, RejectedError | NotFoundError)
    assert stranger.requests == []
    assert len(wire.requests) == 1, "a redirect is not retried"


LISTS: dict[str, tuple[str, Callable[[AzureBackupService], object]]] = {
    "policies": (".*/backupPolicies", lambda service: service.list_policies(VAULT)),
    "items": (".*/backupProtectedItems", lambda service: service.list_items(VAULT)),
    "jobs": (".*/backupJobs", lambda service: service.running_jobs(VAULT)),
    "guards": (".*/backupResourceGuardProxies", lambda service: service.vault_settings(VAULT)),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "link",
    [
        "https://{stranger}/subscriptions/x?$skipToken=1",
        "HTTPS://{STRANGER}/subscriptions/x",
        "http://{home}/subscriptions/x",
        "https://{home}@{stranger}/subscriptions/x",
        "https://{stranger}\\@{home}/subscriptions/x",
        "https://{home}\\@{stranger}/subscriptions/x",
        "https://{home}.evil.example/subscriptions/x",
        "https://localhost:{port}/subscriptions/x",
    ],
)
def test_a_link_to_another_host_is_not_followed(
    wire: Wire, stranger: Wire, service: AzureBackupService, name: str, link: str
) -> None:
    """Whatever way the link of a list is written, only the chosen scheme, host and port get the token."""
    path, read = LISTS[name]
    home, away = wire.endpoint.removeprefix("https://"), stranger.endpoint.removeprefix("https://")
    url = link.format(home=home, stranger=away, STRANGER=away.upper(), port=away.partition(":")[2])
    wire.on("GET", path, Answer(200, {"value": [], "nextLink": url}))
    wire.on("GET", ".*", Answer(200, {}))
    with pytest.raises(CloudError, match="sends requests and tokens to"):
        read(service)
    assert stranger.requests == []
    assert len(wire.sent("GET", path)) == 1


def test_a_relative_link_stays_at_home(wire: Wire, stranger: Wire, service: AzureBackupService) -> None:
    """A link without a scheme is read as a path of the endpoint, even one that begins like a host."""
    away = stranger.endpoint.removeprefix("https:")
    wire.on("GET", ".*/backupPolicies", Answer(200, {"value": [], "nextLink": f"{away}/subscriptions/x"}))
    with pytest.raises(NotFoundError):
        service.list_policies(VAULT)
    assert stranger.requests == []


@pytest.mark.parametrize("header", ["Azure-AsyncOperation", "Location", "Operation-Location"])
def test_an_operation_is_looked_at_where_it_was_begun(
    wire: Wire, stranger: Wire, service: AzureBackupService, header: str
) -> None:
    """Of the address of an operation only the path counts; the token goes to the endpoint that was written to."""
    path = f"/subscriptions/{SUBSCRIPTION}/operations/1"
    wire.on("PUT", ".*", Answer(202, None, {header: f"{stranger.endpoint}{path}"}))
    wire.on("GET", path, Answer(200, {"status": "Succeeded"}))
    accepted = service.put_item(ITEM, item_body())
    assert accepted is not None
    assert service.look_at_operation(accepted.operation).ended
    assert stranger.requests == []
    assert wire.sent("GET", path)[0].headers["Authorization"].startswith("Bearer ")


def test_a_redirected_operation_is_not_believed(wire: Wire, stranger: Wire, service: AzureBackupService) -> None:
    """A look at an operation that is sent elsewhere leaves its end unknown, though the body says that it succeeded."""
    path = f"/subscriptions/{SUBSCRIPTION}/operations/1"
    wire.on("PUT", ".*", Answer(202, None, {"Azure-AsyncOperation": f"{wire.endpoint}{path}"}))
    wire.on("GET", path, Answer(302, {"status": "Succeeded"}, {"Location": stranger.endpoint}))
    accepted = service.put_item(ITEM, item_body())
    assert accepted is not None
    with pytest.raises(CloudError, match="redirects"):
        service.look_at_operation(accepted.operation)
    assert stranger.requests == []


def test_pages_of_sizes_stay_at_home(wire: Wire, stranger: Wire) -> None:
    """The link to the next page of VM sizes is followed at the endpoint, wherever it points."""
    sku = {"name": "Standard_D2s_v5", "capabilities": [{"name": "MemoryGB", "value": "8"}], "resourceType": "x"}
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus"
    pages = [Answer(200, {"value": [], "nextLink": f"{stranger.endpoint}{path}?p=2"}), Answer(200, {"value": [sku]})]
    wire.on("GET", ".*/skus", *pages)
    with wire.connection.backup(SUBSCRIPTION) as backup:
        MemorySizes(lambda _: backup).bytes_of(SUBSCRIPTION, "westeurope", "Standard_D2s_v5")
    assert stranger.requests == []
    assert len(wire.sent("GET", path)) == 2


def test_each_client_knows_its_own_endpoint_only(wire: Wire, stranger: Wire) -> None:
    """A token for Resource Manager does not go to the metrics endpoint either, though that was chosen too."""
    connection = replace(wire.connection, metrics_endpoint=stranger.endpoint + "/metrics/{region}")
    wire.on("GET", ".*/backupPolicies", Answer(200, {"value": [], "nextLink": f"{stranger.endpoint}/metrics/x"}))
    with AzureBackupReader(connection) as reader, pytest.raises(CloudError, match="an answer points to"):
        reader.list_policies(VAULT)
    assert stranger.requests == []


def secret_credential(wire: Wire, **given: Any) -> ClientSecretCredential:
    """A service principal that signs in at the first server."""
    return ClientSecretCredential(
        TENANT,
        "client",
        "very-secret",
        authority=wire.endpoint,
        disable_instance_discovery=True,
        connection_verify=str(wire.ca_file),
        retry_total=0,
        **given,
    )


@pytest.mark.parametrize("guarded", [True, False])
def test_a_secret_stays_at_the_sign_in_host(wire: Wire, stranger: Wire, guarded: bool) -> None:
    """Where the sign-in host names a token endpoint elsewhere, the secret stays; without the guard it went there."""
    addresses = {
        "token_endpoint": f"{stranger.endpoint}/token",
        "authorization_endpoint": f"{stranger.endpoint}/authorize",
        "issuer": f"{wire.endpoint}/{TENANT}",
    }
    wire.on("GET", ".*/openid-configuration", Answer(200, addresses))
    credential = secret_credential(wire, **(identity_options(wire.endpoint) if guarded else {}))
    with pytest.raises(ClientAuthenticationError) as caught:
        credential.get_token("https://management.azure.com/.default")
    assert (stranger.requests == []) is guarded
    with pytest.raises(CloudError) as told, translated("read x"):
        raise caught.value
    assert "very-secret" not in str(told.value)
    assert not guarded or f"an answer points to {stranger.endpoint}/token" in str(told.value)


def test_a_sign_in_that_redirects_is_not_believed(wire: Wire, stranger: Wire) -> None:
    """A sign-in page of a proxy is neither followed nor read."""
    wire.on("GET", ".*", Answer(302, {"token_endpoint": "x"}, {"Location": stranger.endpoint}))
    credential = secret_credential(wire, **identity_options(wire.endpoint))
    with pytest.raises(ClientAuthenticationError, match="redirects"):
        credential.get_token("https://management.azure.com/.default")
    assert stranger.requests == []

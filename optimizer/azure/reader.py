"""Reads backup objects with Microsoft's clients as plain JSON, including unknown fields; it cannot write."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from azure.core.exceptions import DeserializationError, HttpResponseError
from azure.core.rest import HttpRequest

from optimizer.azure.connection import Connection
from optimizer.azure.errors import translated
from optimizer.azure.operations import check_operation, look_at
from optimizer.azure.service_clock import ServiceClock
from optimizer.errors import NotFoundError
from optimizer.model.arm_id import ItemId, PolicyId, VaultId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, mapping, objects, properties_of
from optimizer.ports import Look, Resource

if TYPE_CHECKING:
    from azure.mgmt.recoveryservices import RecoveryServicesClient
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

VM_ITEMS = "backupManagementType eq 'AzureIaasVM' and itemType eq 'VM'"
EXTENDED = "expand eq 'extendedInfo'"
LOCKS_API_VERSION = "2016-09-01"

JOBS_WINDOW = timedelta(days=29)
"""Longest period of one request: the service allows 30 days, and a day is added at the end."""

REPEATED: dict[str, Any] = {
    "retry_total": 10,
    "retry_connect": 8,
    "retry_read": 8,
    "retry_status": 8,
    "retry_backoff_max": 60,
}
"""Retries for reads; the SDK's default of three is too few when the service is unreliable."""


class _Model(Protocol):
    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, as Azure returned it."""
        ...


class AzureBackupReader:
    """Reader of Azure's backup objects; an :class:`optimizer.ports.BackupReader` that threads can share.

    Parameters
    ----------
    connection
        Endpoints and credential.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._service_clock = ServiceClock()
        self._lock = threading.Lock()
        self._backup_clients: dict[Caseless, RecoveryServicesBackupClient] = {}
        self._vault_clients: dict[Caseless, RecoveryServicesClient] = {}

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; later reads open new ones."""
        with self._lock:
            clients: list[RecoveryServicesBackupClient | RecoveryServicesClient] = []
            clients += [*self._backup_clients.values(), *self._vault_clients.values()]
            self._backup_clients.clear()
            self._vault_clients.clear()
        for client in clients:
            client.close()

    def look_at_operation(self, operation: str) -> Look:
        """Look once at an operation; see :meth:`optimizer.ports.BackupReader.look_at_operation`."""
        path = check_operation(operation)
        return look_at(self._backup_of(path.split("/")[2]), path)

    def _backup(self, vault: VaultId) -> RecoveryServicesBackupClient:
        return self._backup_of(vault.subscription)

    def _backup_of(self, subscription: str) -> RecoveryServicesBackupClient:
        key = Caseless(subscription)
        with self._lock:
            if key not in self._backup_clients:
                # Enter the client, so that the transport's session is created here and not by two threads at once.
                client = self._connection.backup(subscription, self._service_clock)
                self._backup_clients[key] = client.__enter__()
            return self._backup_clients[key]

    def _vaults(self, vault: VaultId) -> RecoveryServicesClient:
        key = Caseless(vault.subscription)
        with self._lock:
            if key not in self._vault_clients:
                client = self._connection.vaults(vault.subscription, self._service_clock)
                self._vault_clients[key] = client.__enter__()
            return self._vault_clients[key]

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """How far ``now`` is ahead of the service's clock, by the ``Date`` of its last answer."""
        return self._service_clock.ahead(now)

    def get_policy(self, policy_id: str) -> Resource | None:
        """A backup policy; None if it does not exist.

        Raises
        ------
        DataError
            The id is not the id of a policy.
        """
        policy = PolicyId.parse(policy_id)
        vault = policy.vault
        try:
            with translated(f"read policy {policy.name!r} of vault {vault.name!r}"):
                return _plain(
                    self._backup(vault).protection_policies.get(
                        vault.name, vault.resource_group, policy.name, **REPEATED
                    )
                )
        except NotFoundError:
            return None

    def get_item(self, item_id: str) -> Resource | None:
        """A protected item with its extended info; None if it does not exist.

        Raises
        ------
        DataError
            The id is not the id of a protected item.
        """
        item = ItemId.parse(item_id)
        vault = item.vault
        try:
            with translated(f"read the protection of {item.name!r} in vault {vault.name!r}"):
                return _plain(
                    self._backup(vault).protected_items.get(
                        vault.name,
                        vault.resource_group,
                        item.fabric,
                        item.container,
                        item.name,
                        filter=EXTENDED,
                        **REPEATED,
                    )
                )
        except NotFoundError:
            return None

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Every policy of a vault, including policies for other workloads."""
        vault = VaultId.parse(vault_id)
        with translated(f"list the policies of vault {vault.name!r}"):
            return _plain_list(self._backup(vault).backup_policies.list(vault.name, vault.resource_group, **REPEATED))

    def list_items(self, vault_id: str) -> list[Resource]:
        """Every protected VM of a vault."""
        vault = VaultId.parse(vault_id)
        with translated(f"list the protected items of vault {vault.name!r}"):
            return _plain_list(
                self._backup(vault).backup_protected_items.list(
                    vault.name, vault.resource_group, filter=VM_ITEMS, **REPEATED
                )
            )

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Backup jobs for the VMs of a vault that started in ``[since, until)``, the oldest first.

        Jobs with an unreadable start are included, so that the caller can decide about them.

        It is not documented whether the service compares the end of its filter with the start or the end of a job. The
        request therefore covers one more day, and surplus jobs are dropped here.

        Raises
        ------
        ValueError
            A time has no UTC offset.
        """
        if since.tzinfo is None or until.tzinfo is None:
            raise ValueError("since and until must have a zone")
        vault = VaultId.parse(vault_id)
        jobs: dict[str, Resource] = {}
        begin = since.astimezone(UTC)
        while begin < until:
            end = min(begin + JOBS_WINDOW, until.astimezone(UTC))
            span = f"startTime eq '{_time(begin)}' and endTime eq '{_time(end + timedelta(days=1))}'"
            listed = self._jobs(vault, f"{span} and operation eq 'Backup'")
            jobs |= {id_of(job) or f"{begin} {number}": job for number, job in enumerate(listed)}
            begin = end
        started = [(_start(job) or since, job) for job in jobs.values()]
        inside = [(start, job) for start, job in started if since <= start < until]
        return [job for _, job in sorted(inside, key=lambda pair: (pair[0], id_of(pair[1])))]

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs for the VMs of a vault, of any operation, that are in progress or being canceled now."""
        vault = VaultId.parse(vault_id)
        # A job in progress may change to being canceled, but never the other way round. In this order, a job that
        # changes between the two requests is in at least one of the lists.
        return [job for status in ("InProgress", "Cancelling") for job in self._jobs(vault, f"status eq '{status}'")]

    def _jobs(self, vault: VaultId, wanted: str) -> list[Resource]:
        with translated(f"list the backup jobs of vault {vault.name!r}"):
            return _plain_list(
                self._backup(vault).backup_jobs.list(
                    vault.name,
                    vault.resource_group,
                    filter=f"{wanted} and backupManagementType eq 'AzureIaasVM'",
                    **REPEATED,
                )
            )

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """The vault and the resources attached to it (guard proxies, backup configuration, locks), by ``type``."""
        vault = VaultId.parse(vault_id)
        names = (vault.name, vault.resource_group)
        backup = self._backup(vault)
        with translated(f"read vault {vault.name!r}"):
            itself = _plain(self._vaults(vault).vaults.get(vault.resource_group, vault.name, **REPEATED))
        with translated(f"read the Resource Guard of vault {vault.name!r}"):
            guards = _plain_list(backup.resource_guard_proxies.get(*names, **REPEATED))
        with translated(f"read the backup configuration of vault {vault.name!r}"):
            config = _plain(backup.backup_resource_vault_configs.get(*names, **REPEATED))
        settings = [("Microsoft.RecoveryServices/vaults", itself)]
        settings += [("Microsoft.RecoveryServices/vaults/backupResourceGuardProxies", guard) for guard in guards]
        settings += [("Microsoft.RecoveryServices/vaults/backupconfig", config)]
        settings += [("Microsoft.Authorization/locks", lock) for lock in self._locks(vault)]
        return [{**resource, "type": resource.get("type") or kind} for kind, resource in settings]

    def _locks(self, vault: VaultId) -> list[Resource]:
        """Locks on a vault, by a plain request, because the backup SDK has no call for them."""
        client, locks = self._backup(vault), []
        path = f"{vault.text}/providers/Microsoft.Authorization/locks?api-version={LOCKS_API_VERSION}"
        with translated(f"read the locks of vault {vault.name!r}"):
            response = client.send_request(HttpRequest("GET", path), **REPEATED)
            if response.status_code != 200:
                raise HttpResponseError(response=response)
            locks += [dict(lock) for lock in objects(mapping(response.json()).get("value"))]
        return locks


def _plain(model: _Model) -> Resource:
    """A resource as Azure returned it. In SDK 11.2 ``as_dict`` keeps every field and null; attributes lose some."""
    return model.as_dict()


def _plain_list(models: Iterable[_Model | None]) -> list[Resource]:
    """Resources of a list, without nulls.

    Raises
    ------
    DeserializationError
        The answer has an unexpected form. The SDK raises errors of its own for null in place of a list.
    """
    try:
        return [_plain(model) for model in models if model is not None]
    except (AttributeError, KeyError, TypeError) as exc:
        raise DeserializationError(f"it is not of the expected form ({type(exc).__name__}: {exc})") from exc


def _time(instant: datetime) -> str:
    """Format a time for the filters of job requests."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %I:%M:%S %p")


def _start(job: Resource) -> datetime | None:
    """Start of a job; None if it is missing or unreadable."""
    try:
        start = datetime.fromisoformat(str(properties_of(job).get("startTime")))
    except ValueError:
        return None
    return start if start.tzinfo is not None else start.replace(tzinfo=UTC)

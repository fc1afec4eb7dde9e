"""Writes backup objects with Microsoft's clients; each call sends exactly one request."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from optimizer.arm import WRITABLE_TYPES, is_vm_policy
from optimizer.azure.errors import translated
from optimizer.azure.operations import FirstAnswer, FirstReply
from optimizer.azure.reader import AzureBackupReader
from optimizer.errors import DataError, NotSentError, RejectedError, UncertainError
from optimizer.model.arm_id import ItemId, PolicyId, VmId
from optimizer.model.raw import word
from optimizer.ports import Accepted

__all__ = ["AzureBackupReader", "AzureBackupService"]

ITEM_FIELDS = frozenset(
    {"protectedItemType", "sourceResourceId", "policyId", "extendedProperties", "resourceGuardOperationRequests"}
)
"""Fields of a protected item that are sent. Azure would treat other fields as changes (docs/azure.md, "What `apply`
writes")."""

ONCE: dict[str, Any] = {"retry_total": 0}
"""Stops the SDK from repeating a write, which may have been carried out despite a 5xx or a lost connection.

Even the SDK's "connection errors" are unsafe: they include a TLS connection that breaks while the answer is read.
"""


class AzureBackupService(AzureBackupReader):
    """Reader and writer of Azure's backup objects; an :class:`optimizer.ports.BackupService`.

    Parameters
    ----------
    connection
        Endpoints and credential.
    """

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Create or replace a policy; see :meth:`optimizer.ports.BackupWriter.put_policy`."""
        with _not_sent():
            policy, content = PolicyId.parse(policy_id), {"properties": dict(properties)}
            if not is_vm_policy(content):
                raise ValueError(f"{policy_id}: not the properties of a VM policy: {sorted(properties)}")
            body = _json(content)
        vault = policy.vault
        return _send(
            f"write policy {policy.name!r} of vault {vault.name!r}",
            lambda: self._backup(vault).protection_policies.create_or_update(
                vault.name,
                vault.resource_group,
                policy.name,
                body,
                cls=_first_answer,  # otherwise the headers of a 202 are lost
                **ONCE,
            ),
        )

    def put_item(self, item_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Assign a protected item to a policy; see :meth:`optimizer.ports.BackupWriter.put_item`."""
        with _not_sent():
            item = ItemId.parse(item_id)
            _check_item(item, properties)
            vault, policy = item.vault, PolicyId.parse(properties["policyId"])
            body = _json({"properties": dict(properties)})
        return _send(
            f"assign {item.name!r} of vault {vault.name!r} to policy {policy.name!r}",
            lambda: (
                self._backup(vault)
                .protected_items.begin_create_or_update(
                    vault.name,
                    vault.resource_group,
                    item.fabric,
                    item.container,
                    item.name,
                    body,
                    polling=FirstAnswer(),
                    **ONCE,
                )
                .result()
            ),
        )

    def delete_policy(self, policy_id: str) -> Accepted | None:
        """Delete a policy that protects no item; see :meth:`optimizer.ports.BackupWriter.delete_policy`."""
        with _not_sent():
            policy = PolicyId.parse(policy_id)
        vault = policy.vault
        return _send(
            f"delete policy {policy.name!r} of vault {vault.name!r}",
            lambda: (
                self._backup(vault)
                .protection_policies.begin_delete(
                    vault.name, vault.resource_group, policy.name, polling=FirstAnswer(), **ONCE
                )
                .result()
            ),
        )


@contextmanager
def _not_sent() -> Iterator[None]:
    """Context for the checks before a request.

    Raises
    ------
    RejectedError
        A check failed, so nothing is sent.
    """
    try:
        yield
    except (ValueError, DataError) as exc:
        raise RejectedError(f"not sent: {exc}") from exc


def _send(what: str, request: Callable[[], Any]) -> Accepted | None:
    """Send a request exactly once.

    Raises
    ------
    NotSentError
        No connection could be made.
    """
    try:
        with translated(what):
            reply = request()
    except UncertainError as exc:
        if never_sent(exc):
            raise NotSentError(str(exc), code=exc.code, status=exc.status) from exc
        raise
    assert isinstance(reply, FirstReply)
    return reply.accepted()


def _json(body: Mapping[str, Any]) -> io.BytesIO:
    """Encode a body exactly as given; the SDK's own serializer drops some fields."""
    return io.BytesIO(json.dumps(body, ensure_ascii=False, allow_nan=False).encode())


def _first_answer(response: Any, model: object, headers: object) -> Any:
    del model, headers
    return FirstReply.of(response.http_response)


def _check_item(item: ItemId, properties: Mapping[str, Any]) -> None:
    """Refuse fields of a protected item that must never be sent.

    Raises
    ------
    ValueError
        A field must not be sent or is missing, ``policyId`` is empty, or the policy is in another vault.
    DataError
        An id is not valid.
    """
    odd = sorted(set(properties) - ITEM_FIELDS)
    if odd:
        raise ValueError(f"{item}: {', '.join(odd)} must not be sent; allowed: {', '.join(sorted(ITEM_FIELDS))}")
    if not properties.get("policyId"):
        raise ValueError(f"{item}: an empty policyId would stop the protection")
    kind = word(properties.get("protectedItemType"))
    if kind not in WRITABLE_TYPES:
        raise ValueError(f"{item}: protectedItemType {properties.get('protectedItemType')!r} is not that of a VM")
    VmId.parse(properties.get("sourceResourceId"))
    policy = PolicyId.parse(properties["policyId"])
    if policy.vault.text != item.vault.text:
        raise ValueError(f"{item}: policy {policy} belongs to another vault")


def never_sent(exc: BaseException) -> bool:
    """Whether an error proves that no connection was made, so that nothing was sent."""
    return any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in _causes(exc))


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting: list[Any] = [exc]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or any(cause is other for other in seen):
            continue
        seen.append(cause)
        yield cause
        waiting += [
            cause.__cause__,
            getattr(cause, "inner_exception", None),
            getattr(cause, "reason", None),
            *cause.args,
        ]

"""Reads single VMs that Resource Graph does not list, to find out whether they are gone or only unreadable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from optimizer.azure.discovery import without_secrets
from optimizer.azure.errors import translated
from optimizer.azure.traffic import RETRIES
from optimizer.errors import NotFoundError
from optimizer.model.arm_id import VmId
from optimizer.model.raw import id_of
from optimizer.ports import Resource

if TYPE_CHECKING:
    from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient

_API_VERSION = "2024-07-01"


class MachineFinder:
    """Reader of single VMs; an :data:`optimizer.intake.pull.pull_source.FindVm`.

    Parameters
    ----------
    client
        Function that returns a client for any service of Azure Resource Manager, given the subscription.
    """

    def __init__(self, client: Callable[[str], RecoveryServicesBackupClient]) -> None:
        self._client = client

    def __call__(self, vm_id: str) -> Resource | None:
        """A VM; None if it does not exist.

        Raises
        ------
        DataError
            The id is not the id of a VM.
        ForbiddenError
            This account may not read the VM, which may or may not exist.
        CloudError
            The service cannot answer.
        """
        vm = VmId.parse(vm_id)
        try:
            with translated(f"read VM {vm.name!r}"):
                request = HttpRequest("GET", str(vm.text), params={"api-version": _API_VERSION})
                response = self._client(vm.text.subscription.key).send_request(request, **RETRIES)
                if response.status_code != 200:
                    raise HttpResponseError(response=response)
                body: Resource = dict(response.json())
        except NotFoundError:
            return None
        return without_secrets({**body, "id": str(id_of(body) or vm.text)})

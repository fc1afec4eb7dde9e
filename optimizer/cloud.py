"""Connects the use cases with the Azure adapter and the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optimizer.estate.document import EstateDocument
from optimizer.model.rules import PolicyLimits
from optimizer.ports import BackupService, Clock

if TYPE_CHECKING:
    from optimizer.emulator import Emulator


@contextmanager
def open_twin(
    document: EstateDocument, clock: Clock, limits: PolicyLimits
) -> Iterator[tuple[BackupService, Emulator]]:
    """Start an emulator of Azure on this machine, for :func:`optimizer.workflow.rehearse_plan`.

    Parameters
    ----------
    document
        Estate whose vaults, policies and items the emulator has at the start.
    clock
        Clock of the emulator.
    limits
        Limits that the rules state for the real service; those of the emulator are raised to them.
    """
    from optimizer.azure.connection import Connection
    from optimizer.azure.service import AzureBackupService
    from optimizer.emulator import Emulator
    from optimizer.emulator.settings import Settings

    usual = Settings()
    settings = Settings(
        max_items_per_policy=max(usual.max_items_per_policy, limits.max_vms_per_policy or 0),
        max_policies_per_vault=max(usual.max_policies_per_vault, limits.max_policies_per_vault),
        policy_writes_per_day=max(usual.policy_writes_per_day, limits.max_writes_per_day),
    )
    with Emulator.of_estate(document, clock=clock, settings=settings) as emulator:
        yield AzureBackupService(Connection.to_emulator(emulator.endpoint, emulator.ca_file)), emulator

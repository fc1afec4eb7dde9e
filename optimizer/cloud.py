"""Connects the use cases with the Azure adapter and the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.estate import Estate, EstateDocument
from optimizer.model.clock import SYSTEM_CLOCK, FasterClock
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
    from optimizer.azure import AzureCloud, Connection
    from optimizer.emulator import Emulator, EmulatorSettings

    usual = EmulatorSettings()
    settings = EmulatorSettings(
        max_items_per_policy=max(usual.max_items_per_policy, limits.max_vms_per_policy or 0),
        max_policies_per_vault=max(usual.max_policies_per_vault, limits.max_policies_per_vault),
        policy_writes_per_day=max(usual.policy_writes_per_day, limits.max_writes_per_day),
    )
    with Emulator.of_estate(document, clock=clock, settings=settings) as emulator:
        yield AzureCloud(Connection.to_emulator(emulator.endpoint, emulator.ca_file)).service(), emulator


def emulate_estate(
    estate: Estate,
    *,
    port: int = 0,
    faults: float = 0.0,
    seed: int = 0,
    speed: float = 1.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Emulator:
    """Make an emulator that serves an estate as if it were Azure while it is entered as a context manager.

    Load and jobs are shifted by whole weeks so that they end within the last seven days and a pull finds a history.
    The emulator keeps writes in memory only; the estate never changes.

    Parameters
    ----------
    estate
        Estate to serve.
    port
        Port on 127.0.0.1. 0: any free port.
    faults
        Share of requests to answer with each kind of fault: 429, 500, 502, and a lost connection.
    seed
        Random seed of start delays and faults.
    speed
        How many times as fast the time of the emulator passes, at least 1.
    clock
        Clock of this machine.

    Raises
    ------
    ValueError
        The speed is below 1.
    """
    from optimizer.emulator import Emulator, EmulatorSettings, Faults, MovedLoad, move_jobs

    if speed < 1:
        raise ValueError(f"speed is {speed}; allowed: 1 or more")
    service_clock = FasterClock(clock.now(), speed, clock) if speed > 1 else clock
    shift = timedelta(weeks=max(0, (service_clock.now() - estate.as_of) // timedelta(weeks=1)))
    return Emulator.of_estate(
        estate.document,
        clock=service_clock,
        load=MovedLoad(estate.load, shift),
        jobs=move_jobs(estate.jobs(), shift),
        settings=EmulatorSettings(backups_since=estate.as_of + shift, seed=seed),
        faults=Faults(rate_429=faults, rate_500=faults, rate_502=faults, drop_after=faults, retry_after=1, seed=seed),
        port=port,
    )

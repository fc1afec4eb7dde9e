"""An estate whose load is known at every point, served by the emulator."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.arm import ArmResources
from optimizer.emulator import EmulatorSettings
from optimizer.estate.folder import Estate, open_estate
from optimizer.estate.writer import EstateWriter
from optimizer.model.load import DayLoad
from tests.emulator.cloud import Cloud, serving
from tests.plan.estates import machine, vm_id

DAY = datetime(2026, 11, 1, tzinfo=UTC)
VMS = ("vm-1", "vm-2", "vm-3")


def write_estate(folder: Path) -> Estate:
    """Write two days of load: CPU counts up, memory down, the second VM has a gap, the third has no load."""
    with EstateWriter(folder) as writer:
        for number in range(2):
            cpu = np.array([np.arange(288) / 4, np.full(288, 50)], dtype=np.float32)
            cpu[1, 10:20] = np.nan
            memory = np.array([np.full(288, 75), np.full(288, 25)], dtype=np.float32)
            ids = tuple(vm_id(name) for name in VMS[:2])
            date = (DAY + timedelta(days=number)).date()
            writer.add_load(DayLoad(date, ids, cpu, memory, cpu_max=cpu + 10))
        sized = {"properties": {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}}}
        vms = [{**machine(name), **sized} for name in VMS] + [{**machine("far"), "location": "East US"}]
        writer.commit(ArmResources(DAY + timedelta(days=2), "azure", vms=vms), created_at=DAY)
    return open_estate(folder)


def serving_load(
    truth: Estate, now: datetime = DAY + timedelta(days=2), **settings: Any
) -> AbstractContextManager[Cloud]:
    """Serve the estate with its load."""
    return serving(truth.document, now, load=truth.load, settings=EmulatorSettings(**settings))

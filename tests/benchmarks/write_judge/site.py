"""An emulated Azure with an estate, a proxy before it, and machines: what one trial takes place in."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.emulator import Emulator, EmulatorSettings
from optimizer.estate.document import EstateDocument
from tests.benchmarks.write_judge.estates import Recipe
from tests.benchmarks.write_judge.machine import Machine
from tests.benchmarks.write_judge.mischief import Mischief
from tests.benchmarks.write_judge.proxy import Proxy
from tests.benchmarks.write_judge.record import JobSpan, Log
from tests.benchmarks.write_judge.shared_clock import SharedClock

MACHINES = ("a", "b")


@dataclass
class Site:
    """Everything that a trial needs.

    Parameters
    ----------
    folder
        Holds ``estate`` and one folder for each machine, with the plan.
    emulator, proxy, clock, log, mischief
        The service, what stands before it, its clock, what is put down, what goes wrong.
    """

    folder: Path
    emulator: Emulator
    proxy: Proxy
    clock: SharedClock
    log: Log
    mischief: Mischief

    def machine(self, name: str, ahead: timedelta = timedelta()) -> Machine:
        """A machine with the plan in its folder."""
        folder = self.folder / name
        return Machine(name, folder, self.proxy.endpoint(name), self.proxy.ca_file, self.clock.path, ahead)

    def finish(self) -> None:
        """Put down how jobs really went."""
        self.log.jobs = _spans(self.emulator)


def settings_of(recipe: Recipe, reads: int) -> EmulatorSettings:
    """How the service behaves for an estate.

    Parameters
    ----------
    recipe
        The estate.
    reads
        Looks at an operation before it is through.
    """
    guarded = "guard" in recipe.quirks
    return EmulatorSettings(
        operation_reads=reads,
        job_minutes=75.0 if "long jobs" in recipe.quirks else 45.0,
        backups_since=recipe.begins - timedelta(days=2),
        guard_asks="always" if guarded else "retention",
        max_items_per_policy=1000,
    )


@contextmanager
def site(
    folder: Path,
    document: EstateDocument,
    recipe: Recipe,
    now: datetime,
    mischief: Mischief,
    *,
    reads: int = 1,
    phase: str = "apply",
) -> Iterator[Site]:
    """Serve an estate until the end of the block.

    Parameters
    ----------
    folder
        For clock and machines.
    document
        The estate as the service has it.
    recipe
        Its rules and quirks.
    now
        What time it is.
    mischief
        What goes wrong.
    reads
        Looks at an operation before it is through.
    phase
        Which command is run first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        clock = SharedClock.create(folder / f"clock-{phase}", now)
        stack.callback(clock.close)
        emulator = Emulator.of_estate(document, clock=clock, settings=settings_of(recipe, reads))
        stack.enter_context(emulator)
        log = Log(
            rules=tomllib.loads(recipe.rules),
            began=now,
            vaults=list(document.vaults),
            policies=list(document.policies),
            items=list(document.protected_items),
            vms=list(document.vms),
        )
        proxy = Proxy(emulator, clock, log, mischief, MACHINES, no_containers="no containers" in recipe.quirks)
        proxy.phase = phase
        stack.enter_context(proxy)
        yield Site(folder, emulator, proxy, clock, log, mischief)


def copy_machine(source: Path, target: Path, names: Sequence[str]) -> None:
    """A machine's folder with some of its files, for a trial of its own."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in names:
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def _spans(emulator: Emulator) -> list[JobSpan]:
    vms = {}
    for item in emulator.snapshot().protected_items:
        own, vault = item["properties"], str(item["id"]).lower().partition("/backupfabrics/")[0]
        vms[vault, str(own["friendlyName"]).lower()] = str(own["sourceResourceId"]).lower()
    return [_span(job, vms) for job in emulator.state.jobs]


def _span(job: dict[str, Any], vms: dict[tuple[str, str], str]) -> JobSpan:
    own, vault = job["properties"], str(job["id"]).lower().partition("/backupjobs/")[0]
    start = _moment(own["startTime"])
    end = _moment(own["endTime"]) if own.get("endTime") else start + timedelta(days=3)
    vm = vms.get((vault, str(own["entityFriendlyName"]).lower()), "")
    return JobSpan(vault, vm, start, end, own["operation"], own["status"] in {"Completed", "CompletedWithWarnings"})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")

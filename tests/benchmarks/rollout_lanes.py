"""How long a roll-out over several vaults takes: by its calendar, and carried out on a clock that jumps.

python -m tests.benchmarks.rollout_lanes --vms 2000 --vaults 12 --json out.json

Every VM moves to another start, and every write takes a minute. Printed are, for each number of workers, the hours by
the calendar, the hours until the last write is carried out, and the hours until 95 % of the VMs are moved.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.ports import Accepted
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import PACE, Ready
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, world

WRITE_SECONDS = 60.0
STARTS = ("18:00", "19:00", "20:00", "21:00")
VMS_PER_POLICY = 80


class SlowService(FakeService):
    """A service at which every write takes a while.

    Parameters
    ----------
    ready
        Whose estate it holds.
    clock
        Whose time passes.
    seconds
        How long a write takes.
    """

    def __init__(self, ready: Ready, clock: VirtualClock, seconds: float = WRITE_SECONDS) -> None:
        super().__init__(ready.document)
        self.clock, self._seconds = clock, seconds
        self.times: list[tuple[datetime, str, str]] = []
        """Begin, kind and object of each write."""
        self.at_work = self.most_at_work = 0

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        self.times.append((self.clock.now(), kind, object_id))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self.clock.sleep(self._seconds)
        self.at_work -= 1
        return super()._write(kind, object_id, effect)


@dataclass(frozen=True)
class Timing:
    """How long a roll-out takes.

    Parameters
    ----------
    workers
        Lanes side by side.
    writes
        Writes that were made.
    calendar_hours, executed_hours
        From the beginning to the end of the last write.
    hours_to_95
        From the beginning until 95 % of the VMs were moved.
    """

    workers: int
    writes: int
    calendar_hours: float
    executed_hours: float
    hours_to_95: float

    @property
    def deviation(self) -> float:
        """By how much the execution differs from the calendar, as a share of the calendar."""
        return abs(self.executed_hours - self.calendar_hours) / self.calendar_hours


def plan_of(vms: int, vaults: int) -> Ready:
    """Plan that gives each of a number of VMs another start, spread over vaults."""
    policies, places, targets = [], {}, {}
    for vault in range(vaults):
        vault_id = VAULT.replace("rsv-one", f"rsv-{vault:02d}")
        size = vms // vaults + (vault < vms % vaults)
        for part in range(math.ceil(size / VMS_PER_POLICY)):
            name, count = f"p{vault}-{part}", min(VMS_PER_POLICY, size - part * VMS_PER_POLICY)
            policies.append(standard_policy(name, "23:00", items=count + 1, count=30 + part, vault=vault_id))
            places[f"stays-{vault}-{part}"] = name
            for vm in range(count):
                places[f"vm-{vault}-{part}-{vm}"] = name
                targets[f"vm-{vault}-{part}-{vm}"] = STARTS[vm % len(STARTS)]
    return ready_of(world(policies, places, targets, Rules()))


def measure(ready: Ready, workers: int, folder: Path) -> Timing:
    """Lay a plan out and carry it out with a number of workers.

    Parameters
    ----------
    ready
        The plan.
    workers
        Lanes side by side.
    folder
        For journal, ledger and locks.

    Raises
    ------
    RuntimeError
        Not every write was made.
    """
    clock = VirtualClock(NOW)
    service, ledger = SlowService(ready, clock), Ledger(folder / "state")
    journal = folder / "plan.journal.jsonl"
    prepared = prepare_apply(
        ready.case, Session(service, clock, ledger), RunJournal(journal), scope=RunScope(workers=workers)
    )
    planned = max(timed.at for timed in prepared.rollout.writes) + timedelta(seconds=WRITE_SECONDS) - NOW
    until = latest_end(prepared.rollout, NOW)
    outcome = carry_out(prepared, Session(service, clock, ledger), until=until, pace=PACE)
    if not outcome.complete or service.most_at_work > workers:
        raise RuntimeError(f"{workers} workers: {service.most_at_work} at work at once; {outcome}")
    moves = sorted(at for at, kind, _ in service.times if kind == "item")
    executed = max(at for at, _, _ in service.times) + timedelta(seconds=WRITE_SECONDS) - NOW
    most = moves[math.ceil(0.95 * len(moves)) - 1] + timedelta(seconds=WRITE_SECONDS) - NOW
    hour = timedelta(hours=1)
    return Timing(workers, len(service.times), planned / hour, executed / hour, most / hour)


def main() -> None:
    """Parse, measure, print; an exit code of 1 says that calendar and execution differ by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--vaults", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    ready = plan_of(arguments.vms, arguments.vaults)
    figures: list[dict[str, Any]] = []
    for workers in arguments.workers:
        with tempfile.TemporaryDirectory(prefix="rollout-lanes-") as folder:
            timing = measure(ready, workers, Path(folder))
        figures.append({name: getattr(timing, name) for name in timing.__dataclass_fields__})
        print(
            f"{workers} workers: {timing.writes:,} writes, calendar {timing.calendar_hours:.2f} h, carried out "
            f"{timing.executed_hours:.2f} h ({timing.deviation:.1%} apart), 95 % after {timing.hours_to_95:.2f} h"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(any(abs(f["executed_hours"] / f["calendar_hours"] - 1) > 0.05 for f in figures))


if __name__ == "__main__":
    main()

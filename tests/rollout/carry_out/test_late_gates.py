"""Write windows, freezes, clocks and jobs are judged at the time of the request, however long earlier reads took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.model.clock import VirtualClock
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.ports import Resource
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.carrier import LONGEST_LOOK
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import of_two_vaults, ready_of
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, world


@dataclass
class Watched(FakeService):
    """A service that does something each time it lists running jobs, and remembers when it was written to."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOW))
    on_jobs: Callable[[], None] = lambda: None
    sent: list[tuple[str, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.before_write = lambda object_id: self.sent.append((object_id.lower(), self.clock.now()))

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs as they were before whatever happens."""
        found = super().running_jobs(vault_id)
        self.on_jobs()
        return found


def assert_open(ready: Ready, service: Watched) -> None:
    """Each request was sent at a time at which its gates were open."""
    gates, writes = WriteWindows(ready.inventory, ready.plan.rules), {w.object_id.lower(): w for w in ready.writes}
    for object_id, at in service.sent:
        assert gates.closed(writes[object_id], at) == "", (object_id, at)


@pytest.mark.parametrize("minutes", [2.9, 40, 100])
@pytest.mark.parametrize("begin", ["20:00", "20:20", "20:28"])
def test_slow_reads_do_not_carry_a_write_past_its_gate(tmp_path: Path, begin: str, minutes: float) -> None:
    """The list of jobs takes minutes or hours: nothing is sent once the gate has closed."""
    ready = ready_of(of_two_vaults())
    hour, minute = map(int, begin.split(":"))
    service = Watched(ready.document, clock=VirtualClock(NOW.replace(hour=hour, minute=minute)))
    service.on_jobs = lambda: service.clock.sleep(60 * minutes)
    run(ready, service, tmp_path, clock=service.clock)
    assert_open(ready, service)
    service.on_jobs = lambda: None
    assert run(ready, service, tmp_path, clock=service.clock, resume=True).complete
    assert_open(ready, service)


def test_a_freeze_that_begins_during_a_look_holds(tmp_path: Path) -> None:
    """Two minutes of reading end on a frozen day: the write waits until that day is over."""
    day = date(2026, 2, 19)
    frozen = Rule(name="holiday", freeze=(DateRange(first=day, last=day),))
    policies, places = [standard_policy("morning", "10:00", items=2)], {"moves": "morning", "stays": "morning"}
    ready = ready_of(world(policies, places, {"moves": "12:00"}, Rules(rule=(frozen,))))
    service = Watched(ready.document, clock=VirtualClock(datetime(2026, 2, 18, 23, 59, tzinfo=NOW.tzinfo)))
    service.on_jobs = lambda: service.clock.sleep(120)
    assert run(ready, service, tmp_path, clock=service.clock).complete
    assert len(service.sent) == 2
    assert not [at for _, at in service.sent if at.date() == day]


def test_a_clock_that_goes_wrong_during_a_look_stops_the_write(tmp_path: Path) -> None:
    """The clocks part after the first check: no VM is moved by the wrong one."""
    ready = ready_of(of_two_vaults())
    service = Watched(ready.document)

    def part() -> None:
        service.ahead = timedelta(hours=1)

    service.on_jobs = part
    outcome = run(ready, service, tmp_path, clock=service.clock)
    assert not [object_id for object_id, _ in service.sent if "protecteditems" in object_id]
    assert any("clock" in reason for reason in outcome.pending.values())


def test_a_job_that_begins_during_a_long_look_is_seen(tmp_path: Path) -> None:
    """What was read more than a few minutes ago is read again, so the write waits for the job."""
    ready = ready_of(of_two_vaults())
    service, ends = Watched(ready.document), []

    def begin_job() -> None:
        if not ends:
            service.clock.sleep(LONGEST_LOOK.total_seconds() + 60)
            ends.append(service.clock.now() + timedelta(hours=1))
            for item in service.items.values():
                vault = str(item["id"]).partition("/backupFabrics/")[0]
                own = {"containerName": item["properties"]["containerName"], "status": "InProgress"}
                service.jobs.append({"id": f"{vault}/backupJobs/{len(service.jobs)}", "properties": own})
        elif service.clock.now() >= ends[0]:
            service.jobs.clear()

    service.on_jobs = begin_job
    assert run(ready, service, tmp_path, clock=service.clock).complete
    moved = [at for object_id, at in service.sent if "protecteditems" in object_id]
    assert len(moved) == 2
    assert min(moved) >= ends[0]

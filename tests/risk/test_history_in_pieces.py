"""A history summed up in pieces, by block and by span of VMs, is that of one sweep to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from optimizer.engine import SERIAL, SerialEngine
from optimizer.errors import DataError
from optimizer.model.load import STOPPED, DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.risk.history import MAX_READINGS, MIN_SPAN_VMS, RiskHistory, build_history, count_blocks
from optimizer.risk.snapshots import SnapshotGrid
from tests.risk.sources import FIRST_DAY, MemorySource


class Workers(SerialEngine):
    """The serial engine, which claims to be several workers and counts its tasks."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.num_tasks = 0

    @property
    def num_workers(self) -> int:
        """As many as it claims."""
        return self._number

    def map(self, function, tasks, **options):  # type: ignore[no-untyped-def]
        """Count the tasks, then do them."""
        self.num_tasks = len(tasks)
        return super().map(function, tasks, **options)


class IdleWorkers(Workers):
    """Workers that would have to be started first."""

    @property
    def is_running(self) -> bool:
        """Never."""
        return False


FIRST_DAY_AT_NOON = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, 12, tzinfo=UTC)


class PartlyRead(MemorySource):
    """A source that gives the VMs asked for and those between them."""

    def read_vms(self, day: date, vm_ids: Sequence[str]) -> DayLoad:
        """Load of some VMs."""
        load = self.read_day(day)
        wanted = {vm_id.lower() for vm_id in vm_ids}
        rows = [row for row, vm_id in enumerate(load.vm_ids) if vm_id.lower() in wanted]
        part = slice(rows[0], rows[-1] + 1) if rows else slice(0)
        running = None if load.running is None else load.running[part]
        return DayLoad(day, load.vm_ids[part], load.cpu_percent[part], load.mem_percent[part], running=running)


def varied_days(num_vms: int, num_days: int, *, without: Sequence[int] = ()) -> list[DayLoad]:
    """Days of VMs that are busy, stuck, off or new; some days are missing, and so is the last VM on odd ones."""
    rng = np.random.default_rng(5)
    ids = tuple(f"VM-{row:05d}" for row in range(num_vms))
    days = []
    for number in range(num_days):
        cpu = rng.choice([20.0, 95.0, np.nan], (num_vms, 288), p=[0.85, 0.1, 0.05]).astype(np.float32)
        cpu[0] = 50.0  # a counter that is stuck
        cpu[1] = 50.0 if number < 10 else np.nan if number == 10 else 51.0  # stuck twice, unknown between blocks
        cpu[2] = np.nan if number < 9 else 30.0  # new on the tenth day, and stuck
        memory = np.full_like(cpu, 40.0)
        running = np.ones((num_vms, 288), dtype=np.int8)
        running[0, 5] = STOPPED if number == 8 else 1
        kept = slice(num_vms - number % 2)
        if number not in without:
            day = FIRST_DAY + timedelta(days=number)
            days.append(DayLoad(day, ids[kept], cpu[kept], memory[kept], running=running[kept]))
    return days


def content(history: RiskHistory) -> list[bytes]:
    arrays = (history.risk_sum, history.day_count, history.usable_days, history.varies)
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("without", [(), (6, 7), (0, 1, 2, 3, 4, 5, 6, 7, 13)], ids=["whole", "gap", "scattered"])
@pytest.mark.parametrize("hours_short", [0, 7])
def test_blocks_make_the_whole(without: tuple[int, ...], hours_short: int) -> None:
    """Blocks with gaps at their ends, an end within a day: nothing is lost between them."""
    source = MemorySource(varied_days(12, 17, without=without))
    end = datetime.combine(FIRST_DAY + timedelta(days=17), datetime.min.time(), UTC) - timedelta(hours=hours_short)
    vm_ids = [f"vm-{row:05d}" for row in (3, 1, 0, 2, 11, 10, 4)] + ["nobody"]
    arguments = (source, vm_ids, end, Threshold(), SnapshotGrid((SnapshotTiming(40),), step_minutes=15))
    engine = Workers(2)
    assert content(build_history(*arguments, engine=engine)) == content(build_history(*arguments))
    assert engine.num_tasks == count_blocks(17 - len(without))


def test_spans_of_vms_make_the_whole() -> None:
    """More workers than blocks: blocks are cut by VM, whatever the order of the VMs, if there are enough of them."""
    num_vms = 2 * MIN_SPAN_VMS
    source = PartlyRead(varied_days(num_vms, 3))
    vm_ids = [f"vm-{row:05d}" for row in np.random.default_rng(1).permutation(num_vms)]
    end = datetime(2027, 1, 1, tzinfo=UTC)
    arguments = (source, vm_ids, end, Threshold(), SnapshotGrid())
    engine = Workers(64)
    assert content(build_history(*arguments, engine=engine)) == content(build_history(*arguments))
    assert engine.num_tasks == 2 <= MAX_READINGS


def test_a_fault_of_a_piece_is_that_of_the_whole() -> None:
    """What is refused in one sweep is refused in pieces, in the same words."""
    source = MemorySource(varied_days(3, 9))
    arguments = (
        source,
        ["vm-00000"],
        datetime(2027, 1, 1, tzinfo=UTC),
        Threshold(statistic="maximum"),
        SnapshotGrid(),
    )
    messages = []
    for engine in (SERIAL, Workers(2)):
        with pytest.raises(DataError, match="no 'cpu_max' on this day") as caught:
            build_history(*arguments, engine=engine)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_vms_of_several_timings_keep_theirs_in_pieces() -> None:
    """Spans of VMs are in the order of their ids, whatever the order asked for, and each VM keeps its own timing."""
    num_vms = 2 * MIN_SPAN_VMS
    source = PartlyRead(varied_days(num_vms, 7))
    order = np.random.default_rng(3).permutation(num_vms).tolist()
    vm_ids = [f"vm-{row:05d}" for row in order]
    timings = tuple(SnapshotTiming((15, 40, 5)[row % 3]) for row in order)
    arguments = (source, vm_ids, FIRST_DAY_AT_NOON + timedelta(days=30), Threshold(), SnapshotGrid(timings))
    engine = Workers(8)
    assert content(build_history(*arguments, engine=engine)) == content(build_history(*arguments))
    assert engine.num_tasks == 2 * count_blocks(7)


@pytest.mark.parametrize(
    ("engine", "num_tasks"), [(IdleWorkers(2), 0), (IdleWorkers(8), 0), (Workers(2), 3), (Workers(1), 0)]
)
def test_a_small_history_is_summed_up_in_this_process(engine: Workers, num_tasks: int) -> None:
    """Starting processes takes longer than the work; those that run already help, unless there is only one."""
    source = MemorySource(varied_days(4, 7))
    end = FIRST_DAY_AT_NOON + timedelta(days=30)
    build_history(source, ["VM-00000"], end, Threshold(), SnapshotGrid(), engine=engine)
    assert engine.num_tasks == num_tasks

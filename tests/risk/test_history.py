"""History against the slow, obvious loop over samples and delays."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.model.load import RUNNING, STOPPED, UNKNOWN, DayLoad
from optimizer.model.rules import Statistic, Threshold
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.ports import LoadSource
from optimizer.risk.history import CHUNK_VMS, RiskHistory, build_history, count_blocks
from optimizer.risk.snapshots import SnapshotGrid
from tests.model.timings import delays
from tests.risk.sources import FIRST_DAY, MemorySource, make_days

FAR = datetime(2030, 1, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


@st.composite
def day_loads(draw: st.DrawFn) -> DayLoad:
    """A day of up to three VMs in blocks of a few bins: idle, hot, unknown, off, in each metric on its own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    number = draw(st.integers(0, 9))
    vm_ids = tuple(sorted(draw(st.sets(st.sampled_from(("a", "B", "c")), min_size=1))))

    def blocks(choices: list[float], weights: list[float]) -> np.ndarray:
        length = int(rng.integers(1, 20))
        values = rng.choice(choices, p=weights, size=(len(vm_ids), 288 // length + 1))
        return np.repeat(values, length, axis=1)[:, :288]

    cpu, memory, cpu_max, mem_max = (
        blocks([10.0, 90.0, 95.0, np.nan], [0.5, 0.1, 0.2, 0.2]).astype(np.float32) for _ in range(4)
    )
    running = blocks([RUNNING, STOPPED, UNKNOWN], [0.6, 0.2, 0.2]).astype(np.int8)
    day = FIRST_DAY + timedelta(days=number)
    return DayLoad(day, vm_ids, cpu, memory, cpu_max, mem_max, running if draw(st.booleans()) else None)


def slow_samples(source: LoadSource, vm_id: str, end: datetime, threshold: Threshold) -> dict[datetime, bool]:
    """Whether the VM is hot, by the time of each known sample."""
    samples = {}
    for day in source.dates():
        load = source.read_day(day)
        if vm_id.lower() not in [known.lower() for known in load.vm_ids]:
            continue
        row = [known.lower() for known in load.vm_ids].index(vm_id.lower())
        average = threshold.statistic == "average"
        cpu, memory = (load.cpu_percent, load.mem_percent) if average else (load.cpu_max, load.mem_max)
        assert cpu is not None
        assert memory is not None
        for number in range(288):
            at = datetime.combine(day, time.min, UTC) + number * FIVE_MINUTES
            if at + FIVE_MINUTES > end:
                continue
            off = load.running is not None and load.running[row, number] == STOPPED
            hot_memory = memory[row, number] > threshold.memory_percent
            if off:
                samples[at] = False
            elif hot_memory or not math.isnan(cpu[row, number]):
                samples[at] = bool(hot_memory or cpu[row, number] > threshold.cpu_percent)
    return samples


def slow_share(samples: dict[datetime, bool], start: datetime, snapshot_minutes: int) -> float | None:
    """Share of the delays at risk, None where fewer than half are known."""
    num_samples = math.ceil(snapshot_minutes / 5)
    verdicts = []
    for delay in range(0, 121, 5):
        begin = start + timedelta(minutes=delay)
        during = [samples.get(begin + number * FIVE_MINUTES) for number in range(num_samples)]
        known = [hot for hot in during if hot is not None]
        if 3 * len(known) >= 2 * num_samples:
            verdicts.append(any(known))
    return sum(verdicts) / len(verdicts) if 2 * len(verdicts) >= 25 else None


@settings(max_examples=20, deadline=None)
@given(
    days=st.lists(day_loads(), min_size=1, max_size=3, unique_by=lambda load: load.date),
    snapshot_minutes=st.sampled_from((5, 12, 15, 40)),
    step_minutes=st.sampled_from((30, 30, 15, 5)),
    statistic=st.sampled_from(("average", "maximum")),
    history_minutes=st.one_of(st.just(10**6), st.integers(1, 5 * 1440)),
)
def test_history_equals_the_slow_loop(
    days: list[DayLoad], snapshot_minutes: int, step_minutes: int, statistic: Statistic, history_minutes: int
) -> None:
    """Week sums, day counts and usable days are those of a loop over days, starts, delays and samples."""
    source = MemorySource(days)
    end = datetime.combine(FIRST_DAY, time.min, UTC) + timedelta(minutes=history_minutes)
    threshold = Threshold(memory_percent=85, statistic=statistic)
    vm_ids = ("c", "A", "b", "nobody")
    history = build_history(
        source, vm_ids, end, threshold, SnapshotGrid((SnapshotTiming(snapshot_minutes),), step_minutes)
    )
    dates = [day for day in source.dates() if datetime.combine(day, time.min, UTC) < end]
    expected_sum = np.zeros_like(history.risk_sum)
    expected_count = np.zeros_like(history.day_count)
    expected_usable = np.zeros_like(history.usable_days)
    for row, vm_id in enumerate(vm_ids):
        samples = slow_samples(source, vm_id, end, threshold)
        for day in dates:
            block = dates.index(day) * history.num_blocks // len(dates)
            usable = 0
            for start in range(1440 // step_minutes):
                at = datetime.combine(day, time.min, UTC) + timedelta(minutes=start * step_minutes)
                share = slow_share(samples, at, snapshot_minutes)
                if share is not None:
                    usable += 1
                    expected_sum[block, row, start] += share
                    expected_count[block, row, start] += 1
            expected_usable[block, row] += 2 * usable >= 1440 // step_minutes
    np.testing.assert_allclose(history.risk_sum, expected_sum, atol=1e-5)
    np.testing.assert_array_equal(history.day_count, expected_count)
    np.testing.assert_array_equal(history.usable_days, expected_usable)


def history_of(cpu: np.ndarray) -> RiskHistory:
    source = make_days(cpu)
    vm_ids = source.read_day(FIRST_DAY).vm_ids
    return build_history(source, vm_ids, FAR, Threshold(), SnapshotGrid())


def test_hot_quarter_of_an_hour_by_hand() -> None:
    """Three hot samples at noon put 3 to 5 of 25 delays at risk, the fewer where the window cuts through them."""
    cpu = np.full((1, 1, 288), 20.0)
    cpu[0, 0, 144:147] = 99
    share = history_of(cpu).risk_sum[0, 0]
    assert share[24] == pytest.approx(3 / 25)
    assert share[20] == pytest.approx(3 / 25)
    assert share[22] == pytest.approx(5 / 25)
    assert share[25] == 0


def test_window_reaches_into_the_next_day() -> None:
    """A backup set to 23:00 meets the load of 00:00 to 01:00 of the next day."""
    cpu = np.full((1, 2, 288), 20.0)
    cpu[0, 1, 0:12] = 99
    assert history_of(cpu).risk_sum[0, 0, 46] == pytest.approx(14 / 25)


def test_threshold_is_strict() -> None:
    """A load of exactly the threshold is not at risk."""
    assert history_of(np.full((1, 1, 288), 90.0)).risk_sum.max() == 0


def test_missing_samples_are_not_zero_load() -> None:
    """A day without samples is unknown, not a day without risk."""
    cpu = np.full((1, 3, 288), 99.0)
    cpu[0, 1] = np.nan
    history = history_of(cpu)
    assert history.day_count[0, 0, 10] == 2
    assert history.risk_sum[0, 0, 10] == 2


def test_rows_do_not_depend_on_chunks() -> None:
    """VMs beyond the first chunk are computed as those within it."""
    rng = np.random.default_rng(7)
    cpu = rng.uniform(0, 100, (CHUNK_VMS + 9, 2, 288))
    together = history_of(cpu)
    alone = history_of(cpu[-3:])
    np.testing.assert_array_equal(together.risk_sum[:, -3:], alone.risk_sum)


@pytest.mark.parametrize(
    ("num_days", "block_days"),
    [(1, [1]), (3, [3]), (5, [3, 2]), (9, [3, 2, 2, 2]), (10, [2] * 5), (20, [3, 2, 3, 2, 3, 2, 3, 2])],
)
def test_blocks_are_as_equal_as_whole_days_allow(num_days: int, block_days: list[int]) -> None:
    """There are eight blocks from 16 days on; shorter histories have fewer, none shorter than two days."""
    history = history_of(np.full((1, num_days, 288), 10.0))
    assert history.usable_days[:, 0].tolist() == block_days == history.block_days.tolist()


@pytest.mark.parametrize(("num_days", "num_blocks"), [(0, 0), (16, 8), (365, 8), (2040, 8), (2041, 9)])
def test_a_block_never_holds_more_days_than_a_byte_counts(num_days: int, num_blocks: int) -> None:
    """Histories of more than five and a half years are cut into more than eight blocks."""
    assert count_blocks(num_days) == num_blocks


def test_days_without_load_make_no_block_shorter() -> None:
    """One stray day long before the others is one day of the first block, not a block of its own."""
    source = make_days(np.full((1, 100, 288), 10.0))
    days = [source.read_day(day) for day in source.dates() if day == FIRST_DAY or day >= FIRST_DAY + timedelta(90)]
    history = build_history(MemorySource(days), ["vm-0"], FAR, Threshold(), SnapshotGrid())
    assert history.usable_days[:, 0].tolist() == [3, 2, 2, 2, 2]


def test_no_days_give_an_empty_history() -> None:
    """A source without days before the end gives a history of no blocks."""
    source = make_days(np.full((1, 1, 288), 50.0))
    end = datetime.combine(FIRST_DAY, time.min, UTC)
    history = build_history(source, ["vm-0"], end, Threshold(), SnapshotGrid())
    assert history.num_blocks == 0
    assert history.dates == ()


def test_maximum_needs_maxima() -> None:
    """A threshold on maxima is refused where there are none, naming the day, the column and the way out."""
    source = make_days(np.full((1, 1, 288), 50.0))
    with pytest.raises(DataError, match=rf"{FIRST_DAY}.*'cpu_max'.*statistic = 'average'"):
        build_history(source, ["vm-0"], FAR, Threshold(statistic="maximum"), SnapshotGrid())


def test_maximum_needs_the_maximum_of_known_memory() -> None:
    """Memory is not silently left out where only its average is known."""
    source = make_days(np.full((1, 1, 288), 50.0))
    load = source.read_day(FIRST_DAY)
    threshold = Threshold(statistic="maximum")
    without_memory = replace(load, cpu_max=load.cpu_percent)
    build_history(MemorySource([without_memory]), ["vm-0"], FAR, threshold, SnapshotGrid())
    with_memory = replace(without_memory, mem_percent=load.cpu_percent)
    with pytest.raises(DataError, match="'mem_max'"):
        build_history(MemorySource([with_memory]), ["vm-0"], FAR, threshold, SnapshotGrid())


def test_a_reader_that_fails_is_heard() -> None:
    """An error of the source in the reading thread reaches the caller."""

    class Broken(MemorySource):
        def read_day(self, day: date) -> DayLoad:
            if day > FIRST_DAY:
                raise DataError("truncated")
            return super().read_day(day)

    source = Broken([make_days(np.full((1, 2, 288), 1.0)).read_day(FIRST_DAY + timedelta(days=n)) for n in (0, 1)])
    with pytest.raises(DataError, match="truncated"):
        build_history(source, ["vm-0"], FAR, Threshold(), SnapshotGrid())


def test_progress_is_reported_by_day() -> None:
    """The progress callable hears of each day and of the end."""
    heard: list[tuple[int, int]] = []
    source = make_days(np.full((1, 2, 288), 1.0))
    build_history(
        source,
        ["vm-0"],
        FAR,
        Threshold(),
        SnapshotGrid(),
        lambda _stage, done, total, _note="": heard.append((done, total)),
    )
    assert heard == [(0, 2), (1, 2), (2, 2)]


LATE = SnapshotTiming(20, delays(m0=0.2, m45=0.5, m120=0.3))


def test_each_vm_has_the_history_of_its_own_timing() -> None:
    """VMs of three timings in one reading get the sums that each timing gets by itself, chosen VMs included."""
    random = np.random.default_rng(4)
    cpu = np.where(random.random((5, 4, 288)) < 0.05, 99.0, 20.0)
    timings = (SnapshotTiming(), LATE, SnapshotTiming(40), LATE, SnapshotTiming())
    source = make_days(cpu)
    vm_ids = source.read_day(FIRST_DAY).vm_ids
    mixed = build_history(source, vm_ids, FAR, Threshold(), SnapshotGrid(timings))
    for row, timing in enumerate(timings):
        alone = build_history(source, vm_ids, FAR, Threshold(), SnapshotGrid((timing,)))
        np.testing.assert_array_equal(mixed.risk_sum[:, row], alone.risk_sum[:, row])
        np.testing.assert_array_equal(mixed.day_count[:, row], alone.day_count[:, row])
    assert mixed.of_vms(np.array([3, 2])).grid.timings == (LATE, SnapshotTiming(40))

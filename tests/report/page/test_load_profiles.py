"""Load of every VM as the page packs it."""

from __future__ import annotations

import base64
from datetime import date, timedelta

import numpy as np

from optimizer.model.load import DayLoad
from optimizer.model.rules import Threshold
from optimizer.report.page.load_profiles import SERIES, STEPS_PER_DAY, UNKNOWN, PackedLoad, pack_load
from tests.report.small_estate import SmallLoadSource, make_inventory

INVENTORY = make_inventory(6)
SOURCE = SmallLoadSource(INVENTORY)


class Days:
    """Load of the given days."""

    def __init__(self, *days: DayLoad) -> None:
        self._days = {day.date: day for day in days}

    def dates(self) -> tuple[date, ...]:
        """The given days."""
        return tuple(self._days)

    def read_day(self, day: date) -> DayLoad:
        """One of the given days."""
        return self._days[day]


def day(number: int, vm: str, cpu: float, memory: float = 10.0, cpu_max: float | None = None) -> DayLoad:
    """Give one VM the same load in all bins of a day."""
    arrays = [np.full((1, 288), value, dtype=np.float32) for value in (cpu, memory)]
    most = None if cpu_max is None else np.full((1, 288), cpu_max, dtype=np.float32)
    return DayLoad(date(2025, 8, 10) + timedelta(days=number), (vm,), *arrays, cpu_max=most)


def series(packed: PackedLoad, row: int) -> dict[str, list[float | None]]:
    """Series of a VM in percent."""
    return {
        name: [None if value == UNKNOWN else value / 2 for value in packed.values[row, number].tolist()]
        for number, name in enumerate(SERIES)
    }


def test_packed_load_equals_the_obvious_loop() -> None:
    """Each quarter hour is summarized over its three bins on all days; gaps count for nothing."""
    packed = pack_load(INVENTORY, SOURCE, Threshold())
    assert packed.values.shape == (6, len(SERIES), STEPS_PER_DAY)
    assert packed.days.tolist() == [14] * 6
    for row in (0, 5):
        load, found = SOURCE.read_vm(INVENTORY.items[row].vm_id), series(packed, row)
        for step in range(0, STEPS_PER_DAY, 5):
            cpu, memory = (array[:, 3 * step : 3 * step + 3] for array in (load.cpu_percent, load.mem_percent))
            known = ~np.isnan(cpu)
            ranked = [sorted(bin_[~np.isnan(bin_)].tolist()) for bin_ in cpu.T]
            highest = max(bin_[int(np.ceil(0.95 * len(bin_))) - 1] for bin_ in ranked)
            busy = max(100 * float(np.mean((cpu[:, n] > 90) | (memory[:, n] > 90))) for n in range(3))
            expected = (float(cpu[known].mean()), highest, float(memory.mean()), busy)
            for name, value in zip(SERIES, expected, strict=True):
                assert found[name][step] is not None
                assert abs((found[name][step] or 0) - value) <= 0.251, (name, step)


def test_unknown_load_is_not_nought() -> None:
    """A VM without load is unknown in every step, and a metric without data is unknown alone."""
    vm = INVENTORY.items[2].vm_id
    packed = pack_load(INVENTORY, Days(day(0, vm.upper(), 95, np.nan)), Threshold())
    assert packed.days.tolist() == [0, 0, 1, 0, 0, 0]
    assert set(packed.values[0].ravel().tolist()) == {UNKNOWN}
    found = series(packed, 2)
    assert set(found["memory"]) == {None}
    assert (set(found["cpu"]), set(found["cpu_p95"]), set(found["busy"])) == ({95.0}, {95.0}, {100.0})


def test_days_that_only_some_vms_have_count_for_these() -> None:
    """The mean of a VM is over its own days, whoever else has load on others; strangers are ignored."""
    first, second = INVENTORY.items[0].vm_id, INVENTORY.items[1].vm_id
    packed = pack_load(
        INVENTORY, Days(day(0, first, 10), day(1, second, 40), day(2, second, 60), day(3, "gone", 99)), Threshold()
    )
    assert packed.days.tolist()[:2] == [1, 2]
    assert set(series(packed, 0)["cpu"]) == {10.0}
    assert set(series(packed, 1)["cpu"]) == {50.0}


def test_the_statistic_of_the_rules_is_packed_and_bursts_are_cut_off() -> None:
    """With ``maximum`` the maxima are shown, where the source has them; more than 127 % is shown as 127 %."""
    vm = INVENTORY.items[0].vm_id
    packed = pack_load(INVENTORY, Days(day(0, vm, 10, cpu_max=300)), Threshold(statistic="maximum"))
    assert set(series(packed, 0)["cpu"]) == {127.0}
    assert set(series(packed, 0)["memory"]) == {10.0}


def test_a_source_without_days_and_an_estate_without_vms_have_no_load() -> None:
    """Nothing to read is no reason to fail."""
    assert not pack_load(INVENTORY, Days(), Threshold()).days.any()
    assert pack_load(make_inventory(0), Days(day(0, "x", 1)), Threshold()).to_text() == ""


def test_text_is_one_vm_after_the_other() -> None:
    """The bytes of the text are those of the array."""
    packed = pack_load(INVENTORY, SOURCE, Threshold())
    assert base64.b64decode(packed.to_text()) == packed.values.tobytes()

"""Load that an estate has already is left out of what is added, and contradictions are reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from optimizer.errors import DataError
from optimizer.intake.known_load import KnownLoad
from optimizer.intake.problems import Problems
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad, to_day

DAY = date(2026, 1, 5)


@dataclass
class Store:
    """A source of one day."""

    day: DayLoad

    def dates(self) -> Sequence[date]:
        """The day."""
        return (self.day.date,)

    def read_day(self, day: date) -> DayLoad:
        """The day, if it is asked for."""
        assert day == self.day.date
        return self.day


def load(**cpu: dict[int, float]) -> DayLoad:
    """Load of VMs with some known bins; memory is half of the CPU."""
    values = np.full((len(cpu), 288), np.nan, dtype=np.float32)
    for row, bins in enumerate(cpu.values()):
        values[row, list(bins)] = list(bins.values())
    return DayLoad(DAY, tuple(map(ArmId, cpu)), values, values / 2)


def compare(old: DayLoad, new: DayLoad) -> tuple[DayLoad, int, str]:
    """New load, the number of VM-days that are known, and the text of the faults."""
    problems = Problems("load")
    known = KnownLoad(Store(old), problems)
    fresh = known.without(new)
    if not problems:
        return fresh, known.repeated, ""
    with pytest.raises(DataError) as error:
        problems.raise_any()
    return fresh, known.repeated, str(error.value)


def test_new_vms_are_new() -> None:
    """If the estate has none of the VMs, the load is new as it is."""
    new = load(b={0: 1})
    fresh, repeated, faults = compare(load(a={0: 1}), new)
    assert fresh.vm_ids == new.vm_ids and (repeated, faults) == (0, "")
    np.testing.assert_array_equal(fresh.cpu_percent, new.cpu_percent)


def test_known_load_is_left_out() -> None:
    """A VM-day that the estate knows completely is left out, whatever the case of its id."""
    fresh, repeated, faults = compare(load(a={0: 1, 1: 2}, b={0: 1}), load(A={0: 1}, c={0: 5}))
    assert fresh.vm_ids == (ArmId("c"),) and fresh.cpu_percent[0, 0] == 5
    assert (repeated, faults) == (1, "")


def test_a_new_bin_makes_the_vm_new() -> None:
    """A VM with one bin that the estate lacks is added with all its bins."""
    fresh, repeated, faults = compare(load(a={0: 1}), load(a={0: 1, 7: 3}))
    assert fresh.vm_ids == (ArmId("a"),)
    assert fresh.cpu_percent[0, [0, 7]].tolist() == [1, 3]
    assert (repeated, faults) == (0, "")


def test_a_new_metric_makes_the_vm_new() -> None:
    """A metric that the estate does not have is new."""
    new = load(a={0: 1})
    with_maxima = to_day(DAY, new.vm_ids, {**new.stated(), "cpu_max": new.cpu_percent})
    fresh, repeated, _ = compare(load(a={0: 1}), with_maxima)
    assert fresh.vm_ids == (ArmId("a"),) and fresh.cpu_max is not None and repeated == 0
    unknown = to_day(DAY, new.vm_ids, {**new.stated(), "cpu_max": new.cpu_percent * np.nan})
    assert compare(load(a={0: 1}), unknown)[0].vm_ids == ()


def test_contradictions_are_reported_once_for_each_vm() -> None:
    """The first bin that differs is named with both values, and the others are counted."""
    _, _, faults = compare(load(a={12: 1, 13: 2, 14: 3}, b={0: 1}), load(a={12: 1, 13: 9, 14: 9}, b={0: 1}))
    assert (
        "VM a, 5 minutes from 2026-01-05T01:05Z: cpu_percent is 2 in the estate and 9 in the file; leave out of the "
        "file what the estate already has (3 more like this)"
    ) in faults
    assert "VM b" not in faults


def test_power_states_are_compared_like_metrics() -> None:
    """An unknown power state contradicts nothing; another one does."""
    base = load(a={0: 1})
    states = [np.full((1, 288), state, dtype=np.int8) for state in (0, 1, -1)]
    off, on, unknown = (to_day(DAY, base.vm_ids, {**base.stated(), "running": state}) for state in states)
    assert compare(off, unknown)[2] == "" and compare(off, off)[1] == 1
    assert "running is 0 in the estate and 1 in the file" in compare(off, on)[2]
    assert compare(unknown, on)[0].vm_ids == (ArmId("a"),)

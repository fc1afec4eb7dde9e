"""VMs that a pull has no load of, or too little, or whose requests failed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer.arm import ArmResources
from optimizer.estate import Estate, EstateWriter, open_estate
from optimizer.intake.pull.load_gaps import Gaps, LoadGaps
from optimizer.intake.pull.partial_pull import DayResult
from optimizer.intake.pull.pull_report import NO_DATA
from optimizer.intake.pull.pull_source import MissingLoad
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad

DAY = date(2026, 3, 1)
A, B, C = map(ArmId, "abc")


def load(day: date, *vm_ids: ArmId) -> DayLoad:
    values = np.full((len(vm_ids), 288), 20, dtype=np.float32)
    return DayLoad(day, vm_ids, values, values)


def results(**failed: str) -> dict[date, DayResult]:
    """One day with failed requests."""
    return {DAY: DayResult(refused={ArmId(vm): MissingLoad(why, final=False) for vm, why in failed.items()})}


def estate(folder: Path, days: int, gaps: dict[ArmId, str]) -> Estate:
    """An estate with VM a, and load of it on some days before."""
    with EstateWriter(folder) as writer:
        for back in range(1, days + 1):
            writer.add_load(load(DAY - timedelta(days=back), A))
        now = datetime(2026, 3, 1, tzinfo=UTC)
        vms = [{"id": "a", "name": "a"}, {"id": "B", "name": "B"}]
        writer.commit(ArmResources(now, "azure", vms=vms), created_at=now, load_gaps=gaps)
    return open_estate(folder)


def test_without_load_there_is_no_data() -> None:
    """A VM without a request that failed and without load has no data; a failed one states why."""
    gaps = LoadGaps([A, B, C], None)
    gaps.add(load(DAY, A))
    found = gaps.find(results(b="request failed: HTTP 500"))
    assert found.reasons == {B: "request failed: HTTP 500", C: NO_DATA}
    assert (found.no_data, found.failed) == ((C,), {B: "request failed: HTTP 500"})
    assert found.too_little == (A,), "one day is too little"


def test_the_last_failure_counts() -> None:
    """Of several failures of a VM, that of the last day is stated."""
    first = {DAY - timedelta(days=1): results(a="first")[DAY]}
    assert LoadGaps([A], None).find(results(a="last") | first).failed == {A: "last"}


def test_a_failure_is_stated_even_with_load() -> None:
    """A VM with load on some days and a failure on another is listed as failed."""
    gaps = LoadGaps([A], None)
    gaps.add(load(DAY, A))
    assert gaps.find(results(a="HTTP 500")) == Gaps({A: "HTTP 500"}, ())


@pytest.mark.parametrize(("days", "too_little"), [(6, ()), (5, (A,))])
def test_days_of_the_estate_count_as_well(tmp_path: Path, days: int, too_little: tuple[ArmId, ...]) -> None:
    """Seven usable days are enough, old and new ones together."""
    gaps = LoadGaps([A], estate(tmp_path / "estate", days, {}))
    gaps.add(load(DAY, A))
    assert gaps.find({}) == Gaps({}, too_little)


def test_vms_that_the_estate_has_load_of(tmp_path: Path) -> None:
    """A VM without new load is no gap if the estate has load of it, in any spelling."""
    assert LoadGaps([A, B], estate(tmp_path / "one", 7, {})).find({}).reasons == {}
    assert LoadGaps([A, B], estate(tmp_path / "two", 7, {B: NO_DATA})).find({}).reasons == {B: NO_DATA}


def test_gaps_are_sorted_by_id() -> None:
    """The report lists gaps in the order of ids, whatever their reason."""
    found = LoadGaps([C, B, A], None).find(results(b="HTTP 500"))
    assert list(found.reasons) == [A, B, C] and found.no_data == (A, C)

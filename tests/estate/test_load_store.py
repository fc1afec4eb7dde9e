"""Load of one VM: by id, by name, and what a wrong name is answered with."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from optimizer.arm import ArmResources
from optimizer.errors import DataError
from optimizer.estate.folder import open_estate
from optimizer.estate.load_store import LoadStore
from optimizer.estate.writer import EstateWriter
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad

SUBSCRIPTION = "/subscriptions/11111111-0000-0000-0000-000000000000/resourceGroups"
DAY = date(2026, 1, 5)
NOW = datetime(2026, 1, 6, tzinfo=UTC)


def vm_id(group: str, name: str) -> str:
    """ARM id of a VM."""
    return f"{SUBSCRIPTION}/{group}/providers/Microsoft.Compute/virtualMachines/{name}"


LISTED = (vm_id("rg-a", "web-1"), vm_id("rg-b", "web-1"), vm_id("rg-a", "db-1"), vm_id("rg-a", "silent"))
GONE = vm_id("rg-a", "old-1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LoadStore:
    """Write an estate of four VMs, one of them without load, and the load of a VM that is gone."""
    folder = tmp_path_factory.mktemp("load") / "estate"
    with_load = tuple(sorted((*LISTED[:3], GONE)))
    values = np.repeat(np.arange(4, dtype=np.float32)[:, None], 288, axis=1)
    with EstateWriter(folder) as writer:
        writer.add_load(DayLoad(DAY, with_load, values, values))
        vms = [{"id": one} for one in LISTED]
        writer.commit(ArmResources(NOW, "resources", vms=vms), created_at=NOW)
    return open_estate(folder).load


@pytest.mark.parametrize("wanted", [LISTED[2], LISTED[2].upper(), "db-1", "DB-1"])
def test_a_vm_is_found_by_id_and_by_name(store: LoadStore, wanted: str) -> None:
    """The id and the name of a VM, in any case, give the same load under the id of the estate."""
    load = store.read_vm(wanted)
    assert load.vm_id == LISTED[2]
    assert load.dates == (DAY,)
    assert np.unique(load.cpu_percent).tolist() == [0.0]


def test_a_vm_without_load_has_no_days(store: LoadStore) -> None:
    """A VM that the estate contains, but for which it has no load, is no error."""
    silent = store.read_vm("silent")
    assert (silent.vm_id, silent.dates, silent.cpu_percent.shape, silent.cpu_max) == (LISTED[3], (), (0, 288), None)


def test_load_of_a_vm_that_is_gone_is_found(store: LoadStore) -> None:
    """The load of a VM that the estate no longer contains can still be read by name."""
    assert store.read_vm("old-1").vm_id == GONE
    assert store.read_vm("old-1").dates == (DAY,)


def test_an_ambiguous_name_lists_the_ids(store: LoadStore) -> None:
    """A name that two VMs have is refused, and the message has both ids; each id works."""
    with pytest.raises(DataError, match="'web-1' is the name of 2 VMs; give the ARM id of one: ") as caught:
        store.read_vm("web-1")
    assert all(one in str(caught.value) for one in LISTED[:2])
    assert store.read_vm(LISTED[1]).vm_id == LISTED[1]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("db-2", "no VM has the name or ARM id 'db-2'; did you mean 'db-1'"),
        (vm_id("rg-c", "web-1"), "no VM has the name or ARM id"),
        ("nobody", "'nobody'; the estate contains db-1, old-1, silent, web-1$"),
    ],
)
def test_an_unknown_vm_is_an_error(store: LoadStore, wanted: str, message: str) -> None:
    """A name that no VM has is an error that lists names that resemble it, or those that exist."""
    with pytest.raises(DataError, match=message):
        store.read_vm(wanted)


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    """Where the estate contains no VM at all, the message says that."""
    with pytest.raises(DataError, match="the estate contains no VM"):
        LoadStore(tmp_path, ()).read_vm("web-1")


def test_a_store_in_another_process_reads_the_same_days(store: LoadStore) -> None:
    """A pickled store reads the same load."""
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301  # pickled on the line itself
    assert copy.read_day(DAY).cpu_percent.tobytes() == store.read_day(DAY).cpu_percent.tobytes()
    assert copy.read_vm(LISTED[0]).dates == (DAY,)


def test_days_that_list_the_same_vms_share_their_ids(tmp_path: Path) -> None:
    """Making thousands of ids for each day would take longer than reading the load."""
    days = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]
    with EstateWriter(tmp_path / "estate") as writer:
        for day in days:
            vm_ids = tuple(map(ArmId, ("A", "b")[: 1 if day == days[2] else 2]))
            values = np.ones((len(vm_ids), 288), dtype=np.float32)
            writer.add_load(DayLoad(day, vm_ids, values, values))
        writer.commit(ArmResources(NOW, "azure"), created_at=NOW)
    store = open_estate(tmp_path / "estate").load
    first, second, third = (store.read_day(day).vm_ids for day in days)
    assert first is second and [str(vm_id) for vm_id in first] == ["A", "b"]
    assert [str(vm_id) for vm_id in third] == ["A"] and ArmId("a") in third

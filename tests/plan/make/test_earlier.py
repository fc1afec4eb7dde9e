"""A plan made from an earlier one (``plan --from``) changes only what gains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optimizer.documents.fingerprint import with_fingerprint
from optimizer.documents.plan_document import PlanDocument
from optimizer.documents.plan_file import read_plan, write_plan
from optimizer.errors import DataError, PlanFormatError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules
from optimizer.workflow import make_plan
from tests.plan.planned import EFFORT, Planned

GAP = 0.05
"""So wide that little effort certifies it."""


@pytest.fixture(scope="module")
def earlier(imported: Planned, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a plan that another seed than the default found."""
    path = tmp_path_factory.mktemp("earlier") / "earlier.json"
    write_plan(make_plan(imported.estate, seed=3, effort=EFFORT, path=path), path)
    return path


def starts_of(plan: PlanDocument) -> dict[str, str]:
    return {entry.vm: entry.start for entry in plan.schedule}


def with_document(estate: Estate, **update: object) -> Estate:
    return Estate(estate.path, estate.document.model_copy(update=update))


def with_an_idle_vm(document: EstateDocument) -> dict[str, object]:
    """One more VM in a service of its own, without load, in the policy of the first one."""
    first = document.protected_items[0]
    name = str(document.vms[0]["id"])
    item = {
        **first,
        "id": str(first["id"]).replace(name, "idle-vm"),
        "name": str(first["name"]).replace(name, "idle-vm"),
    }
    properties = {**first["properties"], "friendlyName": "idle-vm", "sourceResourceId": "idle-vm"}
    vm = {"id": "idle-vm", "name": "idle-vm", "tags": {"backup-service": "alone"}, "properties": {}}
    return {
        "vms": (*document.vms, vm),
        "protected_items": (*document.protected_items, item | {"properties": properties}),
    }


def test_the_same_estate_keeps_every_start(imported: Planned, earlier: Path) -> None:
    """With another seed, the earlier plan is kept whole as long as it is within the gap; the plan says so."""
    before = read_plan(earlier)
    made = make_plan(imported.estate, seed=0, effort=EFFORT, gap=GAP, earlier=earlier)
    assert starts_of(made) == starts_of(before)
    assert made.notes[0] == "40 of 40 VMs start as in earlier.json (--from)"
    assert made.settings.earlier is not None
    assert (made.settings.earlier.file, made.settings.earlier.fingerprint) == ("earlier.json", before.fingerprint)


def test_beyond_the_gap_only_what_gains_changes(imported: Planned, earlier: Path) -> None:
    """Without a gap to spare the plan is never dearer than the earlier one."""
    made = make_plan(imported.estate, seed=0, effort=EFFORT, gap=0.0, earlier=earlier)
    assert made.summary.cost.plan <= read_plan(earlier).summary.cost.plan + 1e-9


def test_order_of_the_inventory_and_an_idle_vm_move_nothing(imported: Planned, earlier: Path) -> None:
    """VMs listed in another order, and one more without load, leave the starts of the others alone."""
    document = imported.estate.document
    backwards = with_document(imported.estate, vms=document.vms[::-1], protected_items=document.protected_items[::-1])
    one_more = with_document(imported.estate, **with_an_idle_vm(document))
    for estate in (backwards, one_more):
        made = make_plan(estate, seed=0, effort=EFFORT, gap=GAP, earlier=earlier)
        assert {vm: start for vm, start in starts_of(made).items() if vm != "idle-vm"} == starts_of(read_plan(earlier))


def test_a_plan_of_another_estate_is_refused(arm: Planned, earlier: Path) -> None:
    """A plan that shares no VM with the estate is refused before any load is read, with the names of both estates."""
    theirs, ours = read_plan(earlier), arm.estate.path
    with pytest.raises(DataError) as refused:
        make_plan(arm.estate, effort=EFFORT, earlier=earlier)
    said = str(refused.value)
    assert said.startswith("earlier.json (--from) is a plan of another estate: it plans 40 VMs of ")
    assert os.path.normpath(earlier.parent / theirs.estate.path) in said
    assert said.endswith(f"give an earlier plan of {ours}, or leave out --from")


def without_what_names_it(plan: PlanDocument) -> dict[str, object]:
    """A plan without its note on the earlier plan, the record of it, and the digest of both."""
    content = plan.model_dump(mode="json", exclude={"fingerprint", "created_at"})
    content["settings"].pop("earlier", None)
    content["summary"].pop("seconds")
    content["notes"] = [note for note in content["notes"] if "(--from)" not in note]
    return content


def test_only_the_vms_that_both_have_are_kept(imported: Planned, tmp_path: Path) -> None:
    """An earlier plan of one VM only keeps that VM, and all others are planned as without it."""
    plain = make_plan(imported.estate, seed=0, effort=EFFORT, gap=GAP)
    one = plain.schedule[0]
    partial = with_fingerprint(plain.model_copy(update={"schedule": (one,)}))
    write_plan(partial, tmp_path / "one.json")
    made = make_plan(imported.estate, seed=0, effort=EFFORT, gap=GAP, earlier=tmp_path / "one.json")
    assert made.notes[0] == ("1 of 1 VM starts as in one.json (--from), which does not have the other 39 VMs")
    assert without_what_names_it(made) == without_what_names_it(plain)


@pytest.mark.parametrize(
    "gap", [0.005, pytest.param(0.0, marks=pytest.mark.thorough), pytest.param(GAP, marks=pytest.mark.thorough)]
)
def test_what_keeps_no_more_vms_costs_nothing(imported: Planned, gap: float, tmp_path: Path) -> None:
    """Begun at a plan that moves nothing, a plan costs no more than without it unless more VMs keep its starts."""
    still = make_plan(imported.estate, Rules(max_moves=0), effort=EFFORT)
    assert not still.changes
    write_plan(still, tmp_path / "still.json")
    plain = make_plan(imported.estate, effort=EFFORT, gap=gap)
    made = make_plan(imported.estate, effort=EFFORT, gap=gap, earlier=tmp_path / "still.json")
    kept, kept_without = (sum(entry.start == entry.start_today for entry in plan.schedule) for plan in (made, plain))
    assert kept >= kept_without
    assert kept > kept_without or made.summary.cost.plan <= plain.summary.cost.plan + 1e-6


def test_a_file_that_is_no_plan_is_refused(imported: Planned, tmp_path: Path) -> None:
    """A missing earlier plan is an error that names the file."""
    with pytest.raises(PlanFormatError, match=r"missing\.json"):
        make_plan(imported.estate, effort=EFFORT, earlier=tmp_path / "missing.json")

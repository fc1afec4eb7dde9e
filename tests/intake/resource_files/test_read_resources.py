"""Imports of ARM resources: every printed form gives the same estate, and nothing is left out in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DataError, EstateError, UsageError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate, import_resources
from optimizer.intake.import_report import ImportReport
from optimizer.model.arm_id import ArmId
from optimizer.model.timegrid import format_start
from tests.intake.inputs import (
    BEGIN,
    load_frame,
    write_load,
    write_vms,
)
from tests.intake.resource_files import resource_inputs as inputs

IDS = tuple(inputs.vm_id(name) for name in inputs.NAMES)


def _import(
    folder: Path, contents: list[Any], vms: tuple[str, ...] = IDS, *, encoding: str = "utf-8", **options: Any
) -> tuple[Estate, ImportReport]:
    folder.mkdir(exist_ok=True)
    files = inputs.write_json(folder, contents, encoding)
    report = import_resources(files, write_load(folder, load_frame(vms)), folder / "estate", **options)
    return open_estate(folder / "estate"), report


def _plain(document: EstateDocument) -> dict[str, Any]:
    """What every form states: ids and, of policies, all properties."""
    return {
        "policies": [(policy["id"], policy["properties"]) for policy in document.policies],
        "vms": [(vm["id"], vm["tags"], vm["properties"]) for vm in document.vms],
        "vaults": [(vault["id"], vault["location"]) for vault in document.vaults],
        "items": [
            (item["id"], item["properties"]["sourceResourceId"], item["properties"]["policyId"])
            for item in document.protected_items
        ],
    }


@pytest.mark.parametrize("form", inputs.FORMS)
def test_every_printed_form_gives_the_same_estate(tmp_path: Path, form: str) -> None:
    """CLI, REST, Resource Graph and templates are read into resources as ARM spells them."""
    group = inputs.GROUP if form == "template" else ""
    estate, report = _import(tmp_path / "other", inputs.FORMS[form](), resource_group=group)
    reference, _ = _import(tmp_path / "keyed", [inputs.keyed()])
    assert _plain(estate.document) == _plain(reference.document)
    assert report.left_out == ()
    inventory = estate.inventory()
    assert [item.vm_id for item in inventory.items] == list(IDS)
    assert {item.unwritable for item in inventory.items} == {""}
    policy = inventory.policy(inventory.items[0])
    assert (policy.name, format_start(policy.start), policy.timezone) == ("nightly", "23:00", "UTC")
    assert [vm.os for vm in inventory.vms.values()] == ["Linux", "Linux"]
    assert policy.twin_key == next(iter(reference.inventory().policies.values())).twin_key
    assert estate.load.read_vm(IDS[0]).cpu_percent.size > 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_powershell_redirects_are_read(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with a byte-order mark and UTF-16 with or without one hold the same JSON."""
    estate, _ = _import(tmp_path, [inputs.keyed()], encoding=encoding)
    assert len(estate.inventory().items) == 2


def test_load_may_use_names_or_ids(tmp_path: Path) -> None:
    """A name that one VM has stands for its ARM id; ids are compared without regard to case."""
    estate, report = _import(tmp_path, [inputs.keyed()], ("db-1", IDS[1].upper()))
    assert report.vms_without_load == report.load_without_vm == ()
    for vm in IDS:
        assert estate.load.read_vm(vm).cpu_percent.shape == (2, 288)


def _two_of_a_name() -> dict[str, Any]:
    content = inputs.keyed()
    other = inputs.APP.replace("rg-app", "rg-test")
    content["protected_items"].append(inputs.rest_item("web-1", other))
    content["vms"].append(inputs.rest_vm("web-1", other))
    return content


def test_a_name_that_two_vms_have_is_not_guessed(tmp_path: Path) -> None:
    """Load under a shared name is reported with the way out, and no VM is lost."""
    _, report = _import(tmp_path, [_two_of_a_name()], ("db-1", "web-1"))
    assert report.vms == 3
    assert len(report.vms_without_load) == 2
    assert any(
        note.startswith("Names in the load that several VMs have: web-1; in the load, give") for note in report.notes
    )


def test_a_name_that_an_unprotected_vm_has_too_is_not_guessed(tmp_path: Path) -> None:
    """Load under the name may be that of the VM without backup."""
    content = inputs.keyed()
    content["vms"].append(inputs.rest_vm("web-1", inputs.APP.replace("rg-app", "rg-test")))
    _, report = _import(tmp_path, [content], ("db-1", "web-1", "idle"))
    assert report.vms_without_load == (IDS[1],)
    assert report.load_without_vm == ("idle", "web-1")
    assert any(
        note.startswith("Names in the load that several VMs have: web-1; in the load, give") for note in report.notes
    )


def test_load_under_shared_names_alone_is_refused(tmp_path: Path) -> None:
    """Where no load can be assigned, the message says that names are shared."""
    with pytest.raises(DataError, match=r"have the same name \(web-1\): in .*, give the ARM id in the column vm, or"):
        _import(tmp_path, [_two_of_a_name()], ("web-1",))


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "not an object": (lambda content: content["policies"].append(7), "policies, element 2"),
    "null": (lambda content: content["vms"].append(None), "it is null, not a resource: "),
    "id is no text": (lambda content: content["vms"].append({"id": 5}), "its id is 5, which is not the ARM id"),
    "id is a name": (lambda content: content["vms"].append({"id": "web-1"}), "its id is 'web-1', which is not"),
    "no id": (lambda content: content["vms"].append({"name": "x"}), "it has no id, and none of the keys"),
    "id without group": (
        lambda content: content["vms"].append({"id": "/providers/Microsoft.Compute/virtualMachines/x"}),
        "which is not the ARM id of a resource",
    ),
    "properties are a list": (
        lambda content: content["policies"].append(
            inputs.rest_policy() | {"id": inputs.POLICY + "2", "properties": []}
        ),
        "its properties are list; allowed: an object or null",
    ),
    "tags are text": (
        lambda content: content["vms"].append(inputs.rest_vm("c") | {"tags": "a=b"}),
        "its tags are str; allowed: an object or null",
    ),
    "half a character": (
        lambda content: content["vms"].append(inputs.rest_vm("c") | {"tags": {"a": "\ud800"}}),
        "half of a surrogate pair",
    ),
    "another type": (
        lambda content: content["vms"].append({"id": f"{inputs.APP}/providers/Microsoft.Compute/disks/d"}),
        "Not used: 1 of type microsoft.compute/disks.",
    ),
    "nested deeply": (
        lambda content: content["vms"].append(
            inputs.rest_vm("c") | {"properties": json.loads('{"a":' * 70 + "1" + "}" * 70)}
        ),
        "nested more than 64 levels deep",
    ),
    "lists of lists": (lambda content: content.update(vms=[[[[[[[content["vms"]]]]]]]]), "nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_reported(tmp_path: Path, name: str) -> None:
    """A bad object costs only itself, and the report says where it is and what is wrong."""
    change, said = BAD[name]
    content = inputs.keyed()
    change(content)
    estate, report = _import(tmp_path, [content])
    assert len(estate.inventory().items) == 2
    assert any(said in line for line in report.left_out), report.left_out


FILES = {
    "empty": ("", "is empty"),
    "not JSON": ("Usage: az", "is not valid JSON .*; use --output json with the Azure CLI"),
    "cut off in a text": ('{"vaults": [{"id": "/sub', "is cut off, perhaps because the command .* was stopped"),
    "cut off between": ('{"vaults": [\n', "is cut off, perhaps"),
    "HTML": ("\n<html>Sign in</html>", "is HTML or XML, perhaps a page that asks to sign in"),
    "CSV": ("vm,service\nweb-1,shop\n", "looks like CSV: give a list of VMs with --vms"),
    "key twice": ('{"vaults": [], "policies": [], "vaults": [{}]}', "the key 'vaults' stands twice in one object"),
    "lines of JSON": ('{"id": 1}\n{"id": 2}\n', "holds several JSON values: put them into one list"),
    "5,000 digits": (f"[{5000 * '9'}]", r"is not valid JSON \(it holds a number of thousands of digits\)"),
    "not a number": ('{"vaults": [NaN]}', "NaN is not a JSON value"),
    "deep": ("[" * 200_000, "is nested too deeply"),
    "no items": ('{"policies": []}', "no protected item in"),
    "a number": ("5", "no protected item in"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_without_an_inventory_are_refused(tmp_path: Path, name: str) -> None:
    """What cannot be an inventory ends in a message that names the file, and nothing is written."""
    content, said = FILES[name]
    file = tmp_path / "a.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        import_resources([file], write_load(tmp_path), tmp_path / "estate")
    assert "a.json" in str(caught.value)
    assert not (tmp_path / "estate").exists()


def test_a_cut_answer_is_noticed(tmp_path: Path) -> None:
    """A page that says that more follow is reported."""
    for number, mark in enumerate(({"skip_token": "x"}, {"$skipToken": "x"}, {"resultTruncated": "true"})):
        page = inputs.as_graph_objects()[0] | mark
        _, report = _import(tmp_path / str(number), [page])
        assert any(note.startswith("Only a part of the answer is in") for note in report.notes)
    _, report = _import(tmp_path / "rest", [*inputs.as_rest_pages(), {"value": [], "nextLink": "https://x"}])
    assert any(note.startswith("Only a part of the answer is in") for note in report.notes)


def test_vaults_and_vms_that_no_file_lists_are_named(tmp_path: Path) -> None:
    """With policies and items alone the estate is whole, and what is unknown is said."""
    content = {key: value for key, value in inputs.keyed().items() if key in {"policies", "protected_items"}}
    estate, report = _import(tmp_path, [content])
    assert [vault["id"] for vault in estate.document.vaults] == [inputs.VAULT]
    assert [vm["id"] for vm in estate.document.vms] == list(IDS)
    assert any("Vaults known only from the ids" in note for note in report.notes)
    assert any("No file lists VMs" in note for note in report.notes)


@pytest.mark.parametrize(("place", "how"), [(inputs.APP, "gone"), (inputs.APP.replace("1111", "9999"), "hidden")])
def test_vms_that_are_not_listed_are_gone_or_hidden(tmp_path: Path, place: str, how: str) -> None:
    """Where other VMs of the subscription are listed, an absent one is gone; else the list does not cover it."""
    content = inputs.keyed()
    content["protected_items"].append(inputs.rest_item("old-1", place))
    content["vms"].append(inputs.rest_vm("unprotected"))
    estate, report = _import(tmp_path, [content])
    assert estate.document.missing_vms == {ArmId(inputs.vm_id("old-1", place)): how}
    inventory = estate.inventory()
    said = {item.vm_id: item.unwritable for item in (*inventory.items, *inventory.idle_items) if item.unwritable}
    assert said.keys() == {ArmId(inputs.vm_id("old-1", place))}
    assert len(inventory.idle_items) == (how == "gone")
    assert any(
        "1 protected VM is not in the list of VMs: 1 " in note and ": 0" not in note and "; 0" not in note
        for note in report.notes
    )


def test_settings_of_vaults_are_kept(tmp_path: Path) -> None:
    """Guards, configurations and locks are recognized by type; a lock that the CLI flattened gets its properties."""
    lock = {
        "id": f"{inputs.VAULT}/providers/Microsoft.Authorization/locks/keep",
        "name": "keep",
        "type": "Microsoft.Authorization/locks",
        "level": "ReadOnly",
        "notes": None,
        "resourceGroup": "rg-backup",
    }
    guard = {
        "id": f"{inputs.VAULT}/backupResourceGuardProxies/VaultProxy",
        "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
        "properties": {"resourceGuardResourceId": "x"},
    }
    estate, report = _import(tmp_path, [inputs.keyed(), [lock], {"vault_settings": [guard]}])
    kept_lock, kept_guard = estate.document.vault_settings
    assert kept_lock["properties"] == {"level": "ReadOnly"}
    assert kept_guard["properties"] == {"resourceGuardResourceId": "x"}
    assert not any("vault settings" in note for note in report.notes)


def test_unprotected_vms_and_accounts_stay_out(tmp_path: Path) -> None:
    """VMs without backup are counted only; names of accounts and keys do not enter the estate."""
    content = inputs.as_azure_cli()
    content[-1].append(inputs.rest_vm("idle"))
    estate, report = _import(tmp_path, content)
    assert len(estate.document.vms) == 2
    assert "VMs without a protected item in these files: 1; they are not in the estate." in report.notes
    assert "adminUsername" not in (tmp_path / "estate" / "estate.json").read_text(encoding="utf-8")


def test_copies_that_agree_count_once(tmp_path: Path) -> None:
    """A resource in two files counts once; what changes by itself, or is spelled in another case, may differ."""
    second = inputs.keyed()
    second["policies"][0]["properties"]["protectedItemsCount"] = 7
    second["policies"][0]["properties"]["timeZone"] = "utc"
    second["protected_items"][0]["properties"]["lastBackupStatus"] = "Failed"
    second["vms"][0].pop("tags")
    estate, report = _import(tmp_path, [inputs.keyed(), second])
    assert [policy["properties"]["timeZone"] for policy in estate.document.policies] == ["UTC"]
    assert "Resources that were given more than once, without contradiction: 6." in report.notes


CONTRADICTIONS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "zone of a policy": (
        lambda content: content["policies"][0]["properties"].update(timeZone="Tokyo Standard Time"),
        "nightly: properties.timeZone is 'UTC' in ",
    ),
    "time of a policy": (
        lambda content: content["policies"][0]["properties"]["schedulePolicy"].update(
            scheduleRunTimes=["2019-05-01T03:00:00Z"]
        ),
        "properties.schedulePolicy.scheduleRunTimes is ['2019-05-01T23:00:00Z'] in ",
    ),
    "policy of an item": (
        lambda content: content["protected_items"][0]["properties"].update(policyId=f"{inputs.VAULT}/x"),
        "properties.policyId is ",
    ),
    "tag of a VM": (lambda content: content["vms"][0].update(tags={"tier": "other"}), "tags.tier is "),
    "region of a vault": (
        lambda content: content["vaults"][0].update(location="mars"),
        "location is 'westeurope' in ",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_copies_that_contradict_each_other_are_refused(tmp_path: Path, case: str) -> None:
    """The message names the resource, the field, both values and both files; nothing is written."""
    change, said = CONTRADICTIONS[case]
    first, second = inputs.keyed(), inputs.keyed()
    first["vms"][0]["tags"] = second["vms"][0]["tags"] = {"tier": "web"}
    change(second)
    with pytest.raises(DataError) as caught:
        _import(tmp_path, [first, second])
    message = str(caught.value)
    assert "1 resource is given more than once, with different content; keep the newer of the files" in message
    assert said in message
    for file in ("resources-0.json", "resources-1.json"):
        assert f"{file}, " in message.split(said)[1]
    assert not (tmp_path / "estate").exists()


@pytest.mark.parametrize(
    ("key", "unknown", "meant"),
    [("vaults", "vaultz", "vaults"), ("vms", "VMs", "vms"), ("vault_settings", "vaultSettings", "vault_settings")],
)
def test_unknown_keys_are_reported(tmp_path: Path, key: str, unknown: str, meant: str) -> None:
    """A slip in a key of the combined object is reported with the key that was meant."""
    content = {**inputs.keyed(), "vault_settings": [], "facets": []}
    content[unknown] = content.pop(key)
    _, report = _import(tmp_path, [content])
    (line,) = report.left_out
    assert f"the key {unknown!r} is not known (did you mean {meant!r}?): " in line


def test_an_unknown_key_of_items_is_named_with_the_reason(tmp_path: Path) -> None:
    """Where the slip leaves no protected item, the refusal names it."""
    content = inputs.keyed()
    content["protectedItems"] = content.pop("protected_items")
    with pytest.raises(DataError, match=r"'protectedItems' is not known \(did you mean 'protected_items'\?\)"):
        _import(tmp_path, [content])
    with pytest.raises(DataError, match=r"but 'polices' \(did you mean 'policies'\?\)"):
        _import(tmp_path / "alone", [{"polices": []}])


def test_an_item_without_properties_is_reported_as_it_is(tmp_path: Path) -> None:
    """Its VM does not count as one without a protected item."""
    content = inputs.keyed()
    content["protected_items"][0]["properties"] = None
    _, report = _import(tmp_path, [content])
    assert not any("without a protected item" in note for note in report.notes)
    (note,) = (note for note in report.notes if note.startswith("Protected items that do not say"))
    assert note.startswith("Protected items that do not say which VM they protect: 1; they are not planned, because")
    assert content["protected_items"][0]["id"] in note


def test_a_template_alone_does_not_know_where_it_is(tmp_path: Path) -> None:
    """Without a resource group nothing can be read; with the list of vaults it can."""
    template, vms = inputs.as_template()
    with pytest.raises(DataError, match="a template does not say its subscription and resource group"):
        _import(tmp_path / "alone", [template, vms])
    estate, _ = _import(tmp_path / "with-vaults", [template, vms, [inputs.rest_vault()]])
    assert [item.vm_id for item in estate.inventory().items] == list(IDS)


EXPRESSIONS = {
    "[parameters('secret')]": "parameter 'secret' has no value in the template",
    "[parameters('loop')]": "refer to each other without end",
    "[reference('x').y]": r"uses reference\(\) with 1 arguments, which only Azure can evaluate",
    "[concat('a']": "cannot be read",
    "[concat('a' 'b')]": "cannot be read",
    "[format('{0}/{1}', 'rsv-one')]": r"format\(\) lacks argument \{1\}",
    "rsv-one/a/b": "does not fit its type",
    "[resourceGroup().location]": "asks for 'location', which is not known here",
    "[]": "cannot be read",
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_that_cannot_be_evaluated_cost_their_resource(tmp_path: Path, expression: str) -> None:
    """One policy of a template is left out with the reason, the others are read."""
    template, vms = inputs.as_template()
    template["parameters"] |= {"secret": {"type": "SecureString"}, "loop": {"defaultValue": "[parameters('loop')]"}}
    bad = next(dict(resource) for resource in template["resources"] if resource["type"] == inputs.POLICY_TYPE)
    template["resources"].append(bad | {"name": expression})
    estate, report = _import(tmp_path, [template, vms], resource_group=inputs.GROUP)
    assert len(estate.document.policies) == 1
    with pytest.raises(DataError, match=EXPRESSIONS[expression]):
        raise DataError(*report.left_out)


def test_functions_of_templates(tmp_path: Path) -> None:
    """Variables, formats, groups, escaped brackets, nested resources and named resources are understood."""
    template, vms = inputs.as_template()
    vault, policy, *items = template["resources"]
    template["variables"] = {"vault": "[toLower(format('{0}-{1}', 'RSV', 'One'))]"}
    vault["name"] = "[variables('vault')]"
    vault["tags"] = {"note": "[[not an expression]"}
    policy["type"], policy["name"] = "backupPolicies", "nightly"
    vault["resources"] = [policy]
    scope = "subscription().subscriptionId, resourceGroup().name"
    for item in items:
        item["properties"]["policyId"] = f"[resourceId({scope}, '{inputs.POLICY_TYPE}', 'rsv-one', 'nightly')]"
    template["resources"] = {"vault": vault, "one": items[0], "two": items[1]}
    estate, report = _import(tmp_path, [{"template": template}, vms], resource_group=inputs.GROUP + "/")
    assert report.left_out == ()
    assert [item.vm_id for item in estate.inventory().items] == list(IDS)
    assert estate.document.vaults[0]["tags"] == {"note": "[not an expression]"}


def test_vms_of_a_template_need_not_be_whole(tmp_path: Path) -> None:
    """Secrets and disks that cannot be evaluated do not cost the VM."""
    template, _ = inputs.as_template()
    for name in inputs.NAMES:
        vm = inputs.rest_vm(name)
        vm |= {"id": None, "name": name, "zones": "[reference('x')]", "apiVersion": "2025-04-01"}
        vm["properties"]["osProfile"] = {"adminPassword": "[parameters('secret')]"}
        template["resources"].append(vm)
    estate, report = _import(tmp_path, [template], resource_group=inputs.GROUP)
    assert report.left_out == ()
    assert report.vms == 2
    assert "VMs without a protected item in these files: 2; they are not in the estate." in report.notes
    estate, report = _import(tmp_path / "app", [inputs.as_template()[0] | {"resources": []}, inputs.keyed()])
    assert report.left_out == ()
    assert [vm.os for vm in estate.inventory().vms.values()] == ["Linux", "Linux"]


def test_locks_of_a_subscription_are_known(tmp_path: Path) -> None:
    """``az lock list`` prints them beside those of vaults."""
    lock = "/subscriptions/11111111-2222-4333-8444-555555555555/providers/Microsoft.Authorization/locks/all"
    estate, report = _import(tmp_path, [inputs.keyed(), [{"id": lock, "name": "all", "level": "CanNotDelete"}]])
    assert report.left_out == ()
    assert [setting["id"] for setting in estate.document.vault_settings] == [lock]


def test_a_resource_group_must_be_an_id(tmp_path: Path) -> None:
    """The bare name of a group does not say in which subscription it is."""
    with pytest.raises(UsageError, match="--resource-group is 'rg-backup'; allowed: an ARM id such as"):
        _import(tmp_path, inputs.as_template(), resource_group="rg-backup")


def test_appending_keeps_the_spelling_of_ids(tmp_path: Path) -> None:
    """A later export in other case adds load to the same VMs."""
    _import(tmp_path, [inputs.keyed()])
    again = json.loads(json.dumps(inputs.keyed()).replace("rg-app", "RG-APP"))
    later = load_frame(("db-1", "web-1"), begin=BEGIN + timedelta(days=2), seed=2)
    files = inputs.write_json(tmp_path, [again])
    report = import_resources(files, write_load(tmp_path, later, "later.parquet"), tmp_path / "estate", append=True)
    estate = open_estate(tmp_path / "estate")
    assert report.history_days == 4
    assert [vm["id"] for vm in estate.document.vms] == list(IDS)
    assert estate.load.read_vm(IDS[0]).cpu_percent.shape == (4, 288)


def test_estates_of_other_sources_are_not_mixed(tmp_path: Path) -> None:
    """A CSV list is not added to an estate of ARM resources."""
    _import(tmp_path, [inputs.keyed()])
    with pytest.raises(EstateError, match="holds an estate from 'import --resources'"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "estate", append=True)

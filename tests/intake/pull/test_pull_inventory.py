"""The inventory of a pull: vaults and their contents, VMs, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from optimizer.errors import AuthError, CloudError
from optimizer.estate.document import EstateDocument
from optimizer.intake.pull.pull_inventory import Found, PullFailure, find_inventory, is_off, is_running, place_of
from optimizer.intake.pull.pull_source import PullScope, PullSource
from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource, no_progress

SUB, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TYPE = "Microsoft.RecoveryServices/vaults"


def vault(name: str, subscription: str = SUB) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg/providers/{TYPE}/{name}"


def vm(name: str, subscription: str = SUB) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}"


def item(vault_id: str, vm_id: str) -> Resource:
    name = ArmId(vm_id).name
    path = f"{vault_id}/backupFabrics/Azure/protectionContainers/{name}/protectedItems/{name}"
    return {"id": path, "properties": {"sourceResourceId": vm_id}}


@dataclass
class Azure:
    """Vaults with their contents, and VMs; some requests may fail."""

    vaults: dict[str, list[Resource]]
    vms: list[str] = field(default_factory=list)
    errors: dict[tuple[str, str], CloudError] = field(default_factory=dict)
    settings: dict[str, list[Resource]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def _ask(self, method: str, key: str) -> None:
        self.asked.append((method, key))
        if (method, key) in self.errors:
            raise self.errors[method, key]

    def find_vaults(self, subscriptions: Sequence[str], groups: Sequence[str]) -> list[Resource]:
        """Vaults of subscriptions; all of them for a management group."""
        self._ask("find_vaults", "".join((*subscriptions, *groups)))
        return [{"id": key} for key in self.vaults if groups or ArmId(key).subscription in set(subscriptions)]

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs of subscriptions."""
        self._ask("find_vms", ",".join(subscriptions))
        return [{"id": key, "tags": {}} for key in self.vms if str(ArmId(key).subscription) in subscriptions]

    def list_policies(self, vault_id: ArmId) -> list[Resource]:
        """One policy of each vault."""
        self._ask("list_policies", str(vault_id))
        return [{"id": f"{vault_id}/backupPolicies/p"}]

    def list_items(self, vault_id: ArmId) -> list[Resource]:
        """Items of a vault."""
        self._ask("list_items", str(vault_id))
        return self.vaults[str(vault_id)]

    def vault_settings(self, vault_id: ArmId) -> list[Resource]:
        """Settings of a vault."""
        self._ask("vault_settings", str(vault_id))
        return self.settings.get(str(vault_id), [])

    def list_jobs(self, vault_id: ArmId, since: datetime, until: datetime) -> list[Resource]:
        """One job of each vault."""
        self._ask("list_jobs", str(vault_id))
        assert since < until
        return [{"id": f"{vault_id}/backupJobs/j"}]


def find(azure: Azure, scope: PullScope | None = None, old: EstateDocument | None = None, **more: Any) -> Found:
    source = PullSource(azure, azure, None, dict, **more)  # type: ignore[arg-type]
    between = (datetime(2026, 2, 1, tzinfo=UTC), NOW)
    return find_inventory(scope or PullScope((SUB,)), source, between, old, 2, no_progress)


def ids(resources: Sequence[Resource]) -> list[str]:
    return [str(resource["id"]) for resource in resources]


ONE, TWO = vault("one"), vault("two")


def test_everything_in_a_subscription_is_found() -> None:
    """Vaults in the order of their ids, with policies, items, jobs and the VMs that the items protect."""
    azure = Azure({TWO: [item(TWO, vm("b"))], ONE: [item(ONE, vm("a"))]}, [vm("a"), vm("b"), vm("c")])
    found = find(azure)
    assert ids(found.vaults) == [ONE, TWO]
    assert len(found.policies) == len(found.protected_items) == len(found.jobs) == 2
    assert ids(found.vms) == [vm("a"), vm("b")] and found.unprotected == 1
    assert found.failures == [] and found.missing == {}
    resources = found.resources(NOW)
    assert (resources.source, resources.as_of, resources.vms) == ("azure", NOW, found.vms)


def test_vaults_that_are_given_by_id_need_no_search() -> None:
    """A vault by id is read without a search, and occurs once even if a search finds it too."""
    azure = Azure({ONE: []})
    assert ids(find(azure, PullScope(vaults=(ONE,))).vaults) == [ONE]
    assert "find_vaults" not in {method for method, _ in azure.asked}
    assert ids(find(azure, PullScope((SUB,), vaults=(ONE.upper(),))).vaults) == [ONE]


def test_an_empty_scope_is_an_error() -> None:
    """Without any vault there is nothing to pull; the message names the scope."""
    with pytest.raises(CloudError, match=rf"no Recovery Services vault was found in subscription {SUB}: see whether"):
        find(Azure({}))
    with pytest.raises(CloudError, match=rf"in subscriptions {SUB}, {OTHER} and management group g: "):
        find(Azure({}), PullScope((SUB, OTHER), ("g",)))


def test_a_subscription_without_vaults_is_a_remark() -> None:
    """A subscription without a vault is reported, because its id may be misspelled."""
    (failure,) = find(Azure({ONE: []}), PullScope((SUB, OTHER))).failures
    assert failure.what == f"subscription {OTHER}" and "no vault was found in it" in failure.why


def test_a_search_that_fails_costs_its_part() -> None:
    """Another part of the scope is still pulled; only if all fail there is an error."""
    azure = Azure({ONE: []}, errors={("find_vaults", "g"): CloudError("HTTP 500")})
    found = find(azure, PullScope((SUB,), ("g",)))
    assert ids(found.vaults) == [ONE]
    assert found.failures == [PullFailure("vaults of management group g", "HTTP 500")]
    with pytest.raises(CloudError, match="HTTP 500"):
        find(azure, PullScope(management_groups=("g",)))


@pytest.mark.parametrize("method", ["list_policies", "list_items"])
def test_a_vault_without_contents_is_lost(method: str) -> None:
    """A vault whose policies or items cannot be read is left out; if all are, the pull fails."""
    azure = Azure({ONE: [], TWO: []}, errors={(method, ONE): CloudError("HTTP 403")})
    found = find(azure)
    assert ids(found.vaults) == [TWO] and found.failures == [PullFailure(f"vault {ONE}", "HTTP 403")]
    azure.errors[method, TWO] = CloudError("HTTP 403")
    with pytest.raises(CloudError, match="HTTP 403"):
        find(azure)


@pytest.mark.parametrize(("method", "what"), [("vault_settings", ", what protects it"), ("list_jobs", ", jobs")])
def test_a_vault_is_useful_without_settings_or_jobs(method: str, what: str) -> None:
    """A pull goes on without settings and jobs of a vault, and reports what failed."""
    found = find(Azure({ONE: []}, errors={(method, ONE): CloudError("HTTP 500")}))
    assert ids(found.vaults) == [ONE] and found.failures == [PullFailure(f"vault {ONE}{what}", "HTTP 500")]


@pytest.mark.parametrize("method", ["list_policies", "vault_settings", "list_jobs"])
def test_a_refused_sign_in_stops_everything(method: str) -> None:
    """Without a sign-in every request would fail."""
    with pytest.raises(AuthError):
        find(Azure({ONE: [], TWO: []}, errors={(method, ONE): AuthError("signed out")}))


def test_a_lost_vault_keeps_what_the_estate_knows() -> None:
    """Its VMs would seem unprotected otherwise."""
    old = EstateDocument(
        created_at=NOW, as_of=NOW, source="azure", vaults=({"id": ONE, "name": "one"},),
        policies=({"id": f"{ONE}/backupPolicies/old"},), protected_items=(item(ONE, vm("a")), item(TWO, vm("b"))),
    )  # fmt: skip
    azure = Azure({ONE: [], TWO: []}, [vm("a")], errors={("list_items", ONE): CloudError("HTTP 500")})
    found = find(azure, old=old)
    assert {"id": ONE, "name": "one"} in found.vaults and f"{ONE}/backupPolicies/old" in ids(found.policies)
    assert ids(found.vms) == [vm("a")]


def test_the_vaults_own_answer_counts() -> None:
    """The service's data of a vault replace those of the directory, which may be older."""
    itself = {"id": ONE, "type": TYPE.lower(), "location": "weu"}
    lock = {"id": f"{ONE}/locks/l", "type": "Microsoft.Authorization/locks"}
    found = find(Azure({ONE: []}, settings={ONE: [itself, lock]}))
    assert found.vaults == [itself] and found.vault_settings == [lock]


def test_resources_that_are_too_deep_are_left_out() -> None:
    """A resource that could not be written to a file is reported."""
    deep: Any = {}
    for _ in range(80):
        deep = {"x": deep}
    found = find(Azure({ONE: [{"id": f"{ONE}/deep", "properties": deep}]}))
    assert found.protected_items == []
    assert "nested too deeply" in found.failures[0].why


def test_vms_of_other_subscriptions_are_listed_as_well() -> None:
    """A vault may protect VMs elsewhere; a subscription that cannot be searched is a failure of its own."""
    far = vm("far", OTHER)
    azure = Azure({ONE: [item(ONE, far), item(ONE, vm("a"))]}, [far, vm("a")])
    assert set(ids(find(azure).vms)) == {far, vm("a")}
    azure.errors["find_vms", OTHER] = CloudError("HTTP 403")
    found = find(azure)
    assert ids(found.vms) == [vm("a")] and found.failures == [PullFailure(f"VMs of subscription {OTHER}", "HTTP 403")]


def test_unlisted_vms_are_looked_for() -> None:
    """A VM that the directory does not list may exist, be gone, or be hidden."""
    azure = Azure({ONE: [item(ONE, vm(name)) for name in "abc"]}, [vm("a")])
    found = find(azure, find_vm=lambda vm_id: {"id": vm_id} if vm_id == vm("b") else None)
    assert set(ids(found.vms)) == {vm("a"), vm("b")}
    assert found.absent("gone") == (ArmId(vm("c")),) and found.absent("hidden") == ()


def test_the_spelling_of_the_estate_is_kept() -> None:
    """Load is stored under the first spelling of an id, so that it never changes."""
    old = EstateDocument(
        created_at=NOW, as_of=NOW, source="azure", vms=({"id": vm("a").upper(), "name": "A", "tags": {}},),
        protected_items=(item(ONE, vm("b").upper()),),
    )  # fmt: skip
    found = find(Azure({ONE: [item(ONE, vm("a")), item(ONE, vm("b")), item(ONE, vm("c"))]}, [vm("a")]), old=old)
    assert ids(found.vms) == [vm("a").upper(), vm("b").upper()]
    assert str(found.spelling()[ArmId(vm("b"))]) == vm("b").upper()


def power(state: object) -> Resource:
    return {"id": vm("a"), "properties": {"extended": {"instanceView": {"powerState": {"code": state}}}}}


@pytest.mark.parametrize(
    ("state", "off", "running"),
    [
        ("PowerState/deallocated", True, False),
        ("powerstate/STOPPED", True, False),
        ("PowerState/running", False, True),
        ("PowerState/starting", False, False),
        (None, False, False),
        (5, False, False),
    ],
)
def test_power_states(state: object, off: bool, running: bool) -> None:
    """Only what is known for sure counts, in any case of letters."""
    assert (is_off(power(state)), is_running(power(state))) == (off, running)
    assert not is_off({}) and not is_running({"properties": None})


def test_the_place_of_a_vm() -> None:
    """Subscription from the id, region as Azure Monitor spells it, and size."""
    resource = {"location": "West Europe", "properties": {"hardwareProfile": {"vmSize": "D2"}}}
    assert place_of(resource, ArmId(vm("a")), "eastus") == (SUB, "westeurope", "D2")
    assert place_of(None, ArmId(vm("a")), "East US") == (SUB, "eastus", "")

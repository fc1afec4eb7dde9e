"""Pulls the inventory: vaults and their contents, VMs and jobs; the failure of one vault does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optimizer.arm import Absence, ArmResources
from optimizer.errors import AuthError, CloudError, DataError, OptimizerError
from optimizer.estate import EstateDocument
from optimizer.intake.pull.missing_vms import look_for
from optimizer.intake.pull.pull_source import Directory, FindVm, PullScope, PullSource
from optimizer.intake.spelling import spelling_of
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, mapping, properties_of, too_deep, word
from optimizer.ports import Progress, Resource

VAULT_TYPE = Caseless("Microsoft.RecoveryServices/vaults")


@dataclass(frozen=True)
class PullFailure:
    """A failed part of a pull.

    Parameters
    ----------
    what
        The vault or request that failed.
    why
        Answer of the service, and advice.
    """

    what: str
    why: str


@dataclass
class Found:
    """An inventory as ARM resources, with the raw jobs of its vaults.

    Parameters
    ----------
    unprotected
        Number of VMs in the subscriptions that no vault of the scope protects; they are not in the estate.
    missing
        How each protected VM that was looked for is missing, by id in the estate's spelling.
    jobs
        Raw jobs, by vault id.
    logged_jobs
        Jobs as the workspaces recorded them.
    """

    vaults: list[Resource] = field(default_factory=list)
    policies: list[Resource] = field(default_factory=list)
    protected_items: list[Resource] = field(default_factory=list)
    vms: list[Resource] = field(default_factory=list)
    vault_settings: list[Resource] = field(default_factory=list)
    jobs: dict[ArmId, list[Resource]] = field(default_factory=dict)
    logged_jobs: list[dict[str, Any]] = field(default_factory=list)
    unprotected: int = 0
    missing: dict[ArmId, Absence] = field(default_factory=dict)
    failures: list[PullFailure] = field(default_factory=list)

    def resources(self, as_of: datetime) -> ArmResources:
        """Resources of an estate that was pulled at ``as_of``."""
        return ArmResources(
            as_of=as_of,
            source="azure",
            vaults=self.vaults,
            policies=self.policies,
            protected_items=self.protected_items,
            vms=self.vms,
            vault_settings=self.vault_settings,
            missing_vms=self.missing,
        )

    def absent(self, how: Absence) -> tuple[ArmId, ...]:
        """VMs that are missing in one of the two ways, sorted."""
        return tuple(sorted((vm_id for vm_id, absence in self.missing.items() if absence == how), key=str))

    def spelling(self) -> dict[ArmId, ArmId]:
        """Spelling of VM ids in the estate, of all protected VMs and those that the directory lists."""
        return spelling_of(self.vms, self.protected_items)


@dataclass(frozen=True)
class _VaultAnswer:
    vault: Resource
    settings: Sequence[Resource] = ()
    policies: Sequence[Resource] = ()
    items: Sequence[Resource] = ()
    jobs: Sequence[Resource] = ()
    failures: Sequence[PullFailure] = ()
    lost: CloudError | DataError | None = None


def find_inventory(
    scope: PullScope,
    source: PullSource,
    jobs_between: tuple[datetime, datetime],
    old: EstateDocument | None,
    workers: int,
    progress: Progress,
) -> Found:
    """Pull everything in a scope except the load.

    Parameters
    ----------
    scope
        Subscriptions, management groups and vaults to pull.
    source
        Connections to Azure.
    jobs_between
        Start and end of the period for jobs.
    old
        Estate that is appended to. Its data are used for vaults that cannot be read, and its spelling of VM ids is
        kept.
    workers
        Number of vaults to read in parallel.
    progress
        Called after each vault.

    Raises
    ------
    CloudError
        No vault can be found, or none can be read.
    """
    found = Found()
    vaults = _find_vaults(scope, source, found)
    if not vaults:
        raise CloudError(
            f"no Recovery Services vault was found in {_named(scope)}: see whether the ids are right and whether this "
            "account may read them (role Reader, or data/roles)"
        )
    lost = []
    for answer in _read_vaults(vaults, source, jobs_between, workers, progress):
        found.failures += answer.failures
        if answer.lost is None:
            _take(answer, old, found)
        else:
            lost.append(answer)
    if len(lost) == len(vaults):
        assert lost[0].lost is not None
        raise lost[0].lost
    for answer in lost:
        _keep_old(answer, old, found)
    _add_vms(source, old, found)
    return found


def _named(scope: PullScope) -> str:
    """Text of the scope, with the ids that the user gave."""
    parts = [("subscription", scope.subscriptions), ("management group", scope.management_groups)]
    return " and ".join(f"{what}{'' if len(names) == 1 else 's'} {', '.join(names)}" for what, names in parts if names)


def _find_vaults(scope: PullScope, source: PullSource, found: Found) -> list[Resource]:
    """Vaults by id, including those given by id; each part of the scope that cannot be searched is a failure."""
    search = _VaultSearch(source.directory, found)
    if scope.subscriptions:
        search.run("vaults of the subscriptions", scope.subscriptions, ())
    for group in scope.management_groups:
        search.run(f"vaults of management group {group}", (), (group,))
    search.report_empty(scope.subscriptions)
    vaults = search.vaults
    for vault_id in map(ArmId, scope.vaults):
        vaults.setdefault(vault_id, {"id": str(vault_id), "name": vault_id.name})
    if not vaults and search.errors:
        raise search.errors[0]
    return [vaults[key] for key in sorted(vaults)]


class _VaultSearch:
    """Searches for vaults, in which parts of the scope may fail."""

    def __init__(self, directory: Directory, found: Found) -> None:
        self._directory, self._found = directory, found
        self.vaults: dict[ArmId, Resource] = {}
        self.errors: list[CloudError] = []

    def run(self, what: str, subscriptions: Sequence[str], groups: Sequence[str]) -> None:
        """Search a part of the scope."""
        try:
            self.vaults |= {id_of(vault): vault for vault in self._directory.find_vaults(subscriptions, groups)}
        except AuthError:
            raise
        except CloudError as exc:
            self.errors.append(exc)
            self._found.failures.append(PullFailure(what, str(exc)))

    def report_empty(self, subscriptions: Iterable[str]) -> None:
        """Report subscriptions without any vault, unless a failed search may be the reason."""
        if self.errors:
            return
        searched = {vault_id.subscription for vault_id in self.vaults}
        why = "no vault was found in it: see whether it has one and whether this account may read it (role Reader)"
        for subscription in subscriptions:
            if Caseless(subscription) not in searched:
                self._found.failures.append(PullFailure(f"subscription {subscription}", why))


def _read_vaults(
    vaults: Sequence[Resource],
    source: PullSource,
    jobs_between: tuple[datetime, datetime],
    workers: int,
    progress: Progress,
) -> Iterator[_VaultAnswer]:
    """Answers in the order of the vaults; several vaults are read in parallel."""
    progress("vaults", 0, len(vaults))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vaults")
    try:
        futures = [pool.submit(_read_vault, vault, source, jobs_between) for vault in vaults]
        for number, future in enumerate(futures, 1):
            answer = future.result()
            progress("vaults", number, len(vaults), f"{len(answer.items)} VMs in {answer.vault.get('name', '')}")
            yield answer
    finally:
        pool.shutdown(cancel_futures=True)


def _read_vault(vault: Resource, source: PullSource, jobs_between: tuple[datetime, datetime]) -> _VaultAnswer:
    """Read a vault. Without settings or jobs it is still useful; without policies and items it is lost."""
    vault_id = id_of(vault)
    name = f"vault {vault_id}"
    failures: list[PullFailure] = []
    try:
        policies, items = source.backup.list_policies(vault_id), source.backup.list_items(vault_id)
    except AuthError:
        raise
    except (CloudError, DataError) as exc:
        return _VaultAnswer(vault, failures=[PullFailure(name, str(exc))], lost=exc)
    settings: list[Resource] = []
    jobs: list[Resource] = []
    try:
        settings = source.backup.vault_settings(vault_id)
    except AuthError:
        raise
    except CloudError as exc:
        failures.append(PullFailure(f"{name}, what protects it", str(exc)))
    try:
        jobs = source.backup.list_jobs(vault_id, *jobs_between)
    except AuthError:
        raise
    except CloudError as exc:
        failures.append(PullFailure(f"{name}, jobs", str(exc)))
    return _VaultAnswer(vault, settings, policies, items, jobs, failures)


def _take(answer: _VaultAnswer, old: EstateDocument | None, found: Found) -> None:
    itself = [part for part in answer.settings if _is_vault(part)]
    # The service's own data take precedence over those of Resource Graph, which are older.
    vault = {**itself[0], "id": str(id_of(itself[0]) or id_of(answer.vault))} if itself else answer.vault
    found.vaults.append(vault)
    found.vault_settings += [part for part in answer.settings if not _is_vault(part)]
    if not answer.settings and old is not None:  # a guard that was seen before is not forgotten
        found.vault_settings += _inside(vault, old.vault_settings)
    found.policies += _shallow(answer.policies, vault, found)
    found.protected_items += _shallow(answer.items, vault, found)
    found.jobs[id_of(vault)] = _shallow(answer.jobs, vault, found)


def _shallow(resources: Sequence[Resource], vault: Resource, found: Found) -> list[Resource]:
    """Resources with normal nesting; deeper ones, which could not even be written to a file, are reported."""
    for resource in resources:
        if too_deep(resource):
            what = f"vault {id_of(vault)}, {id_of(resource) or 'a resource without id'}"
            why = "it is nested too deeply to be a resource of Azure; it was left out"
            found.failures.append(PullFailure(what, why))
    return [resource for resource in resources if not too_deep(resource)]


def _is_vault(resource: Resource) -> bool:
    return word(resource.get("type")) == VAULT_TYPE


def _keep_old(answer: _VaultAnswer, old: EstateDocument | None, found: Found) -> None:
    """Keep what the estate knows about a vault that cannot be read now; otherwise its VMs would seem unprotected."""
    if old is None:
        return
    found.vaults += [vault for vault in old.vaults if id_of(vault) == id_of(answer.vault)]
    found.policies += _inside(answer.vault, old.policies)
    found.protected_items += _inside(answer.vault, old.protected_items)
    found.vault_settings += _inside(answer.vault, old.vault_settings)


def _inside(vault: Resource, resources: Iterable[Resource]) -> list[Resource]:
    return [part for part in resources if id_of(part).is_below(id_of(vault))]


def _add_vms(source: PullSource, old: EstateDocument | None, found: Found) -> None:
    """Add the protected VMs, each in a spelling that never changes."""
    wanted = spelling_of((), found.protected_items)
    spelled = spelling_of(old.vms, old.protected_items) if old else {}
    closed: set[Caseless] = set()
    by_id = _listed_vms(source, wanted, found, closed)
    if source.find_vm is not None:
        unlisted = [key for key in wanted if key not in by_id and key.subscription not in closed]
        by_id |= _look_for([spelled.get(key, key) for key in unlisted], source.find_vm, found)
    before = {id_of(vm): vm for vm in old.vms} if old else {}
    resources = before | by_id
    for vm_id, stated in wanted.items():
        if (vm := _spelled_vm(stated, spelled.get(vm_id), resources.get(vm_id))) is not None:
            found.vms.append(vm)


def _listed_vms(
    source: PullSource, wanted: Mapping[ArmId, ArmId], found: Found, closed: set[Caseless]
) -> dict[ArmId, Resource]:
    """VMs that the directory lists in the subscriptions of the vaults and of the protected VMs."""
    own = {id_of(vault).subscription for vault in found.vaults} - {Caseless()}
    listed = _list_vms(source, own, found, closed)
    found.unprotected = len(set(map(id_of, listed)) - wanted.keys())
    # A vault may protect VMs of other subscriptions.
    others = {vm_id.subscription for vm_id in wanted} - own - {Caseless()}
    return {id_of(vm): vm for vm in listed + _list_vms(source, others, found, closed)}


def _look_for(vm_ids: Sequence[ArmId], find_vm: FindVm, found: Found) -> dict[ArmId, Resource]:
    """VMs that exist although the directory does not list them; how the others are missing is recorded."""
    looked = look_for(vm_ids, find_vm)
    found.missing = looked.missing
    found.failures += [PullFailure(f"VM {vm_id}", why) for vm_id, why in looked.troubles.items()]
    return looked.found


def _spelled_vm(stated: ArmId, spelling: ArmId | None, resource: Resource | None) -> Resource | None:
    """Resource of a VM in the spelling of the estate that is appended to; None if its items say all that is known.

    Parameters
    ----------
    stated
        Id in the spelling of the VM's first item.
    spelling
        Id in the spelling of the estate; None if the VM is new.
    resource
        What the directory or the estate says of the VM; None if they do not list it.
    """
    if resource is not None:
        return {**resource, "id": str(spelling or id_of(resource))}
    if spelling is None or str(spelling) == str(stated):
        return None
    return {"id": str(spelling), "name": spelling.name}


def _list_vms(source: PullSource, subscriptions: set[Caseless], found: Found, closed: set[Caseless]) -> list[Resource]:
    """VMs of some subscriptions. A subscription that cannot be searched is a failure, and is added to ``closed``."""
    if not subscriptions:
        return []
    try:
        return source.directory.find_vms(sorted(subscriptions))
    except AuthError:
        raise
    except OptimizerError as exc:
        if len(subscriptions) == 1:
            found.failures.append(PullFailure(f"VMs of subscription {next(iter(subscriptions))}", str(exc)))
            closed |= subscriptions
            return []
    return [vm for subscription in sorted(subscriptions) for vm in _list_vms(source, {subscription}, found, closed)]


def place_of(vm: Resource | None, vm_id: ArmId, vault_location: str) -> tuple[str, str, str]:
    """Subscription, region and size of a VM; the region of its vault is used if the VM's own is unknown."""
    location = str(mapping(vm).get("location") or vault_location)
    properties = properties_of(vm)
    size = str(mapping(properties.get("hardwareProfile")).get("vmSize") or "")
    return str(vm_id.subscription), Caseless(location).key.replace(" ", ""), size


def is_off(vm: Resource) -> bool:
    """Whether a VM is off now, as far as is known."""
    return _power_state(vm) in {Caseless("PowerState/deallocated"), Caseless("PowerState/stopped")}


def is_running(vm: Resource) -> bool:
    """Whether a VM runs now, as far as is known."""
    return _power_state(vm) == "PowerState/running"


def _power_state(vm: Resource) -> Caseless:
    """Power state; empty if it is not known."""
    properties = properties_of(vm)
    extended = mapping(mapping(mapping(properties.get("extended")).get("instanceView")).get("powerState"))
    return word(extended.get("code"))

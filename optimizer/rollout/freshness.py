"""Whether Azure is still as the plan knows it: what changed since, vault by vault, and which part still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizer.estate.document import EstateDocument
from optimizer.plan.errors import StalePlanError
from optimizer.ports import BackupReader, Resource
from optimizer.rollout.stages import Write
from optimizer.rollout.writes import is_made, item_state, policy_state

_SHOWN = 8
"""Changes of one vault that a message lists."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What changed since the estate was taken.

    Parameters
    ----------
    broken
        By vault id: changes of objects that the plan writes or relies on.
    remarks
        By vault id: other changes, which the plan can live with.
    holds
        Ids of the vaults whose part of the plan still holds.
    """

    broken: Mapping[str, Sequence[str]]
    remarks: Mapping[str, Sequence[str]]
    holds: tuple[str, ...]


@dataclass
class _Compared:
    """One vault, then and now."""

    policies_then: Mapping[str, Resource]
    policies_now: Mapping[str, Resource]
    items_then: Mapping[str, Resource]
    items_now: Mapping[str, Resource]
    relied_on: frozenset[str]
    unsure: frozenset[str]
    broken: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def report(self, key: str, text: str) -> None:
        """Put a change where it belongs."""
        if key in self.unsure:
            return
        (self.broken if key in self.relied_on else self.remarks).append(text)


def compare_with_service(
    expected: EstateDocument,
    writes: Sequence[Write],
    reader: BackupReader,
    *,
    pending: frozenset[int],
    begun: frozenset[int] = frozenset(),
) -> Freshness:
    """Compare the vaults that a plan writes to with what the service says now.

    Parameters
    ----------
    expected
        The estate of the plan, with the writes applied that were made already.
    writes
        Writes of the plan.
    reader
        The service.
    pending
        Numbers of the writes that are still to be made: only what these rely on can break the plan.
    begun
        Numbers of the writes of which it is not known whether they took place: their objects may be either way.

    Raises
    ------
    CloudError
        A vault cannot be read.
    """
    to_do = [write for write in writes if write.number in pending]
    broken, remarks, holds = {}, {}, []
    unsure = frozenset(write.object_id.lower() for write in writes if write.number in begun)
    for vault_id in dict.fromkeys(write.vault_id for write in to_do):
        of_vault = [write for write in to_do if write.vault_id.lower() == vault_id.lower()]
        policies = _by_id(reader.list_policies(vault_id), vault_id)
        items = _by_id(reader.list_items(vault_id), vault_id)
        compared = _Compared(
            _by_id(expected.policies, vault_id),
            policies,
            _by_id(expected.protected_items, vault_id),
            items,
            _relied_on(expected, of_vault),
            unsure | _in_place(of_vault, {**policies, **items}),
        )
        _compare_policies(compared)
        _compare_items(compared)
        if compared.broken:
            broken[vault_id] = compared.broken
        else:
            holds.append(vault_id)
        if compared.remarks:
            remarks[vault_id] = compared.remarks
    return Freshness(broken, remarks, tuple(holds))


def _by_id(resources: Iterable[Resource], vault_id: str) -> dict[str, Resource]:
    prefix = vault_id.lower() + "/"
    pairs = ((str(resource["id"]).lower(), resource) for resource in resources)
    return {key: resource for key, resource in pairs if key.startswith(prefix)}


def _relied_on(expected: EstateDocument, writes: Sequence[Write]) -> frozenset[str]:
    """Ids of the objects that must be as they were: what is written, where it comes from, where it goes."""
    ids: set[str] = set()
    for write in writes:
        ids |= {write.object_id.lower(), write.policy_before.lower(), write.policy_after.lower()}
    edited = {write.object_id.lower() for write in writes if write.kind == "edit_policy"}
    ids |= {str(item["id"]).lower() for item in expected.protected_items if str(_policy_of(item)).lower() in edited}
    return frozenset(ids - {""})


def _in_place(writes: Sequence[Write], now: Mapping[str, Resource]) -> frozenset[str]:
    """Ids of the objects that are already as their write leaves them: another machine made it, or a person did."""
    keys = [write.object_id.lower() for write in writes]
    return frozenset(key for key, write in zip(keys, writes, strict=True) if key in now and is_made(write, now[key]))


def _policy_of(item: Resource) -> str:
    return str((item.get("properties") or {}).get("policyId") or "")


def _compare_policies(compared: _Compared) -> None:
    for key, then in compared.policies_then.items():
        now = compared.policies_now.get(key)
        if now is None:
            compared.report(key, f"policy {_name(then)} is gone")
        elif policy_state(then["properties"]) != policy_state(now["properties"]):
            compared.report(key, f"policy {_name(now)} was changed{_what_changed(then, now)}")
    for key, now in compared.policies_now.items():
        if key not in compared.policies_then:
            compared.report(key, f"policy {_name(now)} is new")


def _what_changed(then: Resource, now: Resource) -> str:
    keys = sorted(
        key
        for key in {*then["properties"], *now["properties"]}
        if policy_state({key: then["properties"].get(key)}) != policy_state({key: now["properties"].get(key)})
    )
    return f": {', '.join(keys)}" if keys else ""


def _compare_items(compared: _Compared) -> None:
    for key, then in compared.items_then.items():
        now = compared.items_now.get(key)
        if now is None:
            compared.report(key, f"VM {_name(then)} is no longer protected")
        elif item_state(then["properties"]) != item_state(now["properties"]):
            compared.report(key, f"VM {_name(now)} {_how_it_changed(then, now)}")
    for key, now in compared.items_now.items():
        if key not in compared.items_then:
            # A newcomer in a policy that is edited would be moved with it.
            place = _policy_of(now).lower()
            compared.report(place, f"VM {_name(now)} is new in policy {place.rpartition('/')[2]}")


def _how_it_changed(then: Resource, now: Resource) -> str:
    before, after = _policy_of(then), _policy_of(now)
    if before.lower() != after.lower():
        return f"was moved from policy {before.rpartition('/')[2]} to {after.rpartition('/')[2] or 'none'}"
    if (then["properties"].get("protectionState")) != (now["properties"].get("protectionState")):
        return f"is now in state {now['properties'].get('protectionState')}"
    return "has other backup settings (disk exclusion)"


def _name(resource: Resource) -> str:
    friendly = (resource.get("properties") or {}).get("friendlyName")
    return repr(friendly or resource.get("name") or str(resource["id"]).rpartition("/")[2])


def require_fresh(freshness: Freshness, plan_name: str, *, command: Literal["apply", "rollback"] = "apply") -> None:
    """Refuse a plan that rests on what is no longer so.

    Raises
    ------
    StalePlanError
        Something that the plan relies on was changed; names it, and what of the plan still holds.
    """
    if not freshness.broken:
        return
    if command == "rollback":
        lines = [f"{plan_name}: not everything is as it was left, so that the way back is not safe; in Azure:"]
    else:
        lines = [f"{plan_name}: the plan is stale; since its estate was taken, in Azure:"]
    for vault_id, changes in freshness.broken.items():
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        lines.append(f"  vault {vault_id.rpartition('/')[2]}: {'; '.join(changes[:_SHOWN])}{more}")
    if command == "rollback":
        lines.append("bring that back by hand, then run 'rollback' again; or pull the estate and make a new plan")
        raise StalePlanError("\n".join(lines))
    if freshness.holds:
        names = [vault_id.rpartition("/")[2] for vault_id in freshness.holds]
        options = " ".join(f"--only vault={name}" for name in names)
        lines.append(f"the part for {', '.join(names)} still holds: 'apply {options}' carries out that part")
    else:
        lines.append("no part of it holds")
    lines.append("to plan anew: pull the estate again, then plan")
    raise StalePlanError("\n".join(lines))

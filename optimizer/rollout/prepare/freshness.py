"""Comparison of the plan's estate with Azure: what changed in each vault, and which vaults can still be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizer.arm import policy_of
from optimizer.errors import CloudError, ForbiddenError, NotFoundError, StalePlanError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import BackupReader, Resource
from optimizer.rollout.session.closures import Closures
from optimizer.rollout.writes.states import is_made, item_state, policy_state
from optimizer.rollout.writes.write import Write, vaults_of

_SHOWN = 8
"""Maximum number of changes per vault that a message lists."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Changes since the estate was read.

    Parameters
    ----------
    broken
        By vault id: changes to objects that the plan writes or relies on.
    remarks
        By vault id: other changes, which do not affect the plan.
    holds
        Ids of the vaults whose part of the plan is still valid.
    unreadable
        By vault id: error of a vault that cannot be read.  Nothing is known about such a vault, so it is never
        written.
    changed
        Ids of the objects that ``broken`` lists.
    """

    broken: Mapping[ArmId, Sequence[str]]
    remarks: Mapping[ArmId, Sequence[str]]
    holds: tuple[ArmId, ...]
    unreadable: Mapping[ArmId, CloudError] = field(default_factory=dict)
    changed: frozenset[ArmId] = frozenset()

    def hinders(self, write: Write) -> bool:
        """Whether a change rules out a write: a change to its own object, or to the policy that a VM goes to."""
        return bool({write.object_id, write.policy_after} & self.changed)


@dataclass
class _Compared:
    """One vault in the plan's estate and now."""

    policies_then: Mapping[ArmId, Resource]
    policies_now: Mapping[ArmId, Resource]
    items_then: Mapping[ArmId, Resource]
    items_now: Mapping[ArmId, Resource]
    relied_on: frozenset[ArmId]
    unsure: frozenset[ArmId]
    broken: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    changed: set[ArmId] = field(default_factory=set)

    def report(self, key: ArmId, text: str) -> None:
        """Add a change to ``broken`` or ``remarks``, depending on whether the plan relies on the object."""
        if key in self.unsure:
            return
        if key in self.relied_on:
            self.broken.append(text)
            self.changed.add(key)
        else:
            self.remarks.append(text)


def compare_with_service(
    expected: EstateDocument,
    writes: Sequence[Write],
    reader: BackupReader,
    *,
    pending: frozenset[int],
    begun: frozenset[int] = frozenset(),
    unreadable: Mapping[ArmId, CloudError] | None = None,
    closures: Closures | None = None,
) -> Freshness:
    """Compare the vaults that a plan writes to with what the service shows now.

    Vaults without a pending write are not read, and neither are vaults from which the service asked to stay away: each
    of their objects is compared right before it is written.  A vault that cannot be read does not keep the others from
    being compared.

    Parameters
    ----------
    expected
        Estate of the plan, after the writes that were already made.
    writes
        Writes of the plan.
    reader
        Client that reads the service.
    pending
        Numbers of the writes that are still to be made.  Only the objects that these rely on can invalidate the plan.
    begun
        Numbers of the writes whose outcome is unknown.  Their objects may be in either state.
    unreadable
        Errors of the vaults, by id, that are already known to be unreadable.
    closures
        Closed vaults.  By default, no vault is closed.
    """
    to_do = [write for write in writes if write.number in pending]
    broken, remarks, holds = {}, {}, []
    changed: set[ArmId] = set()
    lost = dict(unreadable or {})
    unsure = frozenset(write.object_id for write in writes if write.number in begun)
    for vault_id in vaults_of(to_do):
        if vault_id in lost or (closures is not None and closures.of(vault_id)):
            continue
        of_vault = [write for write in to_do if write.vault_id == vault_id]
        try:
            policies = _by_id(reader.list_policies(vault_id), vault_id)
            items = _by_id(reader.list_items(vault_id), vault_id)
        except CloudError as exc:
            if closures is None or not closures.heed(vault_id, exc):
                lost[vault_id] = exc
            continue
        compared = _Compared(
            _by_id(expected.policies, vault_id),
            policies,
            _by_id(expected.protected_items, vault_id),
            items,
            relied_on(expected, of_vault),
            unsure | _in_place(of_vault, {**policies, **items}),
        )
        _compare_policies(compared)
        _compare_items(compared)
        changed |= compared.changed
        if compared.broken:
            broken[vault_id] = compared.broken
        else:
            holds.append(vault_id)
        if compared.remarks:
            remarks[vault_id] = compared.remarks
    return Freshness(broken, remarks, tuple(holds), lost, frozenset(changed))


def _by_id(resources: Iterable[Resource], vault_id: ArmId) -> dict[ArmId, Resource]:
    return {id_of(resource): resource for resource in resources if id_of(resource).is_below(vault_id)}


def relied_on(expected: EstateDocument, writes: Sequence[Write]) -> frozenset[ArmId]:
    """Ids of the objects that must be unchanged: those written, and the policies before and after."""
    ids: set[ArmId] = set()
    for write in writes:
        ids |= {write.object_id, write.policy_before, write.policy_after}
    edited = {write.object_id for write in writes if write.kind == "edit_policy"}
    if edited:
        ids |= {id_of(item) for item in expected.protected_items if policy_of(properties_of(item)) in edited}
    return frozenset(ids - {NO_ID})


def _in_place(writes: Sequence[Write], now: Mapping[ArmId, Resource]) -> frozenset[ArmId]:
    """Ids of the objects that are already as their write leaves them: another machine or a person has changed them."""
    keys = [write.object_id for write in writes]
    return frozenset(key for key, write in zip(keys, writes, strict=True) if key in now and is_made(write, now[key]))


def _compare_policies(compared: _Compared) -> None:
    for key, then in compared.policies_then.items():
        now = compared.policies_now.get(key)
        if now is None:
            compared.report(key, f"policy {_name(then)} is gone")
        elif policy_state(properties_of(then)) != policy_state(properties_of(now)):
            compared.report(key, f"policy {_name(now)} was changed{_what_changed(then, now)}")
    for key, now in compared.policies_now.items():
        if key not in compared.policies_then:
            compared.report(key, f"policy {_name(now)} is new")


def _what_changed(then: Resource, now: Resource) -> str:
    keys = sorted(
        key
        for key in {*properties_of(then), *properties_of(now)}
        if policy_state({key: properties_of(then).get(key)}) != policy_state({key: properties_of(now).get(key)})
    )
    return f": {', '.join(keys)}" if keys else ""


def _compare_items(compared: _Compared) -> None:
    for key, then in compared.items_then.items():
        now = compared.items_now.get(key)
        if now is None:
            compared.report(key, f"VM {_name(then)} is no longer protected")
        elif item_state(properties_of(then)) != item_state(properties_of(now)):
            compared.report(key, f"VM {_name(now)} {_how_it_changed(then, now)}")
    for key, now in compared.items_now.items():
        if key not in compared.items_then:
            # A VM that was added to a policy that is edited would be moved with it.
            place = policy_of(properties_of(now))
            compared.report(place, f"VM {_name(now)} is new in policy {place.name}")


def _how_it_changed(then: Resource, now: Resource) -> str:
    before, after = policy_of(properties_of(then)), policy_of(properties_of(now))
    if before != after:
        return f"was moved from policy {before.name} to {after.name or 'none'}"
    if properties_of(then).get("protectionState") != properties_of(now).get("protectionState"):
        return f"is now in state {now['properties'].get('protectionState')}"
    return "has other backup settings (disk exclusion)"


def _name(resource: Resource) -> str:
    friendly = properties_of(resource).get("friendlyName")
    return repr(friendly or resource.get("name") or id_of(resource).name)


def require_fresh(
    freshness: Freshness,
    plan_name: str,
    *,
    command: Literal["apply", "rollback"] = "apply",
    offers: Iterable[str] = (),
) -> None:
    """Refuse a plan that relies on objects that have changed or cannot be read.

    Parameters
    ----------
    freshness
        Result of the comparison.
    plan_name
        Name of the plan or of the journal, for the message.
    command
        Command that is refused.
    offers
        What can still be carried out, with the command for it; see :mod:`optimizer.rollout.prepare.offers`.

    Raises
    ------
    StalePlanError
        Something that the plan relies on has changed, or a vault cannot be read.  The message lists the changes and
        the offers.
    CloudError
        No vault can be read, and the reason is neither a missing vault nor a missing right: the service cannot be
        reached, or the sign-in is missing.
    """
    lost = freshness.unreadable
    if not freshness.broken and not lost:
        return
    told = [exc for exc in lost.values() if isinstance(exc, NotFoundError | ForbiddenError)]
    if not freshness.broken and not freshness.holds and not told:
        raise next(iter(lost.values()))
    lines = [f"{plan_name}: {_HEADINGS[command] if freshness.broken else _UNREADABLE[command]}"]
    for vault_id, changes in freshness.broken.items():
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        lines.append(f"  vault {vault_id.name}: {'; '.join(changes[:_SHOWN])}{more}")
    lines += [f"  vault {vault_id.name} cannot be read: {exc}" for vault_id, exc in lost.items()]
    lines += list(offers) or [_NOTHING[command]]
    lines.append(_NEXT[command])
    raise StalePlanError("\n".join(lines))


_HEADINGS = {
    "apply": "the plan is stale: since its estate was pulled, these changes were made in Azure:",
    "rollback": "not everything can be rolled back, because these changes were made in Azure since:",
}
_UNREADABLE = {
    "apply": "the plan cannot be applied as a whole:",
    "rollback": "the plan cannot be rolled back as a whole:",
}
_NOTHING = {
    "apply": "no part of the plan can be carried out without what has changed",
    "rollback": "no part of the plan can be rolled back",
}
_NEXT = {
    "apply": "to make a new plan, run 'pull' and then 'plan'",
    "rollback": "undo those changes by hand, then run 'rollback' again; or run 'pull' and make a new plan",
}

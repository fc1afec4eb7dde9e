"""Comparison of the plan's estate with Azure: what changed in each vault, and which vaults can still be written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from optimizer.arm import policy_of
from optimizer.errors import CloudError, ForbiddenError, NotFoundError, StalePlanError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource
from optimizer.rollout.session.session import ReadSession
from optimizer.rollout.writes.listing import first_few
from optimizer.rollout.writes.states import is_made, item_state, policy_state
from optimizer.rollout.writes.write import Write, vaults_of

_SHOWN = 8
"""Maximum number of changes per vault that a message lists."""


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
        By vault id: error of a vault that cannot be read. Nothing is known about such a vault, so it is never
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

    def with_parts(self, to_do: Iterable[Write]) -> Freshness:
        """Also accept vaults that a rollback can restore in part: it skips objects that somebody else changed.

        Parameters
        ----------
        to_do
            Writes of the rollback that are still to be made.
        """
        free = {write.vault_id for write in to_do if not self.hinders(write)}
        partly = [vault_id for vault_id in self.broken if vault_id in free]
        broken = {vault_id: changes for vault_id, changes in self.broken.items() if vault_id not in free}
        return replace(self, holds=(*self.holds, *partly), broken=broken)

    def require(
        self, plan_name: str, *, command: Literal["apply", "rollback"] = "apply", offers: Iterable[str] = ()
    ) -> None:
        """Refuse a plan that relies on objects that have changed or cannot be read.

        Parameters
        ----------
        plan_name
            Name of the plan or of the journal, for the message.
        command
            Command that is refused.
        offers
            What can still be carried out, with the command for it; see :mod:`optimizer.rollout.prepare.offers`.

        Raises
        ------
        StalePlanError
            Something that the plan relies on has changed, or a vault cannot be read. The message lists the changes
            and the offers.
        CloudError
            No vault can be read, and the reason is neither a missing vault nor a missing right: the service cannot be
            reached, or the sign-in is missing.
        """
        if not self.broken and not self.unreadable:
            return
        if not self.broken and not self.holds and not any(map(_is_about_the_vault, self.unreadable.values())):
            raise next(iter(self.unreadable.values()))
        heading = (_HEADINGS if self.broken else _UNREADABLE)[command]
        lines = [f"{plan_name}: {heading}", *self._what_changed()]
        lines += list(offers) or [_NOTHING[command]]
        raise StalePlanError("\n".join([*lines, _NEXT[command]]))

    def _what_changed(self) -> Iterator[str]:
        """Lines of a message: the changes in each vault, and why a vault cannot be read."""
        for vault_id, changes in self.broken.items():
            yield f"  vault {vault_id.name}: {first_few(changes, _SHOWN, '; ')}"
        for vault_id, exc in self.unreadable.items():
            yield f"  vault {vault_id.name} cannot be read: {exc}"


def _is_about_the_vault(exc: CloudError) -> bool:
    """Whether an error is about one vault: it does not exist, or a right is missing."""
    return isinstance(exc, NotFoundError | ForbiddenError)


@dataclass
class _Compared:
    """One vault in the plan's estate and now."""

    then: _Objects
    now: _Objects
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
    session: ReadSession,
    *,
    pending: Collection[int],
    begun: Collection[int] = frozenset(),
    unreadable: Mapping[ArmId, CloudError] | None = None,
) -> Freshness:
    """Compare the vaults that a plan writes to with what the service shows now.

    Vaults without a pending write are not read, and neither are vaults from which the service asked to stay away: each
    of their objects is compared right before it is written. A vault that cannot be read does not keep the others from
    being compared.

    Parameters
    ----------
    expected
        Estate of the plan, after the writes that were already made.
    writes
        Writes of the plan.
    session
        The service, and the closed vaults.
    pending
        Numbers of the writes that are still to be made. Only the objects that these rely on can invalidate the plan.
    begun
        Numbers of the writes whose outcome is unknown. Their objects may be in either state.
    unreadable
        Errors of the vaults, by id, that are already known to be unreadable.
    """
    to_do = [write for write in writes if write.number in pending]
    unsure = frozenset(write.object_id for write in writes if write.number in begun)
    lost = dict(unreadable or {})
    vaults: dict[ArmId, _Compared] = {}
    for vault_id in vaults_of(to_do):
        if vault_id in lost or session.closure(vault_id):
            continue
        now = _read_vault(session, vault_id)
        if isinstance(now, CloudError):
            lost[vault_id] = now
        elif now is not None:
            vaults[vault_id] = _compared(expected, [w for w in to_do if w.vault_id == vault_id], now, unsure)
    return _freshness(vaults, lost)


def _freshness(vaults: Mapping[ArmId, _Compared], unreadable: Mapping[ArmId, CloudError]) -> Freshness:
    """Changes in all vaults, from those in each one."""
    return Freshness(
        broken={vault_id: vault.broken for vault_id, vault in vaults.items() if vault.broken},
        remarks={vault_id: vault.remarks for vault_id, vault in vaults.items() if vault.remarks},
        holds=tuple(vault_id for vault_id, vault in vaults.items() if not vault.broken),
        unreadable=unreadable,
        changed=frozenset().union(*(vault.changed for vault in vaults.values())),
    )


@dataclass(frozen=True, slots=True)
class _Objects:
    """Policies and items of one vault, by id."""

    policies: Mapping[ArmId, Resource]
    items: Mapping[ArmId, Resource]


def _read_vault(session: ReadSession, vault_id: ArmId) -> _Objects | CloudError | None:
    """Objects of a vault now, or why they cannot be read; None if the service asks to stay away from the vault."""
    try:
        return _Objects(
            _by_id(session.service.list_policies(vault_id), vault_id),
            _by_id(session.service.list_items(vault_id), vault_id),
        )
    except CloudError as exc:
        return None if session.heed(vault_id, exc) else exc


def _compared(expected: EstateDocument, writes: Sequence[Write], now: _Objects, unsure: frozenset[ArmId]) -> _Compared:
    """Compare one vault with the plan's estate.

    Parameters
    ----------
    writes
        Writes of the vault that are still to be made.
    now
        Objects of the vault.
    unsure
        Ids of the objects that may be in either state.
    """
    vault_id = writes[0].vault_id
    then = _Objects(_by_id(expected.policies, vault_id), _by_id(expected.protected_items, vault_id))
    in_place = _in_place(writes, {**now.policies, **now.items})
    compared = _Compared(then, now, relied_on(expected, writes), unsure | in_place)
    _compare_policies(compared)
    _compare_items(compared)
    return compared


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
    return frozenset(
        write.object_id for write in writes if write.object_id in now and is_made(write, now[write.object_id])
    )


def _compare_policies(compared: _Compared) -> None:
    for key, then in compared.then.policies.items():
        now = compared.now.policies.get(key)
        if now is None:
            compared.report(key, f"policy {_name(then)} is gone")
        elif policy_state(properties_of(then)) != policy_state(properties_of(now)):
            compared.report(key, f"policy {_name(now)} was changed{_what_changed(then, now)}")
    for key, now in compared.now.policies.items():
        if key not in compared.then.policies:
            compared.report(key, f"policy {_name(now)} is new")


def _what_changed(then: Resource, now: Resource) -> str:
    keys = sorted(
        key
        for key in {*properties_of(then), *properties_of(now)}
        if policy_state({key: properties_of(then).get(key)}) != policy_state({key: properties_of(now).get(key)})
    )
    return f": {', '.join(keys)}" if keys else ""


def _compare_items(compared: _Compared) -> None:
    for key, then in compared.then.items.items():
        now = compared.now.items.get(key)
        if now is None:
            compared.report(key, f"VM {_name(then)} is no longer protected")
        elif item_state(properties_of(then)) != item_state(properties_of(now)):
            compared.report(key, f"VM {_name(now)} {_how_it_changed(then, now)}")
    for key, now in compared.now.items.items():
        if key not in compared.then.items:
            # A VM that was added to a policy that is edited would be moved with it.
            policy_id = policy_of(properties_of(now))
            compared.report(policy_id, f"VM {_name(now)} is new in policy {policy_id.name}")


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

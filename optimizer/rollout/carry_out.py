"""One write, made exactly once: read, compare, journal, send, look, journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from optimizer.errors import AuthError, CloudError, ConflictError, ForbiddenError, RejectedError, ThrottledError
from optimizer.model.raw import properties_of
from optimizer.ports import BackupService, Clock, Resource
from optimizer.rollout.journal import DoneRecord, FailedRecord, IntentRecord, Journal, SkippedRecord
from optimizer.rollout.ledger import CountedWrite, Ledger
from optimizer.rollout.protections import advice_on_refusal
from optimizer.rollout.stages import Write
from optimizer.rollout.writes import is_as, is_made, policy_state

_LONGEST_PAUSE_SECONDS = 300.0
"""What asks to wait longer than this is left for a later run."""


class End(Enum):
    """How an attempt at a write ended."""

    DONE = auto()
    FAILED = auto()
    SKIPPED = auto()
    LATER = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt.

    Parameters
    ----------
    end
        Done, failed and skipped stand in the journal; ``LATER``: nothing was changed, it can be tried again.
    reason
        Why it was not done.
    fatal
        Whether further writes of the lane would meet the same: a right is missing, the service does not answer.
    """

    end: End
    reason: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for the service.

    Parameters
    ----------
    settle_seconds
        Pauses between looks at an object of which it is not known whether a write reached it: a quarter of this,
        this, four times this ...
    settle_looks
        Looks that must show the old state before such a write is sent again.
    tries
        Times that a write is sent at most.
    busy_seconds
        Pause while another operation or a backup job is at work on the object.
    """

    settle_seconds: float = 10.0
    settle_looks: int = 4
    tries: int = 5
    busy_seconds: float = 60.0


def _open(write: Write, current: Resource | None) -> str:
    """A gate that is always open."""
    del write, current
    return ""


@dataclass(frozen=True)
class Carrier:
    """Makes single writes.

    Parameters
    ----------
    service
        The backup service.
    clock
        Tells the time of the records.
    journal, ledger
        Where intents and ends, and policy writes, are kept.
    pace
        How long to wait.
    label
        Names the journal in the ledger.
    guard_requests
        Requests to a Resource Guard to be sent along, by ``vault_id.lower()`` and ``policy`` or ``item``.
    gate
        Why a write must wait, seeing its object as it is now; empty where it may be made.
    targets
        State that each policy must be in where an item is assigned to it, by ``policy_id.lower()``.
    """

    service: BackupService
    clock: Clock
    journal: Journal
    ledger: Ledger
    pace: Pace = Pace()
    label: str = ""
    guard_requests: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    gate: Callable[[Write, Resource | None], str] = _open
    targets: Mapping[str, bytes] = field(default_factory=dict)

    def carry_out(self, write: Write) -> Attempt:
        """Make a write, unless the object is no longer what the plan was made for."""
        try:
            current = self._read(write)
            surroundings = self._changed_around(write)
        except CloudError as exc:
            return Attempt(End.LATER, str(exc), fatal=True)
        if is_made(write, current):
            # Ours, late, where the journal has an intent; else somebody else's, and a rollback leaves it alone.
            return self._done(write, current, "found")
        if reason := _why_not(write, current) or surroundings:
            return self.skip(write, reason)
        if reason := self.gate(write, current):
            return Attempt(End.LATER, reason)
        self._intend(write, current)
        return self._send_until_known(write)

    def resolve(self, write: Write) -> Attempt:
        """Find out what became of a write whose intent stands in the journal without an end; nothing is sent."""
        try:
            current = self._settled(write)
        except CloudError as exc:
            return Attempt(End.LATER, str(exc), fatal=True)
        if is_made(write, current):
            return self._done(write, current, "found")
        if is_as(write, current, write.before):
            return self._not_taken(write, "the run ended before the service had taken the write")
        return self.skip(write, f"{write.name} was changed by somebody else while it was written")

    def confirm(self, write: Write) -> Attempt:
        """Look whether a write is in place that must be, because writes that need it are done; nothing is sent."""
        try:
            current = self._read(write)
        except CloudError as exc:
            return Attempt(End.LATER, str(exc), fatal=True)
        if is_made(write, current):
            return self._done(write, current, "found")
        what = "is gone" if current is None else "was changed by somebody else"
        return self.skip(write, f"{write.name} {what} since writes that need it were made; make the plan again")

    def skip(self, write: Write, reason: str) -> Attempt:
        """Record that a write is not made, and why."""
        self.journal.append(SkippedRecord(number=write.number, at=self.clock.now(), reason=reason))
        return Attempt(End.SKIPPED, reason)

    def _read(self, write: Write) -> Resource | None:
        if write.kind == "reassign_item":
            return self.service.get_item(write.object_id)
        return self.service.get_policy(write.object_id)

    def _changed_around(self, write: Write) -> str:
        """What else of what a write relies on is no longer as the plan knows it; empty where all is.

        Of a reassignment the policy that it leads to: its retention governs the recovery points that are there.  Of
        an edit the items of the policy: a newcomer would be moved with them.
        """
        if write.kind == "reassign_item":
            target = self.service.get_policy(write.policy_after)
            wanted = self.targets.get(write.policy_after.lower())
            if target is None or (wanted is not None and policy_state(properties_of(target)) != wanted):
                what = "is gone" if target is None else "was changed by somebody else since the plan was made"
                return f"policy {write.policy_after.rpartition('/')[2]} {what}; make the plan again"
        elif write.kind == "edit_policy":
            key = write.object_id.lower()
            items = [properties_of(item) for item in self.service.list_items(write.vault_id)]
            members = {
                str(item.get("sourceResourceId") or item.get("virtualMachineId") or "").lower()
                for item in items
                if str(item.get("policyId") or "").lower() == key
            }
            if members != {vm.lower() for vm in write.vms}:
                return f"policy {write.name} has other VMs than when the plan was made; make the plan again"
        return ""

    def _settled(self, write: Write) -> Resource | None:
        """The object once an operation that may be under way has had time to end."""
        current = self._read(write)
        for look in range(self.pace.settle_looks - 1):
            if is_made(write, current):
                break
            self.clock.sleep(self.pace.settle_seconds * 4.0 ** (look - 1))
            current = self._read(write)
        return current

    def _intend(self, write: Write, current: Resource | None) -> None:
        now = self.clock.now()
        self.journal.append(
            IntentRecord(
                number=write.number,
                at=now,
                kind=write.kind,
                vault_id=write.vault_id,
                object_id=write.object_id,
                name=write.name,
                vms=write.vms,
                before=current,
                body=None if write.kind == "delete_policy" else dict(write.body),
            )
        )
        if write.kind != "delete_policy":
            kind: Literal["policy", "item"] = "policy" if write.counts_as_policy_write else "item"
            key = f"{self.label}#{write.number}"
            self.ledger.add(CountedWrite(at=now, vault_id=write.vault_id.lower(), kind=kind, key=key))

    def _send_until_known(self, write: Write) -> Attempt:
        """Send; where the answer is lost look before sending again."""
        reason, taken = "", False
        for _ in range(self.pace.tries):
            try:
                self._send(write)
                reason, taken = "the service confirmed the write, but shows the old state", True
            except (ForbiddenError, RejectedError, AuthError) as exc:
                return self._refused(write, exc)
            except (ThrottledError, ConflictError) as exc:
                reason = str(exc)
                pause = getattr(exc, "retry_after_seconds", None) or self.pace.busy_seconds
                if pause > _LONGEST_PAUSE_SECONDS:
                    break
                self.clock.sleep(pause)
            except CloudError as exc:
                reason, taken = str(exc), True
            known = self._look(write, reason)
            if known is not None:
                return known
        if taken:
            return Attempt(End.LATER, reason, fatal=True)
        return self._not_taken(write, reason, fatal=True)

    def _look(self, write: Write, reason: str) -> Attempt | None:
        """What became of a request; None where it was not taken and may be sent again."""
        try:
            current = self._settled(write)
        except CloudError as exc:  # sent or not, nobody knows: whoever comes next looks first
            return Attempt(End.LATER, str(exc), fatal=True)
        if is_made(write, current):
            return self._done(write, current, "written")
        if not is_as(write, current, write.before):
            return self.skip(write, f"{write.name} was changed by somebody else while it was written")
        if shut := self.gate(write, current):  # time has passed: a backup may be near by now
            return self._not_taken(write, f"{reason}; and meanwhile {shut}")
        return None

    def _refused(self, write: Write, exc: CloudError) -> Attempt:
        reason = f"{exc}{advice_on_refusal(exc.code)}"
        self.journal.append(FailedRecord(number=write.number, at=self.clock.now(), error=reason, code=exc.code))
        fatal = isinstance(exc, ForbiddenError | AuthError) or exc.code == "ScopeLocked"
        return Attempt(End.FAILED, reason, fatal=fatal)

    def _send(self, write: Write) -> None:
        match write.kind:
            case "reassign_item":
                self.service.put_item(write.object_id, self._guarded(write, "item"))
            case "delete_policy":
                self.service.delete_policy(write.object_id)
            case _:
                self.service.put_policy(write.object_id, self._guarded(write, "policy"))

    def _guarded(self, write: Write, kind: str) -> dict[str, Any]:
        """The body, with the requests that a Resource Guard asks for where they were approved."""
        requests = self.guard_requests.get((write.vault_id.lower(), kind), ())
        return {**write.body, **({"resourceGuardOperationRequests": list(requests)} if requests else {})}

    def _not_taken(self, write: Write, reason: str, *, fatal: bool = False) -> Attempt:
        """Nothing was carried out: the journal says so, and the write can be made later."""
        self.journal.append(FailedRecord(number=write.number, at=self.clock.now(), error=reason))
        return Attempt(End.LATER, reason, fatal=fatal)

    def _done(self, write: Write, current: Resource | None, how: Literal["written", "found"]) -> Attempt:
        self.journal.append(DoneRecord(number=write.number, at=self.clock.now(), how=how, after=current))
        return Attempt(End.DONE)


def _why_not(write: Write, current: Resource | None) -> str:
    """Why a write must not be made in the present state of its object; empty where it may."""
    if current is None and write.before is not None:
        return f"{write.name} is no longer there; make the plan again"
    if current is not None and write.before is None:
        return f"{write.name} is there already, and differs from what is to be created; make the plan again"
    if not is_as(write, current, write.before):
        return f"{write.name} was changed by somebody else since the plan was made; make the plan again"
    if write.kind == "reassign_item":
        assert current is not None
        properties = properties_of(current)
        if not properties.get("policyId"):
            return f"{write.name} has no policy: its protection is stopped"
        if str(properties.get("protectionState") or "").lower() not in {"protected", ""}:
            return f"{write.name} is in state {properties['protectionState']}"
    return ""

"""One write, made exactly once: read, compare, check gate and budget, journal, send, look, journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Literal

from optimizer.errors import (
    AuthError,
    CloudError,
    ConflictError,
    ForbiddenError,
    NotSentError,
    OptimizerError,
    RejectedError,
    ThrottledError,
    UncertainError,
)
from optimizer.estate.policy_bodies import explain_invalid_input
from optimizer.model.raw import properties_of
from optimizer.ports import Accepted, BackupService, Clock, Look, Resource
from optimizer.rollout.closures import is_for_subscription
from optimizer.rollout.journal import (
    UNKNOWABLE,
    AcceptedRecord,
    DoneRecord,
    FailedRecord,
    IntentRecord,
    Journal,
    OpenWrite,
    SkippedRecord,
)
from optimizer.rollout.ledger import CountedWrite, Ledger
from optimizer.rollout.protections import advice_on_refusal
from optimizer.rollout.stages import Write
from optimizer.rollout.surroundings import Surroundings
from optimizer.rollout.writes import is_as, is_made

LONGEST_POLL_SECONDS = 30.0
"""The longest pause between two looks at an operation where the service does not say how long to wait."""

LONGEST_ASKED_SECONDS = 120.0
"""The longest pause between two looks at an operation, whatever the service asks for."""

UNSEEN = timedelta(hours=1)
"""After this time a request whose answer was lost counts as never received, unless something shows that it runs."""

PROMPT = timedelta(minutes=5)
"""A write that took longer counts towards Azure's limits from its end on, not from its beginning."""

LONGEST_LOOK = timedelta(minutes=3)
"""What was read longer ago than this is read again before a write: jobs may have begun since."""

Holds = Literal["", "operation", "write", "lane", "subscription", "rights"]


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
        Done, failed and skipped are in the journal.  ``LATER``: nothing was changed, or it is not known yet.
    reason
        Why it was not done.
    holds
        What has to wait: this write until its gates open (empty), this write until its ``operation`` ends, this
        ``write`` for a while, its ``lane``, every lane of its ``subscription``, or the lane for good because a right
        is missing (``rights``).
    wait_seconds
        How long the service asks to wait; None where it does not say.
    """

    end: End
    reason: str = ""
    holds: Holds = ""
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for the service.

    Parameters
    ----------
    settle_seconds
        Pauses between looks at an object that may or may not have been written: a quarter of this, this, four times
        this ...
    settle_looks
        Number of such looks.
    tries
        Number of times in a row that a write or a lane may meet trouble before this run gives it up.
    busy_seconds
        First pause after trouble for which the service states no time; it doubles with each trouble in a row.
    poll_seconds
        First pause between two looks at an accepted operation; it doubles up to 30 s.
    follow_seconds
        How long an operation is followed before it is left open, so that other writes can go on.
    lost_seconds
        Age at which a request whose answer was lost, and that shows no effect, may be sent again.
    """

    settle_seconds: float = 10.0
    settle_looks: int = 4
    tries: int = 5
    busy_seconds: float = 60.0
    poll_seconds: float = 1.0
    follow_seconds: float = 300.0
    lost_seconds: float = 300.0


def _open(write: Write, points: Mapping[str, datetime]) -> str:
    """A gate that is always open."""
    del write, points
    return ""


def _roomy(write: Write) -> str:
    """A budget that is never used up."""
    del write
    return ""


@dataclass(frozen=True)
class Carrier:
    """Makes single writes.  Safe among threads, for different objects.

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
        Why a write must wait, given the last recovery points of its VMs (by VM id in lower case) as the service states
        them; empty where it may be made.  It reads nothing, and is asked a second time right before the intent.
    busy
        Which job of its VMs a write must wait for, which is looked up; empty where there is none.
    room
        Which of Azure's limits leaves no room for a write; empty where there is room.
    surroundings
        What writes rely on beside their objects.
    unsettled
        Writes of the journal that is taken back that may still take effect, by number: until that is settled, their
        objects do not count as back.
    """

    service: BackupService
    clock: Clock
    journal: Journal
    ledger: Ledger
    pace: Pace = Pace()
    label: str = ""
    guard_requests: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    gate: Callable[[Write, Mapping[str, datetime]], str] = _open
    busy: Callable[[Write], str] = _roomy
    room: Callable[[Write], str] = _roomy
    surroundings: Surroundings = field(default_factory=Surroundings)
    unsettled: Mapping[int, OpenWrite] = field(default_factory=dict)
    booking: threading.Lock = field(default_factory=threading.Lock, compare=False)
    under_way: dict[int, str] = field(default_factory=dict, compare=False)
    """Names, by number, of the writes whose request was sent and whose outcome is not known or not recorded yet."""

    def carry_out(self, write: Write) -> Attempt:
        """Make a write, unless the object is no longer what the plan was made for; at most one request is sent."""
        began = self.clock.now()
        try:
            current = self._read(write)
            around = self.surroundings.look(self.service, write, current)
            if is_made(write, current):
                if reason := self._may_still_change(write):
                    return Attempt(End.LATER, reason, "operation")
                # Ours, late, where an answer was lost; else somebody else's, and a rollback leaves it alone.
                return self._done(write, current, "found")
            if reason := _why_not(write, current) or around.changed:
                return self.skip(write, reason)
            if around.full:
                return Attempt(End.LATER, around.full, "write")
            shut = self.gate(write, around.points) or self.busy(write)
        except CloudError as exc:
            return _unreadable(exc)
        return Attempt(End.LATER, shut) if shut else self._book_and_send(write, current, around.points, began)

    def resolve(self, write: Write) -> Attempt:
        """Find out what became of a write whose intent is in the journal without an end; nothing is sent.

        An operation that is still in progress stays open.  A request that shows no effect counts as not received only
        when enough time has passed.
        """
        accepted = self.journal.open_writes[write.number].accepted
        look: Look | None = None
        if accepted is not None and accepted.operation:
            try:
                look = self.service.look_at_operation(accepted.operation)
            except ThrottledError as exc:
                return _unreadable(exc)
            except (CloudError, ValueError):
                look = None  # only the object can tell
        reason = "the answer to the request was lost" if accepted is None else "the service accepted the write"
        return self._conclude(write, look, reason, how="found")

    def look_again(self, write: Write) -> Attempt:
        """Look whether a request that the journal gave up has taken effect after all; nothing is sent."""
        found = self._found(write)
        if isinstance(found, Attempt):
            return found
        at = self.journal.unsettled[write.number].intent.at
        reason = f"the answer to the request of {at:%Y-%m-%d %H:%M} UTC was lost, and it may still take effect"
        return Attempt(End.LATER, reason, "write")

    def confirm(self, write: Write) -> Attempt:
        """Look whether a write is in place that must be, because writes that need it are done; nothing is sent."""
        found = self._found(write)
        if isinstance(found, Attempt):
            return found
        what = "is gone" if found is None else "was changed by somebody else"
        return self.skip(write, f"{write.name} {what} since writes that need it were made; make the plan again")

    def _found(self, write: Write) -> Attempt | Resource | None:
        """Record a write that is in place; else its object as it is now, or why that cannot be read."""
        try:
            current = self._read(write)
        except CloudError as exc:
            return _unreadable(exc)
        return self._done(write, current, "found") if is_made(write, current) else current

    def skip(self, write: Write, reason: str) -> Attempt:
        """Record that a write is not made, and why."""
        self.journal.append(SkippedRecord(number=write.number, at=self.clock.now(), reason=reason))
        return Attempt(End.SKIPPED, reason)

    def _read(self, write: Write) -> Resource | None:
        if write.kind == "reassign_item":
            return self.service.get_item(write.object_id)
        return self.service.get_policy(write.object_id)

    def _may_still_change(self, write: Write) -> str:
        """Why the write that is taken back may still change an object that looks as before; empty if it cannot."""
        opened = self.unsettled.get(write.number)
        age = self.clock.now() - opened.intent.at if opened is not None else UNKNOWABLE
        if opened is None or age >= UNKNOWABLE:
            return ""
        if opened.accepted is None:
            at = f"{opened.intent.at:%Y-%m-%d %H:%M} UTC"
            if opened.locked:
                return f"the write that is taken back was sent at {at} and kept the object locked; it may still run"
            return f"the answer to the request of {at} was lost, and it may still take effect" * (age < UNSEEN)
        try:
            if self.service.look_at_operation(opened.accepted.operation).ended:
                return ""
        except (CloudError, ValueError) as exc:
            return f"Azure accepted the write that is taken back, and its end cannot be learned: {exc}"
        return "Azure is still carrying out the write that is taken back"

    def _book_and_send(
        self, write: Write, current: Resource | None, points: Mapping[str, datetime], began: datetime
    ) -> Attempt:
        """Send one request if Azure's limits leave room for it, and find out what became of it.

        Reads and booking may have taken long, because the service asked to wait.  So the gate is asked again, and what
        was read too long ago is read again.
        """
        counted, reason = self._book(write)
        if reason:
            return Attempt(End.LATER, reason)
        if too_late := self._too_late(write, points, began):
            if counted is not None:
                self.ledger.give_back(counted)
            return too_late
        self.under_way[write.number] = write.name
        try:
            try:
                self._intend(write, current)
            except BaseException:  # no intent, no request
                if counted is not None:
                    with suppress(OptimizerError):
                        self.ledger.give_back(counted)
                raise
            return self._send_once(write, counted)
        finally:
            del self.under_way[write.number]

    def _too_late(self, write: Write, points: Mapping[str, datetime], began: datetime) -> Attempt | None:
        """Why a write must not be begun after all; None where it may."""
        if (took := self.clock.now() - began) > LONGEST_LOOK:
            minutes = round(took / timedelta(minutes=1))
            reason = f"reading what it depends on took {minutes} minutes, so that has to be read again first"
            return Attempt(End.LATER, reason, "write", 1.0)
        shut = self.gate(write, points)
        return Attempt(End.LATER, shut) if shut else None

    def _book(self, write: Write) -> tuple[CountedWrite | None, str]:
        """Count a write towards Azure's limits, or report which of them leaves no room.

        The ledger is locked meanwhile: a run in another process may share the budget.
        """
        if write.kind == "delete_policy":
            return None, ""
        kind: Literal["policy", "item"] = "policy" if write.counts_as_policy_write else "item"
        with self.booking, self.ledger.alone():  # threads wait for `booking`; the file's lock polls
            if reason := self.room(write):
                return None, reason
            counted = CountedWrite(
                at=self.clock.now(), vault_id=write.vault_id.lower(), kind=kind, key=self._key(write)
            )
            self.ledger.add(counted)
        return counted, ""

    def _key(self, write: Write) -> str:
        """Name of a write in the ledger."""
        return f"{self.label}#{write.number}"

    def _intend(self, write: Write, current: Resource | None) -> None:
        self.journal.append(
            IntentRecord(
                number=write.number,
                at=self.clock.now(),
                kind=write.kind,
                vault_id=write.vault_id,
                object_id=write.object_id,
                name=write.name,
                vms=write.vms,
                before=current,
                body=None if write.kind == "delete_policy" else dict(write.body),
            )
        )

    def _send_once(self, write: Write, counted: CountedWrite | None) -> Attempt:
        """Send one request, and find out what became of it."""
        try:
            accepted = self._send(write)
        except (ThrottledError, NotSentError, ConflictError, ForbiddenError, RejectedError, AuthError) as exc:
            if counted is not None:  # turned away: Azure does not count it, so neither does the ledger
                self.ledger.give_back(counted)
            return self._turned_away(write, exc)
        except CloudError as exc:
            attempt = self._conclude(write, None, str(exc))
            asked = exc.retry_after_seconds  # also a 503 may ask to stay away, whatever became of the write
            return attempt if asked is None else replace(attempt, holds="lane", wait_seconds=asked)
        if accepted is None:
            return self._conclude(write, None, "the service confirmed the write, but shows the old state")
        self.journal.append(AcceptedRecord(number=write.number, at=self.clock.now(), operation=accepted.operation))
        return self._follow(write, accepted)

    def _follow(self, write: Write, accepted: Accepted) -> Attempt:
        """Look at an accepted operation until it ends, or has taken so long that other writes should go on."""
        look: Look | None = None
        pause, asked, waited = self.pace.poll_seconds, accepted.retry_after_seconds, 0.0
        while accepted.operation and waited < self.pace.follow_seconds:
            seconds = pause if asked is None else min(asked, LONGEST_ASKED_SECONDS)
            self.clock.sleep(min(seconds, self.pace.follow_seconds - waited))
            waited += max(seconds, 0.01)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
            try:
                look = self.service.look_at_operation(accepted.operation)
            except (ForbiddenError, AuthError):  # no look will succeed: the object has to tell
                look = None
                break
            except (CloudError, ValueError) as exc:
                look, asked = None, exc.retry_after_seconds if isinstance(exc, CloudError) else None
                continue
            asked = look.retry_after_seconds
            if look.ended:
                break
        return self._conclude(write, look, "the service accepted the write, but shows the old state")

    def _conclude(
        self, write: Write, look: Look | None, reason: str, *, how: Literal["written", "found"] = "written"
    ) -> Attempt:
        """What became of a request, by its object and the last look at its operation.

        Parameters
        ----------
        look
            The last look at its operation; None where there was none, or where it showed nothing.
        reason
            What is known so far, for people.
        how
            How the journal calls it where the object is as planned.
        """
        in_progress, old = look is not None and not look.ended, self._is_old(write, look)
        try:
            current = self._read(write) if in_progress or old else self._settled(write)
        except CloudError as exc:  # carried out or not, nobody knows: whoever comes next looks first
            return _unreadable(exc)
        if is_made(write, current):
            return self._done(write, current, how)
        accepted = self.journal.open_writes[write.number].accepted
        if look is not None and not look.ended and accepted is not None:
            text = f"Azure accepted it at {accepted.at:%Y-%m-%d %H:%M} UTC and is still carrying it out"
            return Attempt(End.LATER, text, "operation", look.retry_after_seconds)
        if not is_as(write, current, write.before):
            return self.skip(write, f"{write.name} was changed by somebody else while it was written")
        return self._without_effect(write, look.failure if look is not None else None, reason, old=old)

    def _without_effect(self, write: Write, failure: CloudError | None, reason: str, *, old: bool) -> Attempt:
        """What to do about a request that shows no effect.

        Parameters
        ----------
        failure
            How its operation failed; None where it did not, or where that is not known.
        reason
            What is known so far, for people.
        old
            Whether it was begun so long ago that it will have none.
        """
        if failure is not None and not isinstance(failure, UncertainError):
            return self._turned_away(write, failure)
        opened = self.journal.open_writes[write.number]
        since = self.clock.now() - opened.intent.at
        if failure is None and not old:
            text = f"{reason}; it is not sent again until it is clear that the first request had no effect"
            if opened.accepted is not None:
                return Attempt(End.LATER, text, "write")
            left = self.pace.lost_seconds - since.total_seconds()
            return Attempt(End.LATER, text, "operation", min(max(left, 1.0), self.pace.busy_seconds))
        if failure is None:
            minutes = max(1, round(since / timedelta(minutes=1)))
            reason += f", and after {minutes} minute{'s' * (minutes > 1)} it shows no effect"
        return self._not_carried_out(write, Attempt(End.LATER, str(failure or reason), "write"), lost=True)

    def _is_old(self, write: Write, look: Look | None) -> bool:
        """Whether a request without effect was begun so long ago that it will have none."""
        opened = self.journal.open_writes[write.number]
        unknowable = opened.accepted is not None and look is None
        patience = UNKNOWABLE if unknowable else timedelta(seconds=self.pace.lost_seconds)
        return self.clock.now() - opened.intent.at >= patience

    def _settled(self, write: Write) -> Resource | None:
        """The object once an operation that may be under way has had time to end."""
        current = self._read(write)
        for look in range(self.pace.settle_looks - 1):
            if is_made(write, current):
                break
            self.clock.sleep(self.pace.settle_seconds * 4.0 ** (look - 1))
            current = self._read(write)
        return current

    def _turned_away(self, write: Write, exc: CloudError) -> Attempt:
        """What to do about a refusal: nothing was carried out."""
        match exc:
            case ThrottledError():
                holds, wait = _throttled(exc)
                return self._not_carried_out(write, Attempt(End.LATER, str(exc), holds, wait), exc.code)
            case NotSentError():
                return self._not_carried_out(write, Attempt(End.LATER, str(exc), "lane"))
            case ConflictError():
                attempt = Attempt(End.LATER, str(exc), "write", exc.retry_after_seconds)
                return self._not_carried_out(write, attempt, exc.code, locked=True)
            case _:
                return self._refused(write, exc)

    def _refused(self, write: Write, exc: CloudError) -> Attempt:
        now = self.clock.now()
        reason = f"{exc}{advice_on_refusal(exc.code)}"
        if write.kind != "reassign_item" and "invalidpolicyinput" in exc.code.lower():
            reason += f"; {explain_invalid_input(write.body, now)}"
        self.journal.append(FailedRecord(number=write.number, at=now, error=reason, code=exc.code))
        rights = isinstance(exc, ForbiddenError | AuthError) or exc.code == "ScopeLocked"
        return Attempt(End.FAILED, reason, "rights" if rights else "")

    def _send(self, write: Write) -> Accepted | None:
        match write.kind:
            case "reassign_item":
                return self.service.put_item(write.object_id, self._guarded(write, "item"))
            case "delete_policy":
                return self.service.delete_policy(write.object_id)
            case _:
                return self.service.put_policy(write.object_id, self._guarded(write, "policy"))

    def _guarded(self, write: Write, kind: str) -> dict[str, Any]:
        """The body, with the requests that a Resource Guard asks for where they were approved."""
        requests = self.guard_requests.get((write.vault_id.lower(), kind), ())
        return {**write.body, **({"resourceGuardOperationRequests": list(requests)} if requests else {})}

    def _not_carried_out(
        self, write: Write, attempt: Attempt, code: str = "", *, lost: bool = False, locked: bool = False
    ) -> Attempt:
        """Record that nothing was carried out, or nothing that can be seen (``lost``): the write can be made later."""
        at = self.clock.now()
        if lost:
            opened = self.journal.open_writes[write.number]
            self.ledger.postpone(self._key(write), opened.intent.at + UNSEEN)
        self.journal.append(
            FailedRecord(number=write.number, at=at, error=attempt.reason, code=code, lost=lost, locked=locked)
        )
        return attempt

    def _done(self, write: Write, current: Resource | None, how: Literal["written", "found"]) -> Attempt:
        """Record a write that is in place; if it took long, it counts as made as late as it can have been."""
        now, opened = self.clock.now(), self.journal.open_writes.get(write.number)
        if opened is not None and now - opened.intent.at > PROMPT:
            latest = now if opened.accepted is not None else min(now, opened.intent.at + UNSEEN)
            self.ledger.postpone(self._key(write), latest)
        self.journal.append(DoneRecord(number=write.number, at=now, how=how, after=current))
        return Attempt(End.DONE)


def _unreadable(exc: CloudError) -> Attempt:
    """An object that cannot be read: the others of its lane would meet the same."""
    if isinstance(exc, ThrottledError):
        holds, wait = _throttled(exc)
        return Attempt(End.LATER, str(exc), holds, wait)
    if isinstance(exc, ForbiddenError | AuthError):
        return Attempt(End.LATER, str(exc), "rights")
    return Attempt(End.LATER, str(exc), "lane", exc.retry_after_seconds)


def _throttled(exc: ThrottledError) -> tuple[Holds, float | None]:
    """Who has to wait, and how long."""
    return "subscription" if is_for_subscription(exc) else "lane", exc.retry_after_seconds


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
        state = properties.get("protectionState", "Protected")  # answers of older versions of the API lack it
        if str(state).lower() != "protected":
            return f"{write.name} is in state {'null' if state is None else state}"
    return ""

"""Carries out one write exactly once: read, compare, check window and budget, journal, send, look, journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from optimizer.arm import explain_invalid_input
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
from optimizer.journal import (
    UNKNOWABLE,
    AcceptedRecord,
    DoneRecord,
    FailedRecord,
    IntentRecord,
    Journal,
    OpenWrite,
    SkippedRecord,
)
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import properties_of, word
from optimizer.ports import Accepted, Look, Resource
from optimizer.rollout.carry_out.outcome import Attempt, End, Holds
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.surroundings import Surroundings
from optimizer.rollout.prepare.protections import advice_on_refusal
from optimizer.rollout.session.ledger import CountedWrite
from optimizer.rollout.session.session import WriteSession, is_for_subscription
from optimizer.rollout.writes.states import is_as, is_made
from optimizer.rollout.writes.write import Write

LONGEST_ASKED_SECONDS = 120.0
"""Longest pause between two looks at an operation, whatever the service asks for."""

UNSEEN = timedelta(hours=1)
"""A request whose answer was lost counts as never received after this time, unless there is a sign that it runs."""

PROMPT = timedelta(minutes=5)
"""A write that took longer than this counts toward Azure's limits from its end, not from its beginning."""

LONGEST_LOOK = timedelta(minutes=3)
"""What was read longer ago than this is read again before a write, because jobs may have begun since."""


def _nothing(*_: object) -> str:
    """No reason to wait."""
    return ""


@dataclass(frozen=True)
class Carrier:
    """Maker of single writes. Threads can share it as long as they write different objects.

    Parameters
    ----------
    session
        The service, the clock for the times of the records, and the ledger of the writes that count toward Azure's
        limits.
    journal
        Journal of intents and ends.
    pace
        Waiting times.
    label
        Name of the journal in the ledger.
    guard_requests
        Requests to a Resource Guard that are sent along, by vault id and ``policy`` or ``item``.
    window
        Returns why a write must wait, given the last recovery points of its VMs, by VM id, as the service states them;
        empty if it may be made. It reads nothing, and is called again right before the intent
        is written.
    busy
        Looks up a job of the write's VMs that the write must wait for; empty without such a job.
    room
        Returns the limit of Azure that leaves no room for a write; empty if there is room.
    surroundings
        What writes rely on besides their own objects.
    unsettled
        For a rollback, the writes of the original journal that may still take effect, by number. Until such a write
        is settled, its object does not count as restored.
    """

    session: WriteSession
    journal: Journal
    pace: Pace = field(default_factory=Pace)
    label: str = ""
    guard_requests: Mapping[tuple[ArmId, str], tuple[str, ...]] = field(default_factory=dict)
    window: Callable[[Write, Mapping[ArmId, datetime]], str] = _nothing
    busy: Callable[[Write], str] = _nothing
    room: Callable[[Write], str] = _nothing
    surroundings: Surroundings = field(default_factory=Surroundings)
    unsettled: Mapping[int, OpenWrite] = field(default_factory=dict)
    booking: threading.Lock = field(default_factory=threading.Lock, compare=False)
    under_way: dict[int, str] = field(default_factory=dict, compare=False)
    """Names, by number, of the writes that were sent and whose outcome is not yet known or recorded."""

    def carry_out(self, write: Write) -> Attempt:
        """Make a write, unless its object has changed since the plan was made; sends at most one request."""
        began = self.session.clock.now()
        try:
            current = self.session.read(write)
            around = self.surroundings.look(self.session.service, write, current)
            if is_made(write, current):
                if reason := self._may_still_change(write):
                    return Attempt(End.LATER, reason, "operation")
                # Made by this journal if an answer was lost, else by somebody else; a rollback leaves the latter
                # alone.
                return self._done(write, current, "found")
            if reason := _why_not(write, current) or around.changed:
                return self.skip(write, reason)
            if around.full:
                return Attempt(End.LATER, around.full, "write")
            shut = self.window(write, around.points) or self.busy(write)
        except CloudError as exc:
            return _unreadable(exc)
        return Attempt(End.LATER, shut) if shut else self._book_and_send(write, current, around.points, began)

    def resolve(self, write: Write) -> Attempt:
        """Find out the outcome of a write whose intent is in the journal without an end; sends nothing.

        The write stays open while its operation is in progress. A request that shows no effect counts as not received
        only after enough time has passed.
        """
        accepted = self.journal.open_writes[write.number].accepted
        look: Look | None = None
        if accepted is not None and accepted.operation:
            try:
                look = self.session.service.look_at_operation(accepted.operation)
            except ThrottledError as exc:
                return _unreadable(exc)
            except (CloudError, ValueError):
                look = None  # only the object can show the outcome
        reason = "the answer to the request was lost" if accepted is None else "the service accepted the write"
        return self._conclude(write, look, reason, how="found")

    def look_again(self, write: Write) -> Attempt:
        """Check whether a request that the journal gave up on has taken effect after all; sends nothing."""
        current = self._recorded_if_made(write)
        if isinstance(current, Attempt):
            return current
        at = self.journal.unsettled[write.number].intent.at
        reason = f"the answer to the request of {at:%Y-%m-%d %H:%M} UTC was lost, and it may still take effect"
        return Attempt(End.LATER, reason, "write")

    def confirm(self, write: Write) -> Attempt:
        """Check whether a write is in place, as it must be because writes that need it are done; sends nothing."""
        current = self._recorded_if_made(write)
        if isinstance(current, Attempt):
            return current
        what = "is gone" if current is None else "was changed by somebody else"
        return self.skip(write, f"{write.name} {what} since writes that need it were made; make the plan again")

    def _recorded_if_made(self, write: Write) -> Attempt | Resource | None:
        """Record a write that is in place; otherwise return its object as it is now, or why it cannot be read."""
        try:
            current = self.session.read(write)
        except CloudError as exc:
            return _unreadable(exc)
        return self._done(write, current, "found") if is_made(write, current) else current

    def skip(self, write: Write, reason: str) -> Attempt:
        """Record in the journal that a write is not made, and why."""
        self.journal.append(SkippedRecord(number=write.number, at=self.session.clock.now(), reason=reason))
        return Attempt(End.SKIPPED, reason)

    def _may_still_change(self, write: Write) -> str:
        """Reason why the original write may still change an object that looks restored; empty if it cannot."""
        opened = self.unsettled.get(write.number)
        age = self.session.clock.now() - opened.intent.at if opened is not None else UNKNOWABLE
        if opened is None or age >= UNKNOWABLE:
            return ""
        if opened.accepted is None:
            at = f"{opened.intent.at:%Y-%m-%d %H:%M} UTC"
            if opened.locked:
                return f"the write that is rolled back was sent at {at} and kept the object locked; it may still run"
            return f"the answer to the request of {at} was lost, and it may still take effect" if age < UNSEEN else ""
        try:
            if self.session.service.look_at_operation(opened.accepted.operation).ended:
                return ""
        except (CloudError, ValueError) as exc:
            return f"Azure accepted the write that is rolled back, and its end cannot be learned: {exc}"
        return "Azure is still carrying out the write that is rolled back"

    def _book_and_send(
        self, write: Write, current: Resource | None, points: Mapping[ArmId, datetime], began: datetime
    ) -> Attempt:
        """Send one request if Azure's limits leave room for it, and find out its outcome.

        Reading and booking may have taken long if the service asked to wait. So the window is checked again, and data
        that was read too long ago must be read again first.
        """
        counted, reason = self._book(write)
        if reason:
            return Attempt(End.LATER, reason)
        if too_late := self._too_late(write, points, began):
            if counted is not None:
                self.session.ledger.give_back(counted)
            return too_late
        self.under_way[write.number] = write.name
        try:
            try:
                self._intend(write, current)
            except BaseException:  # without an intent in the journal, no request may be sent
                if counted is not None:
                    with suppress(OptimizerError):
                        self.session.ledger.give_back(counted)
                raise
            return self._send_once(write, counted)
        finally:
            del self.under_way[write.number]

    def _too_late(self, write: Write, points: Mapping[ArmId, datetime], began: datetime) -> Attempt | None:
        """Reason why a write must not be begun after all; None if it may be."""
        if (took := self.session.clock.now() - began) > LONGEST_LOOK:
            minutes = round(took / timedelta(minutes=1))
            reason = f"reading what it depends on took {minutes} minutes, so that has to be read again first"
            return Attempt(End.LATER, reason, "write", 1.0)
        shut = self.window(write, points)
        return Attempt(End.LATER, shut) if shut else None

    def _book(self, write: Write) -> tuple[CountedWrite | None, str]:
        """Count a write toward Azure's limits, or report the limit that leaves no room.

        The ledger is locked meanwhile, because a run in another process may share the budget.
        """
        if write.kind == "delete_policy":
            return None, ""
        kind: Literal["policy", "item"] = "policy" if write.counts_as_policy_write else "item"
        with self.booking, self.session.ledger.alone():  # threads queue at `booking`, because the file's lock polls
            if reason := self.room(write):
                return None, reason
            counted = CountedWrite(
                at=self.session.clock.now(), vault_id=ArmId(write.vault_id.key), kind=kind, key=self._key(write)
            )
            self.session.ledger.add(counted)
        return counted, ""

    def _key(self, write: Write) -> str:
        """Name of a write in the ledger."""
        return f"{self.label}#{write.number}"

    def _intend(self, write: Write, current: Resource | None) -> None:
        self.journal.append(
            IntentRecord(
                number=write.number,
                at=self.session.clock.now(),
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
        """Send one request, and find out its outcome."""
        try:
            accepted = self._send(write)
        except (ThrottledError, NotSentError, ConflictError, ForbiddenError, RejectedError, AuthError) as exc:
            if counted is not None:  # Azure does not count a request that it turns away, so the ledger does not either
                self.session.ledger.give_back(counted)
            return self._turned_away(write, exc)
        except CloudError as exc:
            attempt = self._conclude(write, None, str(exc))
            asked = exc.retry_after_seconds  # a 503 may also ask to stay away, whatever the outcome of the write
            return attempt if asked is None else replace(attempt, holds="lane", wait_seconds=asked)
        if accepted is None:
            return self._conclude(write, None, "the service confirmed the write, but shows the old state")
        self.journal.append(
            AcceptedRecord(number=write.number, at=self.session.clock.now(), operation=accepted.operation)
        )
        return self._follow(write, accepted)

    def _follow(self, write: Write, accepted: Accepted) -> Attempt:
        """Look at an accepted operation until it ends or has taken so long that other writes should go on."""
        look: Look | None = None
        pause, asked, waited = self.pace.poll_seconds, accepted.retry_after_seconds, 0.0
        while accepted.operation and waited < self.pace.follow_seconds:
            seconds = pause if asked is None else min(asked, LONGEST_ASKED_SECONDS)
            self.session.clock.sleep(min(seconds, self.pace.follow_seconds - waited))
            # Never zero: a service that asks for no pause would keep this loop going for ever.
            waited += max(seconds, 0.01)
            pause = self.pace.next_poll(pause)
            try:
                look = self.session.service.look_at_operation(accepted.operation)
            except (ForbiddenError, AuthError):  # no look will succeed, so only the object can show the outcome
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
        """Determine the outcome of a request from its object and the last look at its operation.

        Parameters
        ----------
        look
            The last look at the operation; None if there was none, or if it showed nothing.
        reason
            What is known so far, in words for people.
        how
            Word that the journal uses if the object is as planned.
        """
        in_progress, old = look is not None and not look.ended, self._is_old(write, look)
        # A running operation will be looked at again, and a request that is too old has no effect: one look is enough.
        try:
            current = self.session.read(write) if in_progress or old else self._settled(write)
        except CloudError as exc:  # the outcome is unknown: whoever continues looks first
            return _unreadable(exc)
        if is_made(write, current):
            return self._done(write, current, how)
        if look is not None and in_progress:
            return self._still_running(write, look)
        if not is_as(write, current, write.before):
            return self.skip(write, f"{write.name} was changed by somebody else while it was written")
        return self._without_effect(write, None if look is None else look.failure, reason, old=old)

    def _still_running(self, write: Write, look: Look) -> Attempt:
        """Leave a write open whose operation is in progress."""
        accepted = self.journal.open_writes[write.number].accepted
        assert accepted is not None  # only an accepted write has an operation to look at
        text = f"Azure accepted it at {accepted.at:%Y-%m-%d %H:%M} UTC and is still carrying it out"
        return Attempt(End.LATER, text, "operation", look.retry_after_seconds)

    def _without_effect(self, write: Write, failure: CloudError | None, reason: str, *, old: bool) -> Attempt:
        """Decide what to do about a request that shows no effect.

        Parameters
        ----------
        failure
            Error with which its operation failed; None if it did not fail, or if that is not known.
        reason
            What is known so far, in words for people.
        old
            Whether the request is so old that it can have no effect any more.
        """
        if failure is not None and not isinstance(failure, UncertainError):
            return self._turned_away(write, failure)
        opened = self.journal.open_writes[write.number]
        since = self.session.clock.now() - opened.intent.at
        if failure is None and not old:
            text = f"{reason}; it is not sent again until it is clear that the first request had no effect"
            if opened.accepted is not None:
                return Attempt(End.LATER, text, "write")
            # "operation": these looks do not count as tries (Lane.write_met_trouble), so the write is not given up.
            left = self.pace.lost_seconds - since.total_seconds()
            return Attempt(End.LATER, text, "operation", min(max(left, 1.0), self.pace.busy_seconds))
        if failure is None:
            minutes = max(1, round(since / timedelta(minutes=1)))
            reason += f", and after {minutes} {'minute' if minutes == 1 else 'minutes'} it shows no effect"
        return self._not_carried_out(write, Attempt(End.LATER, str(failure or reason), "write"), lost=True)

    def _is_old(self, write: Write, look: Look | None) -> bool:
        """Whether a request that shows no effect is so old that it can have none any more."""
        opened = self.journal.open_writes[write.number]
        unknowable = opened.accepted is not None and look is None
        patience = UNKNOWABLE if unknowable else timedelta(seconds=self.pace.lost_seconds)
        return self.session.clock.now() - opened.intent.at >= patience

    def _settled(self, write: Write) -> Resource | None:
        """The object, after an operation that may be in progress has had time to end."""
        current = self.session.read(write)
        for look in range(self.pace.settle_looks - 1):
            if is_made(write, current):
                break
            self.session.clock.sleep(self.pace.before_look(look))
            current = self.session.read(write)
        return current

    def _turned_away(self, write: Write, exc: CloudError) -> Attempt:
        """Decide what to do about a request that the service refused before carrying anything out."""
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
        now = self.session.clock.now()
        reason = f"{exc}{advice_on_refusal(exc.code)}"
        if write.kind != "reassign_item" and "invalidpolicyinput" in Caseless(exc.code).key:
            reason += f"; {explain_invalid_input(write.body, now)}"
        self.journal.append(FailedRecord(number=write.number, at=now, error=reason, code=exc.code))
        rights = isinstance(exc, ForbiddenError | AuthError) or exc.code == "ScopeLocked"
        return Attempt(End.FAILED, reason, "rights" if rights else "")

    def _send(self, write: Write) -> Accepted | None:
        match write.kind:
            case "reassign_item":
                return self.session.service.put_item(write.object_id, self._guarded(write, "item"))
            case "delete_policy":
                return self.session.service.delete_policy(write.object_id)
            case _:
                return self.session.service.put_policy(write.object_id, self._guarded(write, "policy"))

    def _guarded(self, write: Write, kind: str) -> dict[str, Any]:
        """Body of the request, with the approved requests that a Resource Guard asks for."""
        requests = self.guard_requests.get((write.vault_id, kind), ())
        return {**write.body, **({"resourceGuardOperationRequests": list(requests)} if requests else {})}

    def _not_carried_out(
        self, write: Write, attempt: Attempt, code: str = "", *, lost: bool = False, locked: bool = False
    ) -> Attempt:
        """Record that nothing was carried out, or that no effect shows (``lost``); the write can be made later."""
        at = self.session.clock.now()
        if lost:
            opened = self.journal.open_writes[write.number]
            # It may still take effect, so it counts toward the limits as if it did so as late as possible.
            self.session.ledger.postpone(self._key(write), opened.intent.at + UNSEEN)
        self.journal.append(
            FailedRecord(number=write.number, at=at, error=attempt.reason, code=code, lost=lost, locked=locked)
        )
        return attempt

    def _done(self, write: Write, current: Resource | None, how: Literal["written", "found"]) -> Attempt:
        """Record a write that is in place; one that took long counts as made at the latest time that is possible."""
        now, opened = self.session.clock.now(), self.journal.open_writes.get(write.number)
        if opened is not None and now - opened.intent.at > PROMPT:
            latest = now if opened.accepted is not None else min(now, opened.intent.at + UNSEEN)
            self.session.ledger.postpone(self._key(write), latest)
        self.journal.append(DoneRecord(number=write.number, at=now, how=how, after=current))
        return Attempt(End.DONE)


def _unreadable(exc: CloudError) -> Attempt:
    """Result if an object cannot be read: the lane rests, since its other objects would meet the same problem."""
    if isinstance(exc, ThrottledError):
        holds, wait = _throttled(exc)
        return Attempt(End.LATER, str(exc), holds, wait)
    if isinstance(exc, ForbiddenError | AuthError):
        return Attempt(End.LATER, str(exc), "rights")
    return Attempt(End.LATER, str(exc), "lane", exc.retry_after_seconds)


def _throttled(exc: ThrottledError) -> tuple[Holds, float | None]:
    """The lane or subscription that has to wait, and for how many seconds."""
    return "subscription" if is_for_subscription(exc) else "lane", exc.retry_after_seconds


def _why_not(write: Write, current: Resource | None) -> str:
    """Reason why a write must not be made in the present state of its object; empty if it may be."""
    if current is None and write.before is not None:
        return f"{write.name} is no longer there; make the plan again"
    if current is not None and write.before is None:
        return f"{write.name} is there already, and differs from what is to be created; make the plan again"
    if not is_as(write, current, write.before):
        return f"{write.name} was changed by somebody else since the plan was made; make the plan again"
    return _why_unprotected(write, current) if write.kind == "reassign_item" else ""


def _why_unprotected(write: Write, current: Resource | None) -> str:
    """Reason why the protection of an item is not as it must be for a reassignment; empty if it is."""
    assert current is not None  # a reassignment has an object before it
    properties = properties_of(current)
    if not properties.get("policyId"):
        return f"{write.name} has no policy: its protection is stopped"
    state = properties.get("protectionState", "Protected")  # older API versions leave the field out
    if word(state) == "Protected":
        return ""
    return f"{write.name} is in state {'null' if state is None else state}"

"""How a writer behaves: it looks before every request, waits as it is told, and leaves alone what others changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from tests.benchmarks.write_judge.bodies import is_twin_move
from tests.benchmarks.write_judge.facts import State, is_item, is_stopped, name_of, policy_of, state_of, vault_of
from tests.benchmarks.write_judge.record import OTHERS, Change, Exchange, Rule

Fault = tuple[Rule, str]

FRESH = timedelta(seconds=120)
"""A reading that is older than this is no look before the request."""

_STATED = re.compile(r"(?:after|in)\s+(\d+)\s+(second|minute|hour|day)", re.IGNORECASE)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FEW_HOURS = timedelta(hours=1)
"""The least that "a few hours" can mean."""


def asked_wait(exchange: Exchange) -> timedelta:
    """For how long an answer asks to stay away; nothing where it does not."""
    if exchange.status not in {409, 429, 503}:
        return timedelta()
    header = exchange.headers.get("retry-after")
    if header is None:
        return _wait_in_text(exchange)
    if header.replace(".", "", 1).isdigit():
        return timedelta(seconds=float(header))
    return parsedate_to_datetime(header) - exchange.at


def _wait_in_text(exchange: Exchange) -> timedelta:
    error = (exchange.answer or {}).get("error") or {}
    text = str(error.get("message") or "")
    if found := _STATED.search(text):
        return timedelta(seconds=int(found[1]) * _UNITS[found[2].lower()])
    if "permitted in 24 hours" in text:
        return timedelta(hours=24)
    if "few hours" in text or error.get("code") == "CloudDosTimeboudLimitReached":
        return _FEW_HOURS
    return timedelta()


@dataclass
class Manners:
    """Follows what each machine has seen and was told.

    Parameters
    ----------
    state
        The state, kept up to date by the judge.
    """

    state: State
    _seen: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)
    _sent: dict[tuple[str, str], int] = field(default_factory=dict)
    _closed: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)
    _accepted: dict[str, Exchange] = field(default_factory=dict)
    _foreign: dict[str, int] = field(default_factory=dict)
    _ours: dict[str, str] = field(default_factory=dict)
    _changed: dict[str, int] = field(default_factory=dict)

    def could_see(self, machine: str, key: str) -> bool:
        """Whether a machine looked at an object after its last change."""
        return self._seen.get((machine, key), (-1, None))[0] > self._changed.get(key, -2)

    def surprised(self, exchange: Exchange) -> bool:
        """Whether somebody else changed the object of a request after its sender last looked at it."""
        looked = self._seen.get((exchange.machine, exchange.key), (-1, None))[0]
        return self._foreign.get(exchange.key, -1) > looked

    def read(self, index: int, exchange: Exchange) -> None:
        """Remember a reading."""
        answer = exchange.answer if isinstance(exchange.answer, dict) else {}
        if exchange.status in {200, 404}:
            self._seen[exchange.machine, exchange.key] = (index, exchange.at)
        if answer.get("status") in {"Failed", "Canceled"}:
            for key in [key for key in self._accepted if exchange.key.startswith(key + "/operation")]:
                del self._accepted[key]

    def changed(self, index: int, change: Change) -> None:
        """Remember a change, before it is put into the state."""
        key = change.key
        self._changed[key] = index
        self._ours.setdefault(key, state_of(self.state.get(key)))
        if change.who == OTHERS:
            self._foreign[key] = index
        else:
            self._ours[key] = state_of(change.after)
            self._accepted.pop(key, None)

    def faults(self, index: int, exchange: Exchange) -> Iterator[Fault]:
        """What is wrong with sending a request now; it is remembered."""
        machine, key, name = exchange.machine, exchange.key, name_of(exchange.key)
        seen, seen_at = self._seen.get((machine, key), (-1, None))
        if seen <= self._sent.get((machine, key), -1):
            yield "look", f"{name}: sent without a look at it before"
        elif seen_at is not None and exchange.at - seen_at > FRESH:
            yield "look", f"{name}: sent {(exchange.at - seen_at).total_seconds():.0f} s after the last look at it"
        yield from self._others(exchange, seen)
        if key in self._accepted and self._accepted[key].machine == machine:
            yield "in progress", f"{name}: sent again while the operation that the service took is in progress"
        vault = vault_of(key)
        until, why = self._closed.get((machine, vault), (exchange.at, ""))
        if exchange.at < until - timedelta(seconds=1):
            yield "retry-after", f"{name}: sent {until - exchange.at} too early; {why}"
        self._remember(index, exchange, vault)

    def _remember(self, index: int, exchange: Exchange, vault: str) -> None:
        self._sent[exchange.machine, exchange.key] = index
        if exchange.status == 202:
            self._accepted[exchange.key] = exchange
        if wait := asked_wait(exchange):
            told = f"{exchange.status} of {exchange.at:%m-%d %H:%M:%S} asks to wait for {wait}"
            until = max(exchange.at + wait, self._closed.get((exchange.machine, vault), (exchange.at, ""))[0])
            self._closed[exchange.machine, vault] = (until, told)

    def _others(self, exchange: Exchange, seen: int) -> Iterator[Fault]:
        """Whether a request goes over what others did, although it could be seen."""
        key, name = exchange.key, name_of(exchange.key)
        present = self.state.get(key)
        if self._is_foreign(key) and self._foreign[key] < seen:
            kind: Rule = "stopped" if is_item(key) and is_stopped(present) else "others"
            yield kind, f"{name}: somebody else changed it, and that could be seen"
        elif is_item(key) and is_stopped(present) and self._foreign.get(key, -1) < seen:
            yield "stopped", f"{name}: its protection is stopped"
        if not is_item(key) or exchange.method != "PUT" or is_twin_move(exchange, self.state):
            return
        if self.surprised(exchange):
            return  # it went to another policy after the look
        for policy in (policy_of(exchange.body), policy_of(present)):
            looked = self._seen.get((exchange.machine, policy), (-1, None))[0]
            if policy and self._foreign.get(policy, -1) > looked:
                return  # it was changed after the look: nobody could know
        yield "twin", f"{name}: goes to {name_of(policy_of(exchange.body))}, which is not a twin of its policy"

    def _is_foreign(self, key: str) -> bool:
        """Whether an object is as somebody else left it."""
        return key in self._foreign and state_of(self.state.get(key)) != self._ours[key]

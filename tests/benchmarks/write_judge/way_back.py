"""How it ends: nothing is lost, every write stands in the journal, and there is a way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.write_judge.facts import State, is_item, name_of, policy_of, state_of
from tests.benchmarks.write_judge.record import OTHERS, Log, Rule

Fault = tuple[Rule, str]

_ENDS = ("done", "skipped", "failed", "pending", "blocked")


def foreign_keys(log: Log) -> set[str]:
    """Objects that other people changed."""
    return {change.key for change in log.changes if change.who == OTHERS}


def change_key(change: Mapping[str, Any]) -> str:
    """Object of a change of a plan, in lower case."""
    return str(change.get("item_id") or change["policy_id"]).lower()


def is_in_place(change: Mapping[str, Any], state: State) -> bool:
    """Whether an object is as a change of a plan leaves it."""
    found = state.get(change_key(change))
    if found is None:
        return False
    if change["kind"] == "reassign_item":
        return policy_of(found) == str(change["policy_id"]).lower()
    return state_of(found) == state_of({"id": found["id"], "properties": change["properties"]})


def lost(
    changes: Sequence[Mapping[str, Any]], outcome: Mapping[str, Any], state: State, foreign: Iterable[str]
) -> Iterator[Fault]:
    """Writes of a plan that nobody knows of any more, or that were given up without anybody's doing.

    Parameters
    ----------
    changes
        Of the plan; the first has number 1.
    outcome
        What the last run says: the numbers that are ``done``, ``skipped``, ``failed``, ``pending``, and ``blocked``.
    state
        What is there now.
    foreign
        Objects that other people changed.
    """
    touched = set(foreign)
    ends = {name: {int(n) for n in outcome.get(name) or ()} for name in _ENDS}
    told = set().union(*ends.values())
    for number, change in enumerate(changes, start=1):
        key = change_key(change)
        around = {key, str(change.get("policy_id") or "").lower(), str(change.get("policy_today_id") or "").lower()}
        name = f"write {number} ({change['kind']} {name_of(key)})"
        if number not in told:
            yield "lost", f"{name}: the outcome does not speak of it"
        elif number in ends["done"] and key not in touched and not is_in_place(change, state):
            yield "lost", f"{name}: said to be done, and is not in place"
        elif number in ends["skipped"] and not around & touched:
            yield "lost", f"{name}: skipped, though nobody else touched it"


def journal_faults(log: Log, journals: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> Iterator[Fault]:
    """Changes that are not in the journal of the machine that made them.

    Parameters
    ----------
    log
        The log.
    journals
        Records by machine and phase.
    """
    made: Counter[tuple[str, str]] = Counter(
        (change.who, change.key) for change in log.changes if change.who != OTHERS
    )
    intended: Counter[tuple[str, str]] = Counter(
        (machine, str(record["object_id"]).lower())
        for (machine, _), records in journals.items()
        for record in records
        if record.get("record") == "intent"
    )
    for (machine, key), count in sorted(made.items()):
        if intended[machine, key] < count:
            yield "journal", f"{name_of(key)}: {count} writes by {machine}, {intended[machine, key]} intents"


def not_back(log: Log, end: State, said: str) -> Iterator[Fault]:
    """What the way back left, without anybody else's doing or without a word.

    Parameters
    ----------
    log
        The log.
    end
        What is there after the way back.
    said
        Everything that the rollback said: messages, reasons, what it left alone.
    """
    first, foreign, told = State.of(log.policies, log.items), foreign_keys(log), said.lower()
    left_by_others = _left_by_others(log)
    for key in sorted({*first.policies, *first.items}):
        was, now = state_of(first.get(key)), state_of(end.get(key))
        if key in left_by_others:
            if now not in {left_by_others[key], was}:
                yield "way back", f"{name_of(key)}: was changed by others, and is not as they left it"
            elif now != was and name_of(key).lower() not in told and _was_ours(log, key):
                yield "way back", f"{name_of(key)}: left as others changed it, without a word"
        elif now != was and not (policy_of(end.get(key)) in foreign and name_of(key).lower() in told):
            yield "way back", f"{name_of(key)}: is not as it was, and nobody else touched it"
    for key in sorted(end.policies.keys() - first.policies.keys() - foreign):
        if members := end.members(key):
            named = all(name_of(str(item["id"])).lower() in told for item in members)
            others = all(str(item["id"]).lower() in foreign for item in members)
            if not (named or others):
                yield "way back", f"{name_of(key)}: a policy of the plan that still holds {len(members)} VMs"


def _was_ours(log: Log, key: str) -> bool:
    return any(change.who != OTHERS and change.key == key for change in log.changes)


def _left_by_others(log: Log) -> dict[str, str]:
    """State in which other people left an object, where theirs was the last change but for ours over it."""
    found: dict[str, str] = {}
    for change in log.changes:
        if change.who == OTHERS:
            found[change.key] = state_of(change.after)
    return found


def wire_matches(
    state: State, policies: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]
) -> Iterator[Fault]:
    """Whether the judge has seen every change: its own state must be that of the service."""
    end = State.of([dict(one) for one in policies], [dict(one) for one in items])
    for key in sorted({*state.policies, *state.items, *end.policies, *end.items}):
        if state_of(state.get(key)) != state_of(end.get(key)):
            kind = "item" if is_item(key) else "policy"
            yield "log", f"{kind} {name_of(key)} is not as the log says"

"""How it ends: nothing is lost, every write stands in the journal, and there is a way back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.write_judge.facts import State, is_item, name_of, policy_of, state_of, vault_of
from tests.benchmarks.write_judge.record import OTHERS, Log, Rule

Fault = tuple[Rule, str]

_ENDS = ("done", "skipped", "failed", "pending", "blocked")


def foreign_keys(log: Log) -> set[str]:
    """Objects that other people changed."""
    return {change.key for change in log.changes if change.who == OTHERS}


def change_key(change: Mapping[str, Any]) -> str:
    """Object of a change of a plan, in lower case."""
    return str(change.get("item_id") or change["policy_id"]).lower()


def left_alone(changes: Sequence[Mapping[str, Any]], outcome: Mapping[str, Any]) -> str:
    """Names of the objects of the writes that an outcome lists, by number and with a reason, as not made."""
    numbers = {int(n) for name in _ENDS if name != "done" for n in outcome.get(name) or ()}
    return " ".join(name_of(change_key(changes[number - 1])) for number in sorted(numbers))


def is_in_place(change: Mapping[str, Any], state: State) -> bool:
    """Whether an object is as a change of a plan leaves it."""
    found = state.get(change_key(change))
    if found is None:
        return False
    if change["kind"] == "reassign_item":
        return policy_of(found) == str(change["policy_id"]).lower()
    return state_of(found) == state_of({"id": found["id"], "properties": change["properties"]})


def lost(
    changes: Sequence[Mapping[str, Any]],
    outcome: Mapping[str, Any],
    state: State,
    foreign: Iterable[str],
    *,
    in_part: bool = False,
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
    in_part
        Whether the last run was about a part of the plan: it does not speak of the rest.
    """
    touched = set(foreign)
    touched |= {policy_of(state.get(key)) for key in touched if is_item(key)}
    ends = {name: {int(n) for n in outcome.get(name) or ()} for name in _ENDS}
    told = set().union(*ends.values())
    for number, change in enumerate(changes, start=1):
        key = change_key(change)
        around = {key, str(change.get("policy_id") or "").lower(), str(change.get("policy_today_id") or "").lower()}
        name = f"write {number} ({change['kind']} {name_of(key)})"
        if number not in told:
            if not in_part:
                yield "lost", f"{name}: the outcome does not speak of it"
        elif number in ends["done"] and key not in touched and not is_in_place(change, state):
            yield "lost", f"{name}: said to be done, and is not in place"
        elif number in ends["skipped"] and not around & touched:
            yield "lost", f"{name}: skipped, though nobody else touched it"


def journal_faults(log: Log, journals: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> Iterator[Fault]:
    """Changes that are in no journal.

    Parameters
    ----------
    log
        The log.
    journals
        Records by machine and phase.
    """
    made = Counter(change.key for change in log.changes if change.who != OTHERS)
    intended = Counter(
        str(record["object_id"]).lower()
        for records in journals.values()
        for record in records
        if record.get("record") == "intent"
    )
    for key, count in sorted(made.items()):
        if intended[key] < count:
            yield "journal", f"{name_of(key)}: {count} writes, {intended[key]} intents in all journals"


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
    first, foreign = State.of(log.policies, log.items), foreign_keys(log)
    told = re.sub(r"--only \S+", "", said).lower()  # what a message offers to take back is not yet taken back
    vaults = {vault_of(key) for key in foreign}
    for key in sorted({*first.policies, *first.items}):
        was, now = state_of(first.get(key)), state_of(end.get(key))
        if now == was:
            continue
        name, target = name_of(key), policy_of(first.get(key))
        if key in foreign:
            if _was_ours(log, key) and name.lower() not in told:
                yield "way back", f"{name}: left as others changed it, without a word"
        elif not (target in foreign and name_of(target).lower() in told) and not (
            vault_of(key) in vaults and name.lower() in told
        ):
            yield "way back", f"{name}: is not as it was, and nobody else touched it"
    for key in sorted(end.policies.keys() - first.policies.keys() - foreign):
        if members := end.members(key):
            keys = [str(item["id"]).lower() for item in members]
            excused = [key for key in keys if key in foreign or policy_of(first.get(key)) in foreign]
            if any(key not in excused and name_of(key) not in told for key in keys):
                yield "way back", f"{name_of(key)}: a policy of the plan that still holds {len(members)} VMs"


def _was_ours(log: Log, key: str) -> bool:
    return any(change.who != OTHERS and change.key == key for change in log.changes)


def wire_matches(
    state: State, policies: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]
) -> Iterator[Fault]:
    """Whether the judge has seen every change: its own state must be that of the service."""
    end = State.of([dict(one) for one in policies], [dict(one) for one in items])
    for key in sorted({*state.policies, *state.items, *end.policies, *end.items}):
        if state_of(state.get(key)) != state_of(end.get(key)):
            kind = "item" if is_item(key) else "policy"
            yield "log", f"{kind} {name_of(key)} is not as the log says"

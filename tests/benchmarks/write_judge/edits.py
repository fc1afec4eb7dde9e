"""Plans and journals that somebody edited by hand; none of it may be believed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optimizer.documents.fingerprint import fingerprint_of
from optimizer.documents.plan_document import PlanDocument

Plan = dict[str, Any]
Records = list[dict[str, Any]]


def _of_kind(plan: Plan, kind: str) -> dict[str, Any] | None:
    return next((change for change in plan["changes"] if change["kind"] == kind), None)


def _start_today(plan: Plan) -> bool:
    """Another start today of each VM: the gates would open right before a backup."""
    for entry in plan["schedule"]:
        hour = (int(entry["start_today"][:2]) + 7) % 24
        entry["start_today"] = f"{hour:02d}{entry['start_today'][2:]}"
    return True


def _starts(plan: Plan) -> bool:
    """Another new start of each VM in the table, while the changes stay."""
    for entry in plan["schedule"]:
        entry["start"] = entry["start_today"]
    return True


def _target(plan: Plan) -> bool:
    change = _of_kind(plan, "reassign_item")
    others = {one["policy_today_id"] for one in plan["changes"] if one["kind"] == "reassign_item"}
    others |= {one["policy_id"] for one in plan["changes"]}
    wrong = sorted(others - {change["policy_id"]}) if change else []
    if change is None or not wrong:
        return False
    change["policy_id"], change["policy"] = wrong[0], wrong[0].rpartition("/")[2]
    return True


def _retention(plan: Plan) -> bool:
    change = _of_kind(plan, "create_policy") or _of_kind(plan, "edit_policy")
    if change is None:
        return False
    for schedule in change["properties"]["retentionPolicy"].values():
        if isinstance(schedule, dict) and "retentionDuration" in schedule:
            schedule["retentionDuration"]["count"] = 8
    change["properties"]["instantRpRetentionRangeInDays"] = 1
    return True


def _dropped(plan: Plan) -> bool:
    """Without the first change, which later ones rest on."""
    del plan["changes"][0]
    return True


def _rules(plan: Plan) -> bool:
    """Without the rules."""
    if not plan["rules"].get("rule"):
        return False
    plan["rules"]["rule"] = []
    return True


PLAN_EDITS: dict[str, Callable[[Plan], bool]] = {
    "start_today": _start_today,
    "start": _starts,
    "target": _target,
    "retention": _retention,
    "dropped change": _dropped,
    "rules": _rules,
}
"""Edits by name; each says whether there was anything to edit."""

HARMLESS_IF_FORGED = frozenset({"rules", "dropped change"})
"""With a new fingerprint these make another valid plan, as `plan` with other rules would: nothing to refuse."""


def edit_plan(path: Path, target: Path, name: str, *, forged: bool) -> bool:
    """Write an edited plan; whether there was anything to edit.

    Parameters
    ----------
    path, target
        The plan, and where the edited one goes.
    name
        Which edit.
    forged
        Whether the fingerprint is made anew, as somebody with this program could.
    """
    plan = json.loads(path.read_text(encoding="utf-8"))
    if not PLAN_EDITS[name](plan):
        return False
    if forged:
        plan["fingerprint"] = fingerprint_of(PlanDocument.model_validate_json(json.dumps(plan)))
    target.write_text(json.dumps(plan), encoding="utf-8")
    return True


def _intent(records: Records, kind: str) -> dict[str, Any] | None:
    found = (one for one in records if one["record"] == "intent" and one["kind"] == kind and one["before"])
    return next(found, None)


def _before_policy(records: Records) -> bool:
    """Another policy to which the way back would lead."""
    intents = [one for one in records if one["record"] == "intent" and one["kind"] == "reassign_item"]
    policies = {one["before"]["properties"]["policyId"] for one in intents}
    policies |= {one["body"]["policyId"] for one in intents}
    if not intents:
        return False
    own = intents[0]["before"]["properties"]["policyId"]
    wrong = sorted(policies - {own, intents[0]["body"]["policyId"]})
    if not wrong:
        return False
    intents[0]["before"]["properties"]["policyId"] = wrong[0]
    return True


def _before_exclusion(records: Records) -> bool:
    intent = _intent(records, "reassign_item")
    if intent is None:
        return False
    own = intent["before"]["properties"]
    if own.get("extendedProperties"):
        del own["extendedProperties"]
    else:
        own["extendedProperties"] = {"diskExclusionProperties": {"diskLunList": [1], "isInclusionList": True}}
    return True


def _before_times(records: Records) -> bool:
    intent = _intent(records, "edit_policy")
    if intent is None:
        return False
    text = json.dumps(intent["before"]["properties"])
    start = intent["before"]["properties"]["retentionPolicy"]
    moment = next(iter(one["retentionTimes"][0] for one in start.values() if isinstance(one, dict)))
    intent["before"]["properties"] = json.loads(text.replace(moment[10:16], "T13:30"))
    return True


def _object(records: Records) -> bool:
    """Two intents that exchange their objects."""
    intents = [one for one in records if one["record"] == "intent" and one["kind"] == "reassign_item"]
    if len(intents) < 2:
        return False
    first, second = intents[:2]
    for key in ("object_id", "before", "name", "vms", "body"):
        first[key], second[key] = second[key], first[key]
    return True


def _after(records: Records) -> bool:
    done = next((one for one in records if one["record"] == "done" and one.get("after")), None)
    if done is None:
        return False
    done["after"]["properties"]["timeZone" if "schedulePolicy" in done["after"]["properties"] else "policyId"] = "x"
    return True


def _body(records: Records) -> bool:
    intent = _intent(records, "reassign_item")
    if intent is None:
        return False
    intent["body"]["policyId"] = intent["before"]["properties"]["policyId"]
    return True


def _no_done(records: Records) -> bool:
    """Without one line that says that a write was done: as if the process had died over it."""
    number = next((n for n, one in enumerate(records) if one["record"] == "done"), None)
    if number is None:
        return False
    del records[number]
    return True


JOURNAL_EDITS: dict[str, Callable[[Records], bool]] = {
    "before: policy": _before_policy,
    "before: exclusion": _before_exclusion,
    "before: times": _before_times,
    "objects exchanged": _object,
    "after": _after,
    "body": _body,
    "done line missing": _no_done,
}


def edit_journal(path: Path, target: Path, name: str) -> bool:
    """Write an edited journal; whether there was anything to edit."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    edited = copy.deepcopy(records)
    if not JOURNAL_EDITS[name](edited):
        return False
    target.write_text("".join(json.dumps(record) + "\n" for record in edited), encoding="utf-8")
    return True

"""What a request may contain: a policy gets another time, an item gets another policy, and nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.write_judge.clocks import minute_of, moments_of, schedule_of, zone_of
from tests.benchmarks.write_judge.facts import State, name_of, policy_of, properties_of, vault_of, vm_of
from tests.benchmarks.write_judge.record import Exchange, Resource, Rule

Fault = tuple[Rule, str]

ITEM_FIELDS = {
    "protectedItemType",
    "sourceResourceId",
    "policyId",
    "extendedProperties",
    "resourceGuardOperationRequests",
}
_DEFAULT_POLICIES = {"defaultpolicy", "enhancedpolicy"}
_NOT_PART_OF_A_TWIN = {"protectedItemsCount", "resourceGuardOperationRequests"}
_TIMES = {"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"}
_NO_TIERING = {"ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}}


def twin_key(properties: Mapping[str, Any]) -> str:
    """What is equal of policies that differ in nothing but the time."""
    shown = {name: value for name, value in properties.items() if name not in _NOT_PART_OF_A_TWIN}
    if shown.get("tieringPolicy") == _NO_TIERING:
        del shown["tieringPolicy"]
    return json.dumps(_without_times(shown), sort_keys=True).lower()


def _without_times(value: object) -> object:
    if isinstance(value, Mapping):
        kept = {name: _without_times(item) for name, item in value.items() if name not in _TIMES}
        return {name: item for name, item in kept.items() if item is not None and item != {}}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def item_faults(exchange: Exchange, state: State) -> Iterator[Fault]:
    """What is wrong with the body of an assignment, target and twin left to :func:`is_twin_move`."""
    name, before = name_of(exchange.key), state.items.get(exchange.key)
    sent = properties_of(exchange.body)
    if before is None:
        yield "request", f"{name}: no such protected item"
        return
    own = properties_of(before)
    if not sent.get("policyId"):
        yield "body", f"{name}: an empty policyId stops the protection"
    if odd := sorted(sent.keys() - ITEM_FIELDS):
        yield "body", f"{name}: {', '.join(odd)} must not be sent"
    if vm_of(exchange.body) != vm_of(before):
        yield "body", f"{name}: source {sent.get('sourceResourceId')!r} is not the item's"
    if sent.get("extendedProperties") != own.get("extendedProperties") and own.get("extendedProperties"):
        yield "body", f"{name}: extendedProperties (disk exclusion) are not those of the item"
    if sent.get("policyId") and vault_of(str(sent["policyId"])) != vault_of(exchange.key):
        yield "body", f"{name}: a policy of another vault"


def is_twin_move(exchange: Exchange, state: State) -> bool:
    """Whether an item goes from its policy to a twin of it."""
    before, after = (state.policies.get(policy_of(one)) for one in (state.items.get(exchange.key), exchange.body))
    if before is None or after is None:
        return False
    return twin_key(properties_of(before)) == twin_key(properties_of(after))


def policy_faults(exchange: Exchange, state: State) -> Iterator[Fault]:
    """What is wrong with the body of a policy."""
    name, before = name_of(exchange.key), state.policies.get(exchange.key)
    sent = properties_of(exchange.body)
    if schedule_of(exchange.body) is None:
        yield "body", f"{name}: not a policy of VMs"
        return
    if before is not None and name.lower() in _DEFAULT_POLICIES:
        yield "default policy", f"{name} belongs to Azure and is never edited"
    models = [before] if before is not None else _policies_beside(exchange.key, state)
    if twin_key(sent) not in {twin_key(properties_of(model)) for model in models}:
        yield "twin", f"{name}: more than the time is different"
    yield from _grid_faults(name, sent, exchange.at)
    if reason := refused(sent):
        yield "refused body", f"{name}: {reason}"


def _policies_beside(key: str, state: State) -> list[Resource]:
    return [policy for other, policy in state.policies.items() if vault_of(other) == vault_of(key)]


def _grid_faults(name: str, sent: Mapping[str, Any], at: datetime) -> Iterator[Fault]:
    moments = moments_of(sent)
    minutes = {minute_of(moment) for moment in moments}
    if len(minutes) != 1 or not moments:
        yield "grid", f"{name}: its times differ: {sorted(moments)}"
    if any(minute % 30 for minute in minutes):
        yield "grid", f"{name}: a time off the half hours: {sorted(moments)}"
    zone = zone_of(sent.get("timeZone"))
    for moment in moments:
        local = datetime.fromisoformat(moment).replace(tzinfo=zone)
        if local.astimezone(UTC) >= at:
            yield "grid", f"{name}: {moment} is not in the past"


def refused(properties: Mapping[str, Any]) -> str:
    """Why Azure no longer accepts a body that may still run; empty where it does."""
    retention, schedule = properties.get("retentionPolicy") or {}, properties.get("schedulePolicy") or {}
    daily = ((retention.get("dailySchedule") or {}).get("retentionDuration") or {}).get("count")
    if daily is not None and daily < 7:
        return f"keeps {daily} daily points; fewer than 7 are refused"
    snapshots = properties.get("instantRpRetentionRangeInDays")
    if snapshots is None or schedule.get("scheduleRunFrequency") != "Weekly":
        return ""
    most = 20 if schedule.get("schedulePolicyType") == "SimpleSchedulePolicyV2" else 5
    return "" if 5 <= snapshots <= most else f"keeps snapshots for {snapshots} days; weekly policies need 5 to {most}"

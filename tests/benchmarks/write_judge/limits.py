"""Azure's limits: VMs per policy, policies per vault, and how many writes a day or an hour bears."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.benchmarks.write_judge.facts import State, is_item, name_of, policy_of, properties_of, vault_of
from tests.benchmarks.write_judge.record import Rule

Fault = tuple[Rule, str]

NEW_POLICY_HOLDS = 100
POLICIES_PER_VAULT = 200
POLICY_WRITES_PER_DAY = 50
VMS_AT_ONCE = 199
VMS_PER_DAY = 1000


class Limits:
    """Counts what is there and what was written.

    Parameters
    ----------
    rules
        The planner's rules; their table ``policies`` may set other limits.
    at_first
        The state before anything was written.
    """

    def __init__(self, rules: Mapping[str, Any], at_first: State) -> None:
        self._own = rules.get("policies") or {}
        known = Counter(policy_of(item) for item in at_first.items.values())
        self._unseen = {
            key: max(0, int(properties_of(policy).get("protectedItemsCount") or 0) - known[key])
            for key, policy in at_first.policies.items()
        }
        self._held = {key: known[key] + self._unseen[key] for key in at_first.policies}
        self._policies_then = Counter(vault_of(key) for key in at_first.policies)
        self._policy_writes: dict[str, deque[datetime]] = defaultdict(deque)
        self._item_writes: dict[str, deque[datetime]] = defaultdict(deque)

    def most_of(self, policy: str) -> int:
        """Number of VMs that a policy may hold: 100, or as many as any policy of the estate was seen to hold."""
        stated = self._own.get("max_vms_per_policy")
        if stated is not None:
            return max(int(stated), self._held.get(policy, 0))
        if policy not in self._held:
            return NEW_POLICY_HOLDS
        return max(self._held[policy], min(1000, max(NEW_POLICY_HOLDS, *self._held.values())))

    def state_faults(self, state: State) -> Iterator[Fault]:
        """Limits that a state exceeds."""
        counts = Counter(policy_of(item) for item in state.items.values())
        for policy in state.policies:
            held = counts[policy] + self._unseen.get(policy, 0)
            if held > self.most_of(policy):
                yield "VMs per policy", f"{name_of(policy)} holds {held} VMs; allowed are {self.most_of(policy)}"
        most = int(self._own.get("max_policies_per_vault") or POLICIES_PER_VAULT)
        for vault, count in Counter(vault_of(key) for key in state.policies).items():
            if count > max(most, self._policies_then[vault]):
                yield "policies per vault", f"{name_of(vault)} has {count} policies; allowed are {most}"

    def written(self, key: str, at: datetime) -> Iterator[Fault]:
        """Count a write that the service took, and say which limit of writes it exceeds."""
        vault = vault_of(key)
        if is_item(key):
            times = self._item_writes[vault]
            times.append(at)
            if _since(times, at, 24) > VMS_PER_DAY:
                yield "VMs per day", f"more than {VMS_PER_DAY} VMs of {name_of(vault)} in 24 hours"
            if _since(times, at, 1) > VMS_AT_ONCE:
                yield "VMs at once", f"more than {VMS_AT_ONCE} VMs of {name_of(vault)} in an hour"
            return
        place = vault if self._own.get("scope", "vault") == "vault" else "/".join(vault.split("/")[:3])
        times = self._policy_writes[place]
        times.append(at)
        most = int(self._own.get("max_writes_per_day") or POLICY_WRITES_PER_DAY)
        if _since(times, at, 24) > most:
            yield (
                "policy writes",
                f"{_since(times, at, 24)} policies of {name_of(place)} in 24 hours; allowed are {most}",
            )


def _since(times: deque[datetime], at: datetime, hours: float) -> int:
    return sum(at - timedelta(hours=hours) < time <= at for time in times)

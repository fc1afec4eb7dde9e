"""Other people at work in the same vaults while a plan is applied or taken back."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

from optimizer.emulator import Emulator
from tests.benchmarks.write_judge.facts import State, is_item, policy_of, vault_of
from tests.benchmarks.write_judge.proxy import Proxy
from tests.benchmarks.write_judge.record import Exchange, Resource
from tests.benchmarks.write_judge.way_back import change_key, is_in_place

KINDS = ("moved", "stopped", "retention", "policy made", "other policy made", "moved as planned", "excluded disk")
"""What they do to objects that the plan still has before it."""


class Others:
    """Changes resources as a portal would, and puts that down.

    Parameters
    ----------
    emulator, proxy
        The service and its log.
    changes
        Of the plan.
    seed
        Of what is drawn.
    """

    def __init__(self, emulator: Emulator, proxy: Proxy, changes: Sequence[dict[str, Any]], seed: str) -> None:
        self._emulator, self._proxy, self._changes = emulator, proxy, changes
        self._random = random.Random(f"others {seed}")  # noqa: S311  # repeatable, not secret
        self.acted = 0

    def at_write(self, number: int, kind: str, *, own: bool = False) -> None:
        """Let them act when a write comes.

        Parameters
        ----------
        number
            Which write, from 1.
        kind
            One of :data:`KINDS`, or ``moved on`` for VMs that the plan has moved already.
        own
            Whether they act on the object of that very write.
        """
        self._proxy.others.append(self._waiting(number, kind, own=own))

    def _waiting(self, number: int, kind: str, *, own: bool) -> Callable[[Exchange], bool]:
        seen = 0

        def act(exchange: Exchange) -> bool:
            nonlocal seen
            seen += 1
            return seen >= number and self.act(kind, exchange, own=own)

        return act

    def act(self, kind: str, exchange: Exchange | None = None, *, own: bool = False) -> bool:
        """Do it, if there is anything to do it to."""
        with self._emulator.state.lock:
            state = State(self._emulator.state.policies, self._emulator.state.items)
            found = self._targets(kind, state, exchange, own=own)
            self._random.shuffle(found)
            for key in found:
                after = self._after(kind, key, state)
                if after is not None:
                    self._put(key, after)
                    self.acted += 1
                    return True
        return False

    def _targets(self, kind: str, state: State, exchange: Exchange | None, *, own: bool) -> list[str]:
        busy = exchange.key if exchange is not None else ""
        wants_item = kind in {"moved", "moved on", "stopped", "moved as planned", "excluded disk"}
        if own and exchange is not None:
            return [busy] if is_item(busy) == wants_item else []
        here = kind == "moved on"
        keys = [change_key(one) for one in self._changes if is_in_place(one, state) == here]
        if kind == "retention":
            return [str(one["policy_today_id"]).lower() for one in self._changes if one["kind"] == "reassign_item"]
        fitting = [key for key in keys if is_item(key) == wants_item and key != busy]
        return [key for key in fitting if self._emulator.state.operations.on(key) is None]

    def _after(self, kind: str, key: str, state: State) -> Resource | None:
        current, change = state.get(key), self._change(key)
        if kind in {"policy made", "other policy made"}:
            return self._made(kind, change, current)
        if current is None:
            return None
        after = copy.deepcopy(current)
        own = after["properties"]
        if kind == "stopped":
            own |= {"policyId": "", "policyName": "", "protectionState": "ProtectionStopped"}
        elif kind == "excluded disk":
            own["extendedProperties"] = {"diskExclusionProperties": {"diskLunList": [7], "isInclusionList": False}}
        elif kind == "retention":
            daily = own["retentionPolicy"].get("dailySchedule")
            if not daily:
                return None
            daily["retentionDuration"]["count"] += 7
        else:
            target = self._target(kind, key, change, state)
            if not target:
                return None
            own |= {"policyId": state.policies[target]["id"], "policyName": state.policies[target]["name"]}
        return after

    def _made(self, kind: str, change: dict[str, Any] | None, current: Resource | None) -> Resource | None:
        if change is None or change["kind"] != "create_policy" or current is not None:
            return None
        properties = copy.deepcopy(change["properties"])
        if kind == "other policy made":
            properties["instantRpRetentionRangeInDays"] = 1 + int(properties.get("instantRpRetentionRangeInDays") or 1)
        return {
            "id": change["policy_id"],
            "name": change["policy"],
            "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
            "properties": properties,
        }

    def _target(self, kind: str, key: str, change: dict[str, Any] | None, state: State) -> str:
        if change is None:
            return ""
        planned = str(change["policy_id"]).lower()
        if kind == "moved as planned":
            return planned if planned in state.policies else ""
        elsewhere = [
            policy
            for policy in sorted(state.policies)
            if vault_of(policy) == vault_of(key) and policy not in {planned, policy_of(state.get(key))}
        ]
        return self._random.choice(elsewhere) if elsewhere else ""

    def _change(self, key: str) -> dict[str, Any] | None:
        return next((one for one in self._changes if change_key(one) == key), None)

    def _put(self, key: str, after: Resource) -> None:
        service = self._emulator.state.contents
        if is_item(key):
            before = policy_of(service.items[key])
            service.items[key] = after
            for policy, change in ((before, -1), (policy_of(after), 1)):
                known = service.policies.get(policy)
                if known is not None and before != policy_of(after):
                    count = int(known["properties"].get("protectedItemsCount") or 0) + change
                    own = {**known["properties"], "protectedItemsCount": max(0, count)}
                    service.policies[policy] = {**known, "properties": own}
        else:
            service.policies[key] = after
        self._proxy.someone_changed(str(after["id"]), after)

    def undo(self, key: str, before: Resource) -> None:
        """Bring an object back by hand, as a message asked."""
        with self._emulator.state.lock:
            self._put(key, before)

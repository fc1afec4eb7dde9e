"""The judge: goes through a log, request by request and change by change, and says what must not have happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from tests.benchmarks.write_judge.bodies import item_faults, policy_faults
from tests.benchmarks.write_judge.clocks import Schedule, schedule_of
from tests.benchmarks.write_judge.facts import (
    State,
    Vm,
    is_for,
    is_item,
    is_stopped,
    name_of,
    policy_of,
    state_of,
    vault_of,
    vm_of,
    vms_of,
)
from tests.benchmarks.write_judge.gates import Gates
from tests.benchmarks.write_judge.limits import Limits
from tests.benchmarks.write_judge.manners import Manners
from tests.benchmarks.write_judge.meetings import Meetings
from tests.benchmarks.write_judge.record import OTHERS, Breach, Change, Exchange, Log, Rule
from tests.benchmarks.write_judge.windows import broken_window

Fault = tuple[Rule, str]


class Judge:
    """Judges one log.

    Parameters
    ----------
    log
        Everything that happened.

    Attributes
    ----------
    state
        Policies and items after what was judged so far.
    num_writes
        Changes that machines made.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.state = State.of(log.policies, log.items)
        self._first = self._schedules = self.state.schedules()
        self._vms = vms_of(log.vms, log.items, log.policies, log.rules)
        self._limits = Limits(log.rules, self.state)
        self._gates = Gates(log.rules, log.jobs)
        self._meetings = Meetings(log.rules, self._vms, self._first, log.began)
        self._manners = Manners(self.state)
        self._created: set[str] = set()
        self._effects: Counter[tuple[str, str]] = Counter()
        self._state_faults: set[Fault] = set()
        self._theirs: set[str] = set()
        self._phase = "apply"
        self._foreign_times = [change.at for change in log.changes if change.who == OTHERS]
        self.num_writes = 0

    def breaches(self, since: int = 0) -> list[Breach]:
        """Everything that must not have happened, in order.

        Parameters
        ----------
        since
            Number of the first event whose breaches are wanted; the events before it are only followed.
        """
        found = []
        for index, event in enumerate(self._log.events):
            faults = list(self._exchange(index, event) if isinstance(event, Exchange) else self._change(index, event))
            found += [Breach(rule, event.at, what) for rule, what in faults if index >= since]
        return found

    def _exchange(self, index: int, exchange: Exchange) -> Iterator[Fault]:
        if not exchange.is_write:
            self._manners.read(index, exchange)
            return
        self._phase = exchange.phase
        key = exchange.key
        if exchange.method not in {"PUT", "DELETE"} or "/vaults/" not in key:
            yield "request", f"{exchange.method} {exchange.path}"
            return
        yield from self._manners.faults(index, exchange)
        if exchange.method == "DELETE":
            yield from self._deletion(key)
        elif is_item(key):
            yield from item_faults(exchange, self.state)
            yield from self._move(exchange)
        elif "/backuppolicies/" in key:
            yield from policy_faults(exchange, self.state)
            yield from self._policy(exchange)
        else:
            yield "request", f"{exchange.method} {exchange.path}"

    def _deletion(self, key: str) -> Iterator[Fault]:
        if key not in self._created:
            yield "delete", f"{name_of(key)} was not created by the plan"
        if members := self.state.members(key):
            yield "delete", f"{name_of(key)} still protects {len(members)} VMs"

    def _move(self, exchange: Exchange) -> Iterator[Fault]:
        item = self.state.items.get(exchange.key)
        old, new = (schedule_of(self.state.policies.get(policy_of(one))) for one in (item, exchange.body))
        vm = self._vms.get(vm_of(item))
        if vm is None or old is None or new is None:
            return
        if any(rule.get("exclude") and is_for(rule, vm) for rule in self._log.rules.get("rule") or ()):
            yield "exclude", f"{vm.name} is never written"
        if not self._manners.surprised(exchange):  # else the sender knows another old start
            yield from self._timing(vm, old, new, exchange.at)

    def _policy(self, exchange: Exchange) -> Iterator[Fault]:
        old, new = schedule_of(self.state.policies.get(exchange.key)), schedule_of(exchange.body)
        if old is None or new is None:
            yield from self._frozen_vault(exchange)
            return
        for item in self.state.members(exchange.key):
            vm = self._vms.get(vm_of(item))
            if vm is not None and not is_stopped(item):
                if any(rule.get("exclude") and is_for(rule, vm) for rule in self._log.rules.get("rule") or ()):
                    yield "exclude", f"{vm.name} is in {name_of(exchange.key)}, which is edited"
                yield from self._timing(vm, old, new, exchange.at)

    def _timing(self, vm: Vm, old: Schedule, new: Schedule, at: datetime) -> Iterator[Fault]:
        yield from self._gates.faults(vm, old, new, at)
        pinned = any(rule.get("pin") and is_for(rule, vm) for rule in self._log.rules.get("rule") or ())
        if pinned and old.start != new.start:
            yield "pin", f"{vm.name} keeps its start"

    def _frozen_vault(self, exchange: Exchange) -> Iterator[Fault]:
        """A new policy concerns no VM: it has to wait where every VM of its vault does."""
        schedules, vault = self._schedules, vault_of(exchange.key)
        reasons = [
            list(self._gates.frozen(vm, schedules[vm.id], exchange.at))
            for vm in self._vms.values()
            if vm.vault_id == vault and vm.id in schedules
        ]
        if reasons and all(reasons):
            yield "freeze", f"{name_of(exchange.key)}: every VM of the vault is frozen"

    def _change(self, index: int, change: Change) -> Iterator[Fault]:
        before = state_of(self.state.get(change.key))
        schedules_before = self._schedules
        known = self._manners.could_see(change.who, change.key)
        self._manners.changed(index, change)
        self.state.put(change.key, change.after)
        self._schedules = schedules = self.state.schedules()
        if change.who == OTHERS:
            self._theirs |= {vm_of(item) for item in (change.after, *self.state.members(change.key)) if vm_of(item)}
            self._state_faults |= set(self._limits.state_faults(self.state))
            self._state_faults |= set(self._meetings.faults(self._ours(schedules)))
            return
        self.num_writes += 1
        yield from self._twice(change, before, known=known)
        if not before and not is_item(change.key):
            self._created.add(change.key)
        if change.after is not None:
            yield from self._limits.written(change.key, change.at)
        yield from self._new_faults(
            [*self._limits.state_faults(self.state), *self._meetings.faults(self._ours(schedules))]
        )
        yield from self._moved(change, schedules_before, schedules)

    def _ours(self, schedules: dict[str, Schedule]) -> dict[str, Schedule]:
        """Schedules without the VMs that others moved: which of them meet whom now is not the writer's doing."""
        return {vm: schedule for vm, schedule in schedules.items() if vm not in self._theirs}

    def _twice(self, change: Change, before: str, *, known: bool) -> Iterator[Fault]:
        """Whether a write was made before; two machines at the same moment cannot know of each other."""
        name = name_of(change.key)
        self._effects[self._phase, change.key] += 1
        if not known:
            return
        if state_of(change.after) == before:
            yield "twice", f"{name}: written, though it was in that state"
        if self._effects[self._phase, change.key] > 1:
            yield "twice", f"{name}: accepted {self._effects[self._phase, change.key]} times in one {self._phase}"

    def _new_faults(self, faults: list[Fault]) -> Iterator[Fault]:
        """What a state breaks that the one before it did not."""
        yield from (fault for fault in faults if fault not in self._state_faults)
        self._state_faults = set(faults)

    def _moved(self, change: Change, before: dict[str, Schedule], after: dict[str, Schedule]) -> Iterator[Fault]:
        for vm_id, schedule in after.items():
            vm, old = self._vms.get(vm_id), before.get(vm_id)
            if vm is None or old is None or old == schedule:
                continue
            if schedule != self._first.get(vm_id):  # the way back leads to what was there, whatever it broke
                fault = broken_window(self._log.rules, vm, schedule, self._log.began)
                if fault:
                    yield "window", f"{vm.name}: {fault}"
            yield from self._gates.gap_faults(vm, old, change.at, self._foreign_times)

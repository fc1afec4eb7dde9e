"""What happens around a roll-out in a real vault, told by what the emulator accepted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optimizer.arm.azure_times import parse_time
from optimizer.emulator import CloudState, EmulatorSettings
from optimizer.errors import BusyError, StalePlanError
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.journal import read_journal, state_of
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.ports import Resource
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from optimizer.rollout.rehearse.state_judge import StateJudge, check_gaps, check_items
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, machine, policy_id, standard_policy, vm_id
from tests.rollout.azure_rollouts import (
    EXCLUSION,
    GUARD,
    ITEM_REQUEST,
    LOCK,
    POLICY_REQUEST,
    Azure,
    azure,
    body_of,
    is_item,
    name_of,
    of_two_vaults,
    per_day,
    ready_of,
    small,
    stopped_item,
    vm_of,
    with_parts,
)
from tests.rollout.conftest import Ready
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, World, world


def retention_of(cloud: Azure) -> dict[str, Any]:
    """What each policy keeps, by name without the time that the plan appends."""
    return {
        str(one["name"]): one["properties"]["retentionPolicy"]["dailySchedule"]["retentionDuration"]
        for one in cloud.emulator.snapshot().policies
    }


def change_of(policy: str, **properties: object) -> Any:
    """Somebody who changes or creates a policy behind the plan's back."""

    def act(state: CloudState) -> None:
        key = policy.lower()
        known = state.contents.policies.get(key) or standard_policy(policy.rpartition("/")[2], "12:00")
        state.contents.policies[key] = {**known, "properties": {**known["properties"], **properties}}

    return act


def number_of(cloud: Azure, kind: str) -> dict[str, Write]:
    """Writes of the plan of a kind, by name."""
    return {write.name: write for write in cloud.ready.writes if write.kind == kind}


def test_of_two_applies_at_once_the_second_is_refused(tmp_path: Path) -> None:
    """Who comes second is told that another run is at work, and writes nothing."""
    with azure(ready_of(small()), tmp_path) as cloud:
        first, second = cloud.prepare(), cloud.prepare(journal=tmp_path / "other.journal.jsonl")
        refused = []

        def meanwhile(*_: object, **__: object) -> None:
            before = len(cloud.emulator.writes)
            with pytest.raises(BusyError):
                cloud.carry_out(second)
            refused.append(len(cloud.emulator.writes) - before)

        assert cloud.carry_out(first, progress=meanwhile).complete
        assert refused == [0] * len(cloud.ready.writes)
        assert len(cloud.emulator.writes) == len(cloud.ready.writes)


def test_the_part_of_a_stale_plan_that_holds_can_be_applied(tmp_path: Path) -> None:
    """The error names the change and the vault that still holds; with that scope only it is written."""
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        change_of(policy_id("second", SECOND_VAULT), timeZone="W. Europe Standard Time")(cloud.emulator.state)
        with pytest.raises(StalePlanError, match=r"'second' was changed: timeZone[\s\S]*--only vault=rsv-one") as told:
            cloud.apply()
        assert told.value.exit_code == 4
        assert cloud.emulator.writes == []
        assert cloud.apply(scope=RunScope(only=(parse_filter("vault=rsv-one"),))).complete
        assert cloud.written == ["first-0200", "one-0"]


def test_what_somebody_changes_between_check_and_write_is_skipped(tmp_path: Path) -> None:
    """A policy changed or made by somebody else is left to him, with the items that need it; the rest is written."""
    with azure(ready_of(small()), tmp_path) as cloud:
        cloud.emulator.interfere(change_of(policy_id("weekly-7"), timeZone="W. Europe Standard Time"))
        cloud.emulator.interfere(change_of(policy_id("nightly-0330")))
        outcome = cloud.apply()
        edits, creations = number_of(cloud, "edit_policy"), number_of(cloud, "create_policy")
        moves = number_of(cloud, "reassign_item")
        lost = {edits["weekly-7"].number, creations["nightly-0330"].number, moves["app-1"].number}
        assert set(outcome.skipped) == lost
        assert not outcome.failed
        assert not outcome.pending
        assert "somebody else" in outcome.reasons[edits["weekly-7"].number]
        assert cloud.written == ["nightly-0200", "app-0"]


def test_an_immutable_vault_is_written_whole(tmp_path: Path) -> None:
    """Changes of time are taken where immutability is locked, and what policies keep stays."""
    locked = {"securitySettings": {"immutabilitySettings": {"state": "Locked"}}}
    vaults = ({"id": VAULT, "name": "rsv-one", "location": "westeurope", "properties": locked},)
    with azure(ready_of(with_parts(small(), vaults=vaults)), tmp_path) as cloud:
        before = retention_of(cloud)
        prepared = cloud.prepare()
        assert any("immutable (Locked)" in remark for remark in prepared.remarks)
        assert cloud.carry_out(prepared).complete
        after = retention_of(cloud)
        assert {name: after[name] for name in before} == before
        assert all(after[name] == before["nightly"] for name in after.keys() - before.keys())


def test_a_guarded_vault_asks_for_nothing_where_only_times_change(tmp_path: Path) -> None:
    """A guard that watches retention, as documented, lets the plan pass without requests."""
    ready = ready_of(with_parts(small(), vault_settings=(GUARD,)))
    with azure(ready, tmp_path, settings=EmulatorSettings(guard_asks="retention")) as cloud:
        assert cloud.apply().complete
        assert all("resourceGuardOperationRequests" not in body_of(write) for write in cloud.emulator.writes)


def test_a_guard_that_asks_for_everything_gets_its_requests(tmp_path: Path) -> None:
    """Refused writes say what to do; resumed with the requests, each body carries the one for its kind."""
    ready = ready_of(with_parts(small(), vault_settings=(GUARD,)))
    with azure(ready, tmp_path, settings=EmulatorSettings(guard_asks="always")) as cloud:
        outcome = cloud.apply()
        assert outcome.failed
        assert not outcome.done
        assert all("--guard-request" in outcome.reasons[number] for number in outcome.failed)
        assert cloud.emulator.writes == []
        assert cloud.apply(resume=True, guard_request=True).complete
        for write in cloud.emulator.writes:
            wanted = ITEM_REQUEST if is_item(write) else POLICY_REQUEST
            assert body_of(write)["resourceGuardOperationRequests"] == [wanted]


def _many(rules: Rules, vaults: tuple[str, ...]) -> World:
    """46 policy writes: 18 edits, and 28 new policies for VMs of four policies."""
    policies, places, targets = [], {}, {}
    starts = [f"{(15 + 2 * n) % 24:02d}:30" for n in range(7)]
    for n in range(18):
        policies.append(standard_policy(f"own-{n}", "23:00", items=1, count=100 + n, vault=vaults[n % len(vaults)]))
        places[f"own-vm-{n}"] = f"own-{n}"
        targets[f"own-vm-{n}"] = starts[n % 7]
    for n in range(4):
        policies.append(standard_policy(f"shared-{n}", "23:00", items=8, count=30 + n, vault=vaults[n % len(vaults)]))
        places |= {f"vm-{n}-{m}": f"shared-{n}" for m in range(8)}
        targets |= {f"vm-{n}-{m}": start for m, start in enumerate(starts)}
    return world(policies, places, targets, rules)


@pytest.mark.parametrize("scope", ["vault", "subscription"])
def test_46_policy_writes_at_10_a_day_take_five_days(tmp_path: Path, scope: Any) -> None:
    """10 in any 24 hours, as counted by the service, which never has to refuse one.

    Per vault they are all in one, per subscription half in each of two.
    """
    limits = PolicyLimits(scope=scope, max_writes_per_day=10)
    vaults = (VAULT,) if scope == "vault" else (VAULT, SECOND_VAULT)
    ready = ready_of(_many(Rules(policies=limits), vaults))
    kinds = Counter(write.kind for write in ready.writes)
    assert (kinds["create_policy"], kinds["edit_policy"]) == (28, 18)
    settings = EmulatorSettings(policy_writes_scope=scope, policy_writes_per_day=10, operation_reads=0)
    with azure(ready, tmp_path, settings=settings) as cloud:
        prepared = cloud.prepare()
        assert prepared.rollout.num_days == 5
        assert cloud.carry_out(prepared).complete
        assert cloud.emulator.requests["policy.put"] == 46  # none was refused
        policies = [write for write in cloud.emulator.writes if not is_item(write)]
        assert len(policies) == 46
        assert per_day(policies, policies[0].at) == [10, 10, 10, 10, 6]


def test_a_disk_exclusion_is_still_there_after_a_move(tmp_path: Path) -> None:
    """The emulator forgets an exclusion that is not sent again; it was sent."""
    with azure(ready_of(small(app_0={"extendedProperties": EXCLUSION})), tmp_path) as cloud:
        assert cloud.apply().complete
        assert body_of(cloud.moved("app-0"))["extendedProperties"] == EXCLUSION
        found = {vm_of(one): one["properties"] for one in cloud.emulator.snapshot().protected_items}
        assert found["app-0"]["extendedProperties"] == EXCLUSION
        assert found["app-0"]["policyName"] == "nightly-0200"
        assert "extendedProperties" not in body_of(cloud.moved("app-1"))


def test_an_item_whose_protection_is_stopped_is_never_written(tmp_path: Path) -> None:
    """An item without a policy stays so, and no policy id that was sent is empty."""
    found = small()
    gone = stopped_item("gone")
    items, vms = (*found.document.protected_items, gone), (*found.document.vms, machine("gone"))
    with azure(ready_of(with_parts(found, protected_items=items, vms=vms)), tmp_path) as cloud:
        assert cloud.apply().complete
        assert "gone" not in cloud.written
        assert all(body_of(write)["policyId"] for write in cloud.emulator.writes if is_item(write))
        (left,) = (one for one in cloud.emulator.snapshot().protected_items if vm_of(one) == "gone")
        assert left["properties"]["policyId"] == ""
        assert left["properties"]["protectionState"] == "ProtectionStopped"


def test_after_a_lock_is_gone_the_run_is_resumed(tmp_path: Path) -> None:
    """A read-only lock lets nothing through, the journal says what failed and why, and nothing of it is lost."""
    with azure(ready_of(with_parts(small(), vault_settings=(LOCK,))), tmp_path) as cloud:
        prepared = cloud.prepare()
        assert any("read-only lock 'keep'" in remark for remark in prepared.remarks)
        outcome = cloud.carry_out(prepared)
        assert not outcome.done
        assert cloud.emulator.writes == []
        said = [*outcome.reasons.values(), *outcome.pending.values()]
        assert said
        assert all("lock" in reason or "needs write" in reason for reason in said), said
        records = read_journal(cloud.journal)
        assert state_of(records).failed
        assert "lock" in next(iter(state_of(records).failed.values())).error
        cloud.emulator.state.contents.attached.clear()
        assert cloud.apply(resume=True).complete
        assert len(cloud.emulator.writes) == len(cloud.ready.writes)


def test_a_write_waits_until_a_running_job_has_ended(tmp_path: Path) -> None:
    """While a backup that a person started is running, the item of that VM is not written; others are."""
    end = NOW + timedelta(hours=4)
    job = (vm_id("app-0"), VAULT, NOW - timedelta(minutes=30), end, None, "OnDemandBackup", "Completed", None)
    jobs = pl.DataFrame([job], schema=JOB_SCHEMA, orient="row")
    with azure(ready_of(small()), tmp_path, jobs=jobs) as cloud:
        assert cloud.apply().complete
        assert end <= cloud.moved("app-0").at < end + timedelta(minutes=10)
        assert cloud.moved("app-1").at < end


def test_a_move_that_would_exceed_the_rpo_is_blocked(tmp_path: Path) -> None:
    """Between an evening run and one later the same evening lies more than a day: it is said why, and not written."""
    rules = Rules(rule=(Rule(name="points", rpo_hours=26.0),))
    policies = [standard_policy("evening", "20:00", items=3)]
    places = dict.fromkeys(("far", "near", "stays"), "evening")
    ready = ready_of(world(policies, places, {"far": "23:30", "near": "16:00"}, rules))
    with azure(ready, tmp_path) as cloud:
        outcome = cloud.apply()
        (blocked,) = (one for one in outcome.blocked if one.write.kind == "reassign_item")
        assert blocked.write.name == "far"
        assert "recovery point" in blocked.reason
        assert "26 h" in blocked.reason
        assert "near" in cloud.written
        assert "far" not in cloud.written


def test_nothing_is_written_on_frozen_days(tmp_path: Path) -> None:
    """A VM is moved only after its freeze, one that is not frozen before, and where all are nothing is written."""
    days = [DateRange(first=date(2026, 2, 18), last=date(2026, 2, last)) for last in (20, 18)]
    some = Rule(name="audit", where=Selector(name="app-0"), freeze=(days[0],))
    every = Rule(name="holiday", freeze=(days[1],))
    with azure(ready_of(small(Rules(rule=(some, every)))), tmp_path) as cloud:
        assert cloud.apply().complete
        assert {write.at.date() for write in cloud.emulator.writes} == {date(2026, 2, 19), date(2026, 2, 21)}
        assert cloud.moved("app-0").at.date() == date(2026, 2, 21)
        assert cloud.moved("app-1").at.date() == date(2026, 2, 19)


def test_every_state_on_the_way_keeps_the_rules(planned: Ready, tmp_path: Path) -> None:
    """After each write of a real plan limits, rules and items are as they must be."""
    with azure(planned, tmp_path, now=planned.noon) as cloud:
        judge, found, looks = StateJudge(planned.inventory, planned.plan.rules), [], []

        def look() -> None:
            now = cloud.emulator.snapshot()
            found.extend(judge.faults(now.inventory(planned.plan.rules.service_from)))
            found.extend(check_items(planned.document.protected_items, now.protected_items))
            looks.append(len(cloud.emulator.writes))

        cloud.emulator.on_write.append(look)
        assert cloud.apply().complete
        assert found == []
        assert looks == list(range(1, len(planned.plan.changes) + 1))


@pytest.mark.parametrize("clock_changes", ["follow", "ignore"])
def test_a_change_of_clocks_on_the_way_does_no_harm(tmp_path: Path, clock_changes: Any) -> None:
    """Whether schedules follow the clock or not, no write meets a backup and no recovery point is missing."""
    places = dict.fromkeys(("night", "morning", "stays"), "berlin")
    policies = [standard_policy("berlin", "23:00", items=3, zone="W. Europe Standard Time")]
    ready = ready_of(world(policies, places, {"night": "02:30", "morning": "06:00"}, Rules()))
    day_before = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)
    with azure(ready, tmp_path, now=day_before, settings=EmulatorSettings(clock_changes=clock_changes)) as cloud:
        assert cloud.apply().complete
        cloud.clock.sleep(3 * 86400)
        points = defaultdict(list)
        for properties in (job["properties"] for job in cloud.emulator.state.jobs):
            start, end = parse_time(properties["startTime"]), parse_time(properties["endTime"])
            vm = str(properties["entityFriendlyName"])
            if properties["operation"] == "Backup" and start is not None and end is not None:
                points[vm_id(vm)].append(start)
                assert vm == "stays" or not start <= cloud.moved(vm).at < end
        assert min(map(len, points.values())) >= 3
        assert check_gaps(points, ready.plan.rules, ready.inventory) == []


def test_the_second_wave_waits_for_the_backups_of_the_pilot(tmp_path: Path) -> None:
    """The pilot's VMs are written first, the others once each of them has been backed up at its new time."""
    places = {f"app-{n}": "nightly" for n in range(11)}
    targets = {f"app-{n}": "02:00" for n in range(10)}
    ready = ready_of(world([standard_policy("nightly", "23:00", items=11)], places, targets, Rules()))
    with azure(ready, tmp_path) as cloud:
        prepared = cloud.prepare(scope=RunScope(wave_percent=20))
        pilot = {vm.rpartition("/")[2] for vm in prepared.pilot}
        assert len(pilot) == 2
        assert cloud.carry_out(prepared).complete
        moves = [write for write in cloud.emulator.writes if is_item(write)]
        assert {name_of(write) for write in moves[:2]} == pilot
        assert len(moves) == 10
        ends = _first_backups(cloud.emulator.state.jobs, {vm: cloud.moved(vm).at for vm in pilot})
        assert all(ends[vm] <= moves[2].at for vm in pilot)


def _first_backups(jobs: list[Resource], since: Mapping[str, datetime]) -> dict[str, datetime]:
    """End of the first backup of each VM after a time."""
    never = datetime.max.replace(tzinfo=UTC)
    ends = dict.fromkeys(since, never)
    for properties in (job["properties"] for job in jobs):
        vm = str(properties["entityFriendlyName"])
        start, end = parse_time(properties["startTime"]), parse_time(properties.get("endTime"))
        if vm in since and properties["operation"] == "Backup" and start is not None and start > since[vm]:
            ends[vm] = min(ends[vm], end or never)
    return ends

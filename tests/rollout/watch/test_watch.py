"""Watching a change: which verdict a VM gets, why, and what is offered."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.azure.connection import Connection
from optimizer.azure.reader import AzureBackupReader
from optimizer.documents import Change, PlanDocument, ScheduleEntry, WatchedVm, WatchReport
from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_document import EditPolicy, ReassignItem
from optimizer.emulator import Emulator, EmulatorSettings
from optimizer.errors import AuthError, CloudError, ForbiddenError, NotFoundError, UncertainError
from optimizer.estate.document import EstateDocument
from optimizer.model.clock import VirtualClock
from optimizer.model.inventory import Inventory
from optimizer.model.rules import DEFAULT_SERVICE_FROM, Rule, Rules
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.rollout.watch.watch import Moved, watch
from tests.plan.estates import VAULT, hourly_policy, item, machine, policy_id, standard_policy, vm_id
from tests.report import small_estate
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import world

WRITTEN = datetime(2026, 2, 17, 15, 0, tzinfo=UTC)
"""A Tuesday afternoon: the old start is 23:00, the new one 03:00."""

ZONE = "UTC"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of February 2026."""
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)


def job(vm: str, start: datetime, status: str = "Completed", **properties: Any) -> Resource:
    """Build a scheduled backup job as Azure lists it: the container in other capitals and one prefix shorter."""
    return {
        "id": f"{VAULT}/backupJobs/{vm}-{start:%d%H%M}",
        "properties": {
            "jobType": "AzureIaaSVMJob",
            "containerName": f"iaasvmcontainerv2;RG-APP;{vm.upper()}",
            "operation": "Backup",
            "status": status,
            "startTime": f"{start:%Y-%m-%dT%H:%M:%S}.3773846Z",
            "isUserTriggered": False,
            **properties,
        },
    }


@dataclass
class CountingService(FakeService):
    """Counts what is asked, and can refuse an item."""

    asked: list[str] = field(default_factory=list)
    refusal: CloudError | None = None

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        self.asked.append("policies")
        return super().list_policies(vault_id)

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault, without extended info, as Azure lists them."""
        self.asked.append("items")
        items = super().list_items(vault_id)
        for one in items:
            one["properties"].pop("extendedInfo", None)
        return items

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Jobs of a vault that started in a time."""
        self.asked.append("jobs")
        found = super().list_jobs(vault_id, since, until)
        return [one for one in found if since <= datetime.fromisoformat(one["properties"]["startTime"]) < until]

    def get_item(self, item_id: str) -> Resource | None:
        """One item."""
        self.asked.append("item")
        if self.refusal is not None:
            raise self.refusal
        return super().get_item(item_id)


@dataclass
class Scene:
    """One VM moved from 23:00 to another start, the service as it is afterwards, and the plan of it."""

    plan: PlanDocument
    inventory: Inventory
    service: CountingService
    deep: bool = False

    def look(self, now: datetime, *jobs: Resource, rules: Rules | None = None) -> WatchReport:
        """Watch at a time, with the jobs that there are by then."""
        self.service.jobs = list(jobs)
        moved = {vm_id("app").lower(): WRITTEN}
        plan = self.plan if rules is None else self.plan.model_copy(update={"rules": rules})
        return watch(plan, self.inventory, Moved(moved), self.service, VirtualClock(now), deep=self.deep)

    def look_at_vm(self, now: datetime, *jobs: Resource, rules: Rules | None = None) -> WatchedVm:
        """The one VM."""
        (found,) = self.look(now, *jobs, rules=rules).vms
        return found

    @property
    def own(self) -> dict[str, Any]:
        """Properties of the VM's item in the service."""
        (resource,) = [one for key, one in self.service.items.items() if key.endswith(";app")]
        properties: dict[str, Any] = resource["properties"]
        return properties


def entry(inventory: Inventory, vm: str, policy: str, start: str) -> ScheduleEntry:
    """Line of the schedule."""
    (protected,) = [one for one in inventory.items if one.vm_id == vm_id(vm)]
    today = inventory.policy(protected)
    return ScheduleEntry(
        vm=vm_id(vm),
        service="shop",
        vault="rsv-one",
        frequency=today.recurrence.frequency.value,
        days=(),
        interval_hours=None,
        duration_hours=None,
        timezone=today.timezone,
        policy_today=today.name,
        start_today=format_start(today.start),
        start_today_utc=format_start(today.start),
        policy=policy,
        start=start,
        start_utc=start,
        risk_today=1.0,
        risk=0.0,
        reason="",
    )


def make_scene(before: Resource, after: Resource, start: str, *, edit: bool = False) -> Scene:
    """Build a scene from the policy before and the policy after; a second VM stays."""
    vault = {"id": VAULT, "name": "rsv-one", "location": "westeurope"}
    document = EstateDocument(
        created_at=WRITTEN,
        as_of=WRITTEN - timedelta(days=1),
        source="azure",
        vaults=(vault,),
        policies=(before,),
        protected_items=(item("app", before["name"]), item("other", before["name"])),
        vms=(machine("app", app="shop"), machine("other", app="shop")),
    )
    inventory = document.inventory(DEFAULT_SERVICE_FROM)
    moved = item("app", after["name"], extendedInfo={"policyInconsistent": False})
    policies = (after,) if edit else (before, after)
    update = {"policies": policies, "protected_items": (moved, item("other", before["name"]))}
    change: Change = ReassignItem(
        vault_id=VAULT,
        item_id=moved["id"],
        vm=vm_id("app"),
        policy_today=before["name"],
        policy_today_id=before["id"],
        policy=after["name"],
        policy_id=after["id"].upper(),
    )
    if edit:
        change = EditPolicy(
            vault_id=VAULT,
            policy=after["name"],
            policy_id=after["id"],
            start_today="23:00",
            start=start,
            properties=after["properties"],
        )
    sample = small_estate.make_inventory(4)
    schedule = (entry(inventory, "app", after["name"], start), entry(inventory, "other", before["name"], "23:00"))
    plan = small_estate.make_plan(sample, small_estate.make_risk(sample)).model_copy(
        update={"schedule": schedule, "changes": (change,), "rules": Rules()}
    )
    return Scene(plan, inventory, CountingService(document.model_copy(update=update)))


@pytest.fixture
def scene() -> Scene:
    """Build the usual scene: daily at 23:00 UTC, now at 03:00."""
    return make_scene(standard_policy("nightly", "23:00"), standard_policy("nightly-0300", "03:00"), "03:00")


def kinds(vm: WatchedVm) -> list[str]:
    """Kinds of the findings of a VM."""
    return [finding.kind for finding in vm.findings]


NIGHT_BEFORE = job("app", at(16, 23, 40))


def test_a_job_in_its_window_is_fine(scene: Scene) -> None:
    """The first job started 50 minutes after the new start and ended well."""
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 50)))
    assert (found.verdict, found.findings) == ("ok", ())
    assert found.delay_minutes == 50.0
    assert found.longest_gap_hours == pytest.approx(28.17, abs=0.01)  # 16th 23:40 to 18th 03:50
    assert found.rpo_hours == 36


def test_before_its_window_ends_a_vm_is_waited_for(scene: Scene) -> None:
    """Nothing is wrong until two hours and a half after the new start, and the report says until when."""
    found = scene.look_at_vm(at(18, 5, 20), NIGHT_BEFORE)
    assert found.verdict == "waiting"
    assert (found.due_from, found.due_until) == (at(18, 3), at(18, 5, 30))


def test_a_job_in_progress_is_waited_for(scene: Scene) -> None:
    """A job that started in time can still fail."""
    found = scene.look_at_vm(at(18, 4), NIGHT_BEFORE, job("app", at(18, 3, 50), "InProgress"))
    assert (found.verdict, found.job_status) == ("waiting", "InProgress")


def test_no_job_is_an_alarm_and_a_backup_is_offered_only(scene: Scene) -> None:
    """The command is spelled out, quoted for a shell, and nothing is written."""
    found = scene.look_at_vm(at(18, 6), NIGHT_BEFORE)
    assert (found.verdict, kinds(found)) == ("alarm", ["no_job"])
    words = shlex.split(found.findings[0].command)
    assert words[:4] == ["az", "backup", "protection", "backup-now"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options["--container-name"] == "IaasVMContainer;iaasvmcontainerv2;rg-app;app"
    assert options["--item-name"] == "VM;iaasvmcontainerv2;rg-app;app"
    assert options["--vault-name"] == "rsv-one"
    assert options["--resource-group"] == "rg-backup"
    assert options["--retain-until"] == "20-03-2026"
    assert ";" not in found.findings[0].command.replace("'IaasVMContainer;iaasvmcontainerv2;rg-app;app'", "").replace(
        "'VM;iaasvmcontainerv2;rg-app;app'", ""
    )
    assert not scene.service.accepted


def test_a_job_at_the_old_time_says_that_the_policy_is_not_in_force(scene: Scene) -> None:
    """The night after the change brings a job at 23:20 and none at 03:00."""
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(17, 23, 20)))
    assert kinds(found) == ["old_time"]
    assert found.findings[0].command.startswith("az backup policy show --name nightly-0300")


def test_one_last_job_at_the_old_time_is_forgiven(scene: Scene) -> None:
    """What happens on the day of the change is not documented: once the new time is kept all is well."""
    jobs = (NIGHT_BEFORE, job("app", at(17, 23, 20)), job("app", at(18, 3, 10)))
    assert kinds(scene.look_at_vm(at(18, 1), *jobs[:2])) == ["old_time"]
    assert scene.look_at_vm(at(18, 9), *jobs).verdict == "ok"


def test_a_late_job_is_told_from_none(scene: Scene) -> None:
    """After an outage Azure starts a job behind its window."""
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 6, 15)))
    assert kinds(found) == ["late"]
    assert "3 h 15 min after its time" in found.reason


def test_a_job_at_no_known_time_is_told(scene: Scene) -> None:
    """Somebody else may have changed the policy."""
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(17, 18, 0)))
    assert kinds(found) == ["off_schedule"]


def test_a_failed_job_is_told_with_its_error(scene: Scene) -> None:
    """The title of the error stands in the alarm, and a backup is offered."""
    details = [{"errorCode": 400000, "errorTitle": "GuestAgentSnapshotTaskStatusError", "errorString": "..."}]
    failed = job("app", at(18, 3, 5), "Failed", errorDetails=details)
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, failed)
    assert kinds(found) == ["job_failed"]
    assert "GuestAgentSnapshotTaskStatusError" in found.reason
    assert "backup-now" in found.findings[0].command


def test_what_was_missed_once_becomes_a_remark(scene: Scene) -> None:
    """The first night had no job, the second had one: the alarm is over."""
    scene.own["lastRecoveryPoint"] = "2026-02-17T12:00:00Z"
    found = scene.look_at_vm(at(19, 9), NIGHT_BEFORE, job("app", at(19, 3, 10)))
    assert kinds(found) == ["gap"]  # 39 h without a point: that stays said
    assert found.remarks == ("no job in time for the run of 2026-02-18 03:00 UTC",)


def test_backups_that_people_start_are_not_the_schedule_but_count_for_the_rpo(scene: Scene) -> None:
    """An on-demand backup does not show that the new start works; it is a recovery point all the same."""
    found = scene.look_at_vm(at(19, 13), NIGHT_BEFORE, job("app", at(18, 8), isUserTriggered=True))
    assert kinds(found) == ["no_job"]
    assert found.longest_gap_hours == pytest.approx(32.33, abs=0.01)


def test_jobs_of_others_and_other_operations_do_not_count(scene: Scene) -> None:
    """A restore, and the backup of another VM, are no job of this one."""
    found = scene.look_at_vm(
        at(18, 9), NIGHT_BEFORE, job("other", at(18, 3, 5)), job("app", at(18, 3, 6), operation="Restore")
    )
    assert kinds(found) == ["no_job"]


def test_a_job_that_states_only_the_name_of_its_vm_is_its_job(scene: Scene) -> None:
    """Jobs of older answers have no container; the name is enough where one VM of the vault has it."""
    mine = {"containerName": None, "entityFriendlyName": "APP"}
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 50), **mine))
    assert (found.verdict, found.findings) == ("ok", ())
    failed = job("app", at(18, 3, 50), "Failed", **mine)
    assert kinds(scene.look_at_vm(at(18, 9), NIGHT_BEFORE, failed)) == ["job_failed"]


NAMELESS = {"containerName": None}


def test_a_job_without_a_name_is_no_false_alarm(scene: Scene) -> None:
    """A job in time that names no VM may be the one that is missing: nothing is known, and nothing is alarmed."""
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 50), **NAMELESS))
    assert (found.verdict, kinds(found)) == ("unknown", ["unclear_jobs"])
    assert found.reason.startswith("no job that names this VM started in time for the run of 2026-02-18 03:00 UTC")
    late = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 8), **NAMELESS))
    assert kinds(late) == ["no_job"], "a job at another time says nothing about the run"


def test_an_item_that_states_its_last_backup_claims_the_job_without_a_name(scene: Scene) -> None:
    """The time of the item's last backup tells whose the job is; another time does not."""
    scene.own["lastBackupTime"] = "2026-02-18T03:50:04Z"
    jobs = (NIGHT_BEFORE, job("app", at(18, 3, 50), **NAMELESS))
    assert scene.look_at_vm(at(18, 9), *jobs).verdict == "ok"
    scene.own["lastBackupTime"] = "2026-02-16T23:40:00Z"
    assert scene.look_at_vm(at(18, 9), *jobs).verdict == "unknown"


def test_a_gap_that_a_job_without_a_name_may_have_closed_is_not_certain(scene: Scene) -> None:
    """A recovery point that may be the VM's is no proof of a gap, nor of its absence."""
    maybe = job("app", at(17, 23, 0), **NAMELESS)
    found = scene.look_at_vm(at(18, 14), NIGHT_BEFORE, maybe, job("app", at(18, 3, 10), "Failed"))
    assert kinds(found) == ["job_failed", "unclear_jobs"]
    assert "unless a job that does not name its VM was this VM's" in found.findings[1].what


def test_a_gap_above_the_rpo_is_an_alarm_before_any_job_is_missed(scene: Scene) -> None:
    """A rule asks for 27 hours; the last point is older."""
    rules = Rules(rule=(Rule(name="strict", rpo_hours=27.0),))
    found = scene.look_at_vm(at(18, 4), NIGHT_BEFORE, rules=rules)
    assert kinds(found) == ["gap"]
    assert "no recovery point since 2026-02-16 23:40 UTC, 28 h 20 min ago; the limit is 27 h" in found.reason


def test_a_date_that_means_never_is_no_recovery_point(scene: Scene) -> None:
    """Azure writes 2001 where there was no backup yet."""
    scene.own["lastRecoveryPoint"] = "2001-01-01T00:00:00Z"
    assert scene.look_at_vm(at(17, 16)).longest_gap_hours is None


def change(**properties: Any) -> Callable[[Scene], None]:
    """Change the item in the service."""
    return lambda scene: scene.own.update(properties)


def remove(scene: Scene) -> None:
    """Remove the item from the service."""
    scene.service.items = {key: one for key, one in scene.service.items.items() if not key.endswith(";app")}


def edit_policy(scene: Scene) -> None:
    """Set the policy to another time."""
    other = standard_policy("nightly-0300", "01:00")
    scene.service.policies[other["id"].lower()] = other


def drop_policy(scene: Scene) -> None:
    """Delete the policy."""
    del scene.service.policies[policy_id("nightly-0300").lower()]


@pytest.mark.parametrize(
    ("disturb", "kind", "words"),
    [
        (change(policyId=policy_id("nightly")), "other_policy", "under policy nightly, not under nightly-0300"),
        (change(policyId=""), "not_protected", "its protection is stopped"),
        (change(extendedInfo={"policyInconsistent": True}), "inconsistent", "does not follow its policy"),
        (change(protectionState="ProtectionError"), "state", "ProtectionError"),
        (change(isScheduledForDeferredDelete=True), "state", "soft-deleted"),
        (remove, "not_protected", "no longer protected"),
        (edit_policy, "policy_time", "is set to 01:00, the plan says 03:00"),
        (drop_policy, "policy_time", "is not in the vault"),
    ],
)
def test_what_is_wrong_with_item_or_policy_is_told(
    scene: Scene, disturb: Callable[[Scene], None], kind: str, words: str
) -> None:
    """Even where the first job came in time; of a VM that is otherwise fine, only a deep look finds inconsistency."""
    disturb(scene)
    scene.deep = kind == "inconsistent"
    found = scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 5)))
    assert (found.verdict, kinds(found)) == ("alarm", [kind])
    assert words in found.findings[0].what
    assert found.findings[0].advice


def test_ids_are_compared_without_regard_to_case(scene: Scene) -> None:
    """Azure answers in other capitals than it was asked."""
    scene.own["policyId"] = scene.own["policyId"].upper()
    assert scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 5))).verdict == "ok"


@pytest.mark.parametrize(
    ("jobs", "deep", "asked"),
    [
        ((NIGHT_BEFORE, job("app", at(18, 3, 5))), False, ["items", "jobs", "policies"]),
        ((NIGHT_BEFORE, job("app", at(18, 3, 5))), True, ["item", "items", "jobs", "policies"]),
        ((NIGHT_BEFORE,), False, ["item", "items", "jobs", "policies"]),
        ((NIGHT_BEFORE, job("app", at(18, 3, 5), "Failed")), False, ["item", "items", "jobs", "policies"]),
    ],
    ids=["on time", "on time, deep", "missing", "failed"],
)
def test_a_single_item_is_asked_for_only_if_something_is_wrong(
    scene: Scene, jobs: tuple[Resource, ...], deep: bool, asked: list[str]
) -> None:
    """Lists are read once per vault; two VMs are in it, and only the one that was moved is ever asked for."""
    scene.deep = deep
    report = scene.look(at(18, 9), *jobs)
    assert sorted(scene.service.asked) == asked
    assert (len(report.vms), report.not_written) == (1, 0)


def test_a_vm_that_is_waited_for_is_not_asked_for(scene: Scene) -> None:
    """Right after a change every VM waits for its first job: that alone is nothing wrong."""
    assert scene.look_at_vm(at(17, 18), NIGHT_BEFORE).verdict == "waiting"
    assert "item" not in scene.service.asked


def test_a_missing_job_is_explained_by_the_extended_info(scene: Scene) -> None:
    """Where a job is missing, the item is read, and its inconsistency is part of the alarm."""
    scene.own["extendedInfo"] = {"policyInconsistent": True}
    assert set(kinds(scene.look_at_vm(at(18, 9), NIGHT_BEFORE))) == {"inconsistent", "no_job"}


def test_requests_do_not_grow_with_the_number_of_vms() -> None:
    """90 VMs that are fine take as many requests as the pages of three lists; two without a job take one more each."""
    names = [f"app-{n:02d}" for n in range(90)]
    policy = standard_policy("nightly", "23:00", items=90)
    found = world([policy], dict.fromkeys(names, "nightly"), dict.fromkeys(names, "03:00"), Rules())
    changes = found.diff().changes
    document = apply_in_memory(ready_of(found).document, changes)
    after = {one["id"].rpartition(";")[2]: one for one in document.protected_items}
    sample = small_estate.make_inventory(4)
    schedule = [
        entry(found.inventory, name, after[name]["properties"]["policyId"].rpartition("/")[2], "03:00")
        for name in names
    ]
    plan = small_estate.make_plan(sample, small_estate.make_risk(sample)).model_copy(
        update={"schedule": tuple(schedule), "changes": changes, "rules": Rules()}
    )
    clock = VirtualClock(WRITTEN)
    moved = {vm_id(name).lower(): WRITTEN for name in names}
    settings = EmulatorSettings(missed_vms=frozenset(vm_id(name) for name in names[:2]), page_size=40)
    counts = []
    with Emulator.of_estate(document, clock=clock, settings=settings) as emulator:
        clock.sleep(timedelta(hours=22).total_seconds())
        for deep in (False, True):
            before = emulator.requests.total()
            with AzureBackupReader(Connection.to_emulator(emulator.endpoint, emulator.ca_file)) as reader:
                report = watch(plan, found.inventory, Moved(moved), reader, clock, deep=deep)
            counts.append(emulator.requests.total() - before)
            assert report.verdicts == {"ok": 88, "waiting": 0, "alarm": 2, "unknown": 0}
    lists = 1 + 3 + 3  # policies, and 90 items and 88 jobs, 40 a page
    assert counts == [lists + 2, lists + 90]


def test_what_the_service_does_not_tell_is_unknown(scene: Scene) -> None:
    """A failed request is neither fine nor an alarm, and somebody has to look again."""
    scene.service.refusal, scene.deep = UncertainError("the service does not answer"), True
    report = scene.look(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 5)))
    assert report.verdicts == {"ok": 0, "waiting": 0, "alarm": 0, "unknown": 1}
    assert report.alarms
    assert kinds(report.vms[0]) == ["request_failed"]


def test_without_a_sign_in_nothing_is_watched(scene: Scene) -> None:
    """It is the user's to mend, not a finding of each VM."""
    scene.service.refusal = AuthError("not signed in")
    with pytest.raises(AuthError):
        scene.look(at(18, 9))  # no job: the item is asked for


@dataclass
class UnreachableService(CountingService):
    """No vault can be read."""

    error: CloudError = field(default_factory=lambda: UncertainError("cannot list the jobs: no connection"))

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Fail."""
        del vault_id, since, until
        raise self.error


@pytest.mark.parametrize("error", [UncertainError("no connection"), NotFoundError("gone"), ForbiddenError("no right")])
def test_without_any_vault_there_is_one_error(error: CloudError) -> None:
    """If no vault can be read, nothing is known about any VM: one message, and no report full of alarms."""
    scene = make_scene(standard_policy("nightly", "23:00"), standard_policy("nightly-0300", "03:00"), "03:00")
    service = UnreachableService(scene.service.document, error=error)
    moved = {vm_id("app").lower(): WRITTEN}
    with pytest.raises(type(error), match=str(error)):
        watch(scene.plan, scene.inventory, Moved(moved), service, VirtualClock(at(18, 9)))


def test_a_vm_that_somebody_else_moved_is_watched(scene: Scene) -> None:
    """It counts as found in place, not as one that is still to be written."""
    scene.service.jobs = [NIGHT_BEFORE, job("app", at(18, 3, 5))]
    vms = {vm_id("app").lower(): WRITTEN}
    report = watch(scene.plan, scene.inventory, Moved(vms, found=vms), scene.service, VirtualClock(at(18, 9)))
    assert (report.not_written, report.found_in_place) == (0, 1)
    assert (report.vms[0].found_in_place, report.vms[0].verdict) == (True, "ok")
    assert json.loads(report.model_dump_json())["found_in_place"] == 1


def test_vms_that_were_not_written_yet_are_counted() -> None:
    """Nothing is asked about them."""
    scene = make_scene(standard_policy("nightly", "23:00"), standard_policy("nightly-0300", "03:00"), "03:00")
    report = watch(scene.plan, scene.inventory, Moved({}), scene.service, VirtualClock(at(18, 9)))
    assert (report.vms, report.not_written, scene.service.asked) == ((), 1, [])
    assert not report.is_over


def test_an_edited_policy_is_watched_like_a_new_one() -> None:
    """The VM keeps its policy, whose time is another now."""
    scene = make_scene(standard_policy("nightly", "23:00"), standard_policy("nightly", "03:00"), "03:00", edit=True)
    assert scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, 3, 5))).verdict == "ok"
    assert kinds(scene.look_at_vm(at(18, 9), NIGHT_BEFORE)) == ["no_job"]


@pytest.mark.parametrize(
    ("start", "verdict"), [((1, 30), "ok"), ((4, 10), "ok"), ((4, 40), "alarm"), ((0, 50), "alarm")]
)
def test_a_zone_that_changes_its_clock_is_read_both_ways(start: tuple[int, int], verdict: str) -> None:
    """03:00 in Berlin is 02:00 UTC in winter, and 01:00 where Azure keeps summer time."""
    berlin = "W. Europe Standard Time"
    scene = make_scene(
        standard_policy("nightly", "23:00", zone=berlin),
        standard_policy("nightly-0300", "03:00", zone=berlin),
        "03:00",
    )
    assert scene.look_at_vm(at(18, 9), NIGHT_BEFORE, job("app", at(18, *start))).verdict == verdict


def test_hourly_windows_are_watched_run_by_run() -> None:
    """From 08:00 to 09:30 every four hours: runs that have ended count, one in progress takes nothing from them."""
    scene = make_scene(hourly_policy("every-four", "08:00", 2), hourly_policy("every-four-0930", "09:30", 1), "09:30")
    jobs = [job("app", at(18, 9, 40)), job("app", at(18, 13, 45)), job("app", at(18, 17, 35), "InProgress")]
    found = scene.look_at_vm(at(18, 18), job("app", at(17, 12, 5)), *jobs)
    assert (found.verdict, found.job_status) == ("ok", "Completed")
    assert scene.look_at_vm(at(18, 17, 20), job("app", at(17, 12, 5)), *jobs[:2]).verdict == "ok"
    assert kinds(scene.look_at_vm(at(18, 20, 30), job("app", at(17, 12, 5)), *jobs[:2])) == ["no_job"]


def test_a_report_is_json_with_its_counts(scene: Scene) -> None:
    """Pipelines read the verdicts, and every VM with its findings."""
    text = scene.look(at(18, 9), NIGHT_BEFORE).model_dump_json()
    assert '"verdicts":{"ok":0,"waiting":0,"alarm":1,"unknown":0}' in text
    assert '"kind":"no_job"' in text

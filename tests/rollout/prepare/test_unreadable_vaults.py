"""A vault that is gone, forbidden or silent never blocks the other vaults."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import AuthError, CloudError, ForbiddenError, NotFoundError, StalePlanError, UncertainError
from optimizer.journal import DoneRecord, Journal, Record, read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.ports import Resource
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.watch.watch import Moved, watch
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.azure_rollouts import of_two_vaults, ready_of
from tests.rollout.conftest import PACE, prepare_back, run
from tests.rollout.fake_service import FakeService, Killed
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, world

GONE = NotFoundError("list the policies of vault: ResourceNotFound (404)")
FORBIDDEN = ForbiddenError("list the policies of vault: AuthorizationFailed (403)")
SILENT = UncertainError("list the policies of vault: no answer in 60 s")
SIGNED_OUT = AuthError("list the policies of vault: the sign-in was refused (401)")
READS = ("list_policies", "list_items", "get_policy", "get_item", "vault_settings", "running_jobs")


@dataclass
class Guarded(FakeService):
    """A service in which some vaults cannot be read.

    Parameters
    ----------
    errors
        What each read of a vault raises, by vault id.
    reads
        The reads that are refused.
    """

    errors: dict[str, CloudError] = field(default_factory=dict)
    reads: tuple[str, ...] = READS
    asked: list[str] = field(default_factory=list)

    def _check(self, read: str, arm_id: str) -> None:
        self.asked.append(arm_id.lower())
        for vault_id, error in self.errors.items():
            if read in self.reads and (arm_id.lower() + "/").startswith(vault_id.lower() + "/"):
                raise error

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        self._check("list_policies", vault_id)
        return super().list_policies(vault_id)

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault."""
        self._check("list_items", vault_id)
        return super().list_items(vault_id)

    def get_policy(self, policy_id: str) -> Resource | None:
        """A policy."""
        self._check("get_policy", policy_id)
        return super().get_policy(policy_id)

    def get_item(self, item_id: str) -> Resource | None:
        """An item."""
        self._check("get_item", item_id)
        return super().get_item(item_id)

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs in progress."""
        self._check("running_jobs", vault_id)
        return super().running_jobs(vault_id)

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """A vault and what is attached to it."""
        self._check("vault_settings", vault_id)
        return super().vault_settings(vault_id)


def only(*texts: str) -> RunScope:
    return RunScope(only=tuple(parse_filter(text) for text in texts))


@pytest.mark.parametrize("error", [GONE, FORBIDDEN, SILENT, SIGNED_OUT], ids=["404", "403", "silent", "401"])
@pytest.mark.parametrize("read", ["list_policies", "list_items"])
def test_the_other_vault_is_offered_and_can_be_applied(error: CloudError, read: str, tmp_path: Path) -> None:
    """Exit code 4 with the vault, the reason and the command for the rest; that command then moves its VMs."""
    ready = ready_of(of_two_vaults())
    service = Guarded(ready.document, errors={SECOND_VAULT: error}, reads=(read,))
    clock = VirtualClock(NOW)
    with pytest.raises(StalePlanError) as caught:
        run(ready, service, tmp_path, clock=clock)
    assert caught.value.exit_code == 4
    assert f"vault rsv-two cannot be read: {error}" in str(caught.value)
    assert f"backup-optimizer apply {ready.plan_path}" in str(caught.value)
    assert "plan.journal.jsonl --only vault=rsv-one\n" in str(caught.value)
    assert not service.accepted
    service.reads = READS
    service.asked.clear()
    assert run(ready, service, tmp_path, clock=clock, scope=only("vault=rsv-one")).complete
    assert {name.rpartition("/")[2].rpartition(";")[2] for name in service.order} == {"first-0200", "one-0"}
    assert not [arm_id for arm_id in service.asked if arm_id.startswith(SECOND_VAULT.lower())]


def test_the_offered_command_is_as_narrow_as_the_refused_one(tmp_path: Path) -> None:
    """Selectors of VMs and services, the maximum and the pilot stay; only the vaults are replaced."""
    ready = ready_of(of_two_vaults())
    service = Guarded(ready.document, errors={SECOND_VAULT: GONE})
    scope = replace(only("vault=rsv-*", "vm=*-0"), max_moves=2, wave_percent=50)
    with pytest.raises(StalePlanError) as caught:
        run(ready, service, tmp_path, clock=VirtualClock(NOW), scope=scope)
    assert "--only vault=rsv-one --only 'vm=*-0' --max-moves 2 --wave 50\n" in str(caught.value)


@pytest.mark.parametrize("error", [GONE, FORBIDDEN], ids=["404", "403"])
def test_where_no_vault_can_be_written_the_plan_is_stale(error: CloudError, tmp_path: Path) -> None:
    """A plan whose only selected vault is gone or forbidden ends with exit code 4 and no offer."""
    ready = ready_of(of_two_vaults())
    service = Guarded(ready.document, errors={SECOND_VAULT: error})
    with pytest.raises(StalePlanError, match="no part of the plan can be carried out"):
        run(ready, service, tmp_path, clock=VirtualClock(NOW), scope=only("vault=rsv-two"))


@pytest.mark.parametrize("error", [SILENT, SIGNED_OUT], ids=["silent", "401"])
def test_where_azure_cannot_be_asked_nothing_is_called_stale(error: CloudError, tmp_path: Path) -> None:
    """Without a single answer the error itself is reported: nothing is known about the plan."""
    ready = ready_of(of_two_vaults())
    service = Guarded(ready.document, errors={VAULT: error, SECOND_VAULT: error})
    with pytest.raises(type(error), match=str(error)[:20]):
        run(ready, service, tmp_path, clock=VirtualClock(NOW))


def test_settings_that_cannot_be_read_are_a_remark(tmp_path: Path) -> None:
    """Without the right to read locks a plan is applied; the remark names the vault and the reason."""
    ready = ready_of(of_two_vaults())
    service = Guarded(ready.document, errors={SECOND_VAULT: FORBIDDEN}, reads=("vault_settings",))
    assert run(ready, service, tmp_path, clock=VirtualClock(NOW)).complete


def test_vaults_of_one_name_are_offered_by_their_ids(tmp_path: Path) -> None:
    """Where two vaults have the same name, the offered selector is the ARM id and selects one vault only."""
    namesake = SECOND_VAULT.replace("rg-backup", "rg-other").replace("rsv-two", "rsv-one")
    assert namesake != VAULT
    policies = [
        standard_policy("first", "23:00", items=1),
        standard_policy("second", "23:00", items=1, vault=namesake),
    ]
    found = world(policies, {"one-0": "first", "two-0": "second"}, {"one-0": "02:00", "two-0": "03:00"}, Rules())
    ready = ready_of(found)
    service = Guarded(ready.document, errors={namesake: GONE})
    with pytest.raises(StalePlanError) as caught:
        run(ready, service, tmp_path, clock=VirtualClock(NOW))
    assert f"--only vault={VAULT}" in str(caught.value)
    run(ready, service, tmp_path, clock=VirtualClock(NOW), scope=only(f"vault={VAULT}"))
    assert [name for name in service.order if "two-0" in name] == []
    assert len(service.order) == 1


def take_back(prepared: Prepared, service: FakeService, folder: Path, clock: VirtualClock) -> RunOutcome:
    until = latest_end(prepared.rollout, clock.now())
    return carry_out(prepared, Session(service, clock, Ledger(folder / "state")), until=until, pace=PACE)


def policy_of(service: FakeService, vm: str) -> str:
    (item,) = (one for one in service.items.values() if one["id"].endswith(f";{vm}"))
    return str(item["properties"]["policyId"]).rpartition("/")[2]


@pytest.mark.parametrize("error", [GONE, FORBIDDEN, SILENT], ids=["404", "403", "silent"])
def test_a_rollback_takes_back_the_vaults_that_can_be_read(error: CloudError, tmp_path: Path) -> None:
    """The way back is offered for the other vault; once the first can be read again, the rest is taken back too."""
    ready = ready_of(of_two_vaults())
    service, clock = Guarded(ready.document), VirtualClock(NOW)
    assert run(ready, service, tmp_path, clock=clock).complete
    service.errors = {SECOND_VAULT: error}
    with pytest.raises(StalePlanError, match=r"backup-optimizer rollback \S+ .*--only vault=rsv-one\n"):
        prepare_back(ready, service, tmp_path, clock)
    one = parse_filter("vault=rsv-one")
    prepared = prepare_back(ready, service, tmp_path, clock, one)
    assert any("1 more VM stays at the new time" in remark for remark in prepared.remarks)
    assert take_back(prepared, service, tmp_path, clock).complete
    assert (policy_of(service, "one-0"), policy_of(service, "two-0")) == ("first", "second-0300")
    service.errors = {}
    everything = prepare_back(ready, service, tmp_path, clock, parse_filter("vm=*"), resume=True)
    assert take_back(everything, service, tmp_path, clock).complete
    assert (policy_of(service, "one-0"), policy_of(service, "two-0")) == ("first", "second")


def test_a_partial_rollback_deletes_the_policies_of_its_part(tmp_path: Path) -> None:
    """With --only and --delete-created, only created policies that the part leaves empty are deleted."""
    ready = ready_of(of_two_vaults())
    service, clock = FakeService(ready.document), VirtualClock(NOW)
    assert run(ready, service, tmp_path, clock=clock).complete
    prepared = prepare_back(ready, service, tmp_path, clock, parse_filter("vm=one-*"), delete=True)
    assert take_back(prepared, service, tmp_path, clock).complete
    assert {key.rpartition("/")[2] for key in service.policies} == {"first", "second", "second-0300"}


class _Forgetful(Journal):
    """A journal whose process dies before it records that the last item was written."""

    def append(self, record: Record) -> None:
        """Die instead of recording the end of the write of the second vault's VM."""
        if isinstance(record, DoneRecord) and "two-0" in str((record.after or {}).get("id")):
            raise Killed
        super().append(record)


def test_an_open_end_in_an_unreadable_vault_does_not_block_the_others(tmp_path: Path) -> None:
    """A write with an unknown outcome in a forbidden vault is reported, and the other vault is taken back."""
    ready = ready_of(of_two_vaults())
    service, clock = Guarded(ready.document), VirtualClock(NOW)
    with pytest.raises(Killed):
        run(ready, service, tmp_path, clock=clock, journal_of=_Forgetful)
    service.errors = {SECOND_VAULT: FORBIDDEN}
    with pytest.raises(StalePlanError, match="vault rsv-two cannot be read"):
        prepare_back(ready, service, tmp_path, clock)
    prepared = prepare_back(ready, service, tmp_path, clock, parse_filter("vault=rsv-one"))
    assert take_back(prepared, service, tmp_path, clock).complete
    assert policy_of(service, "one-0") == "first"


@pytest.mark.parametrize("error", [GONE, FORBIDDEN, SILENT, SIGNED_OUT], ids=["404", "403", "silent", "401"])
def test_a_watch_reports_the_vaults_that_can_be_read(error: CloudError, tmp_path: Path) -> None:
    """VMs of an unreadable vault are unknown, with the reason; those of the other vault are watched."""
    ready = ready_of(of_two_vaults())
    service, clock = Guarded(ready.document), VirtualClock(NOW)
    assert run(ready, service, tmp_path, clock=clock).complete
    moved = state_of(read_journal(tmp_path / "plan.journal.jsonl")).moved_at()
    service.errors = {SECOND_VAULT: error}
    shown = {"policy": "of the plan", "timezone": "UTC"}
    schedule = tuple(entry.model_copy(update=shown) for entry in ready.plan.schedule)
    report = watch(ready.plan.model_copy(update={"schedule": schedule}), ready.inventory, Moved(moved), service, clock)
    verdicts = {vm.vm.rpartition("/")[2]: (vm.verdict, vm.reason) for vm in report.vms}
    assert verdicts["two-0"] == ("unknown", str(error))
    assert verdicts["one-0"][0] == "waiting"


def test_answers_with_nulls_are_compared(tmp_path: Path) -> None:
    """Policies and items that come without properties or with null are reported as changed, without a traceback."""
    ready = ready_of(of_two_vaults())

    def broken(resource: Resource) -> dict[str, Any]:
        return {**copy.deepcopy(resource), "properties": None}

    service = Guarded(ready.document)
    service.policies = {key: broken(one) if "rsv-two" in key else one for key, one in service.policies.items()}
    with pytest.raises(StalePlanError, match="policy 'second' was changed"):
        run(ready, service, tmp_path, clock=VirtualClock(NOW))

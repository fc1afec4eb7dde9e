"""A stale plan offers what can still be carried out, as commands that can be pasted."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from optimizer.errors import StalePlanError
from optimizer.journal import Commands
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.rollout.prepare.freshness import Freshness
from optimizer.rollout.prepare.offers import Offers, unique_names
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from tests.plan.estates import policy_id
from tests.rollout.azure_rollouts import of_two_vaults, ready_of
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, SECOND_VAULT

COMMANDS = Commands(Path("my plan.json"), Path("my plan.journal.jsonl"), first=("--approved-by", "Change board"))


def commands_in(message: str) -> list[list[str]]:
    """The commands of a message, as a shell reads them."""
    return [shlex.split(line) for line in message.splitlines() if line.startswith("    backup-optimizer ")]


def scope_of(words: list[str]) -> RunScope:
    """The part of the plan that a command selects."""
    only = [words[place + 1] for place, word in enumerate(words) if word == "--only"]
    return RunScope(tuple(parse_filter(text) for text in only))


def names_of(scope: RunScope) -> set[str]:
    return {one.pattern.rpartition("/")[2] for one in scope.only}


def move_away(service: FakeService, name: str) -> None:
    key = next(key for key in service.items if key.endswith(f";{name}"))
    service.items[key]["properties"]["policyId"] = policy_id("nobody-else")


def test_the_part_for_other_vaults_is_offered() -> None:
    """Where one of two vaults changed, the message gives the whole command for the other."""
    freshness = Freshness({ArmId("/x/vaults/one"): ["policy 'p' is gone"]}, {}, (ArmId("/x/vaults/two"),))

    def again(*words: str, resume: bool) -> str:
        return COMMANDS.apply(*COMMANDS.first, *words, resume=resume)

    with pytest.raises(StalePlanError) as caught:
        freshness.require("plan", offers=Offers(freshness, RunScope(), again, resume=False).of_vaults())
    (command,) = commands_in(str(caught.value))
    assert command[1:] == ["apply", "my plan.json", "--approved-by", "Change board", "--only", "vault=two"]


@pytest.mark.parametrize("narrow", [(), ("vm=*", "vault=rsv-one")], ids=["whole", "selected"])
def test_the_other_vms_of_a_changed_vault_are_offered(planned: Ready, tmp_path: Path, narrow: tuple[str, ...]) -> None:
    """One VM that somebody moved does not hold up the others: the offered command moves all of them, and only them."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    touched = next(write for write in planned.writes if write.kind == "reassign_item")
    move_away(service, touched.name)
    scope = RunScope(tuple(map(parse_filter, narrow)))
    with pytest.raises(StalePlanError) as caught:
        run(planned, service, tmp_path, clock=clock, scope=scope)
    assert not service.order
    (command,) = commands_in(str(caught.value))
    others = {vm.rpartition("/")[2] for write in planned.writes for vm in write.vms} - {touched.name}
    offered = scope_of(command)
    assert names_of(offered) - {"rsv-one"} == others
    assert run(planned, service, tmp_path, clock=clock, scope=offered).complete
    moved = {key for key, one in service.items.items() if "nobody-else" in one["properties"]["policyId"]}
    assert len(moved) == 1


def test_vms_of_a_changed_policy_are_not_offered(planned: Ready, tmp_path: Path) -> None:
    """A VM depends on the policy that it leaves; what is offered is accepted as it is."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    left = next(write.policy_before for write in planned.writes if write.kind == "reassign_item")
    service.policies[left.lower()]["properties"]["timeZone"] = "Tokyo Standard Time"
    with pytest.raises(StalePlanError) as caught:
        run(planned, service, tmp_path, clock=clock)
    leaving = {write.name for write in planned.writes if write.policy_before == left}
    for command in commands_in(str(caught.value)):
        assert not names_of(scope_of(command)) & leaving
        assert run(planned, service, tmp_path, clock=clock, scope=scope_of(command)).complete


def test_a_vm_with_a_namesake_is_offered_by_its_id(planned: Ready) -> None:
    """``--only vm=NAME`` would take both."""
    moves = [write for write in planned.writes if write.kind == "reassign_item"]
    (vm_id,) = moves[1].vms
    double = {"id": vm_id.replace("/resourceGroups/", "/resourceGroups/elsewhere-"), "name": moves[1].name}
    document = planned.document.model_copy(update={"vms": (*planned.document.vms, double)})
    assert vm_id.lower() not in unique_names(document)
    assert vm_id.lower() in unique_names(planned.document)


def test_a_vault_that_holds_and_vms_of_another_are_two_commands(tmp_path: Path) -> None:
    """Selectors of two kinds must both match, so there are two commands; the second goes on with the journal."""
    ready = ready_of(of_two_vaults())
    service, clock = FakeService(ready.document), VirtualClock(NOW)
    service.policies[policy_id("second", SECOND_VAULT).lower()]["properties"]["timeZone"] = "UTC-11"
    with pytest.raises(StalePlanError) as caught:
        run(ready, service, tmp_path, clock=clock)
    first, *rest = commands_in(str(caught.value))
    assert names_of(scope_of(first)) == {"rsv-one"}
    assert all("--resume" in words for words in rest)


def test_commands_carry_what_they_need() -> None:
    """Journal, plan, estate, cloud and emulator, wherever they are not what the command would find by itself."""
    beside = Commands(Path("a/plan.json"), Path("a/plan.journal.jsonl"))
    assert beside.apply() == "backup-optimizer apply a/plan.json --resume"
    assert beside.watch() == "backup-optimizer watch a/plan.json"
    assert beside.rollback() == "backup-optimizer rollback a/plan.journal.jsonl"
    place = {"estate": ("--estate", "my estate"), "service": ("--emulator", "https://127.0.0.1:8443")}
    apart = replace(beside, journal=Path("b/x.jsonl"), **place, writing=("--guard-request",))
    tail = "--estate 'my estate' --emulator https://127.0.0.1:8443"
    writes = f"{tail} --guard-request"
    assert apart.apply() == f"backup-optimizer apply a/plan.json --journal b/x.jsonl --resume {writes}"
    assert apart.watch() == f"backup-optimizer watch a/plan.json --journal b/x.jsonl {tail}"
    assert apart.rollback() == f"backup-optimizer rollback b/x.jsonl --plan a/plan.json {writes}"
    deleting = replace(apart, returning=("--delete-created",))
    assert deleting.resume("rollback").startswith(
        "backup-optimizer rollback b/x.jsonl --plan a/plan.json --resume --delete-created --estate"
    )

"""The commands that talk to Azure, as a user calls them, against an emulator that goes by the same clock."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.cells import cell_len

from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.documents.plan_file import read_plan
from optimizer.emulator import Emulator
from optimizer.estate.folder import open_estate
from optimizer.model.clock import VirtualClock
from optimizer.ports import Clock
from tests.azure.clouds import subscriptions_of
from tests.cli.command_line import Answer, run

EFFORT = ("--effort", 1)


@dataclass(frozen=True)
class World:
    """An emulated Azure, and a planner's folder with what was pulled from it and a plan."""

    emulator: Emulator
    folder: Path
    clock: Clock

    @property
    def azure(self) -> tuple[object, ...]:
        """Options that lead to the emulator."""
        return ("--emulator", self.emulator.endpoint, "--ca-file", self.emulator.ca_file)

    def run(self, *args: object) -> Answer:
        """Run a command that talks to Azure."""
        return run(*args, *self.azure, clock=self.clock)

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.folder / "plan.json"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Pull and plan an emulated estate of forty VMs."""
    folder = tmp_path_factory.mktemp("world")
    generate_demo(folder / "truth", vms=40, weeks=3)
    truth, clock = open_estate(folder / "truth"), VirtualClock(DEMO_AS_OF - timedelta(hours=12))
    jobs = truth.jobs().filter(pl.col("start") < clock.now())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BACKUP_OPTIMIZER_STATE", str(folder / "state"))
        with Emulator.of_estate(truth.document, clock=clock, load=truth.load, jobs=jobs) as emulator:
            world = World(emulator, folder, clock)
            scope = [word for name in subscriptions_of(truth.document) for word in ("--subscription", name)]
            pulled = world.run("pull", *scope, "--out", folder / "estate", "--days", 20)
            assert pulled.code == 0, pulled
            narrow(pulled.out)
            assert run("plan", folder / "estate", "--out", world.plan, *EFFORT).code == 0
            yield world


def narrow(text: str) -> None:
    """Every line fits into 100 columns."""
    wide = [line for line in text.splitlines() if cell_len(line) > 100]
    assert not wide, wide


@pytest.mark.thorough
def test_a_second_pull_appends(world: World) -> None:
    """``pull --append`` asks only for what is new, and answers in JSON when asked to."""
    subscriptions = sorted({change.vault_id.split("/")[2] for change in read_plan(world.plan).changes})
    before = world.emulator.requests["metrics"]
    scope = [word for name in subscriptions for word in ("--subscription", name)]
    copy = world.folder / "copy"
    assert world.run("pull", *scope, "--out", copy, "--days", 20).code == 0
    first = world.emulator.requests["metrics"] - before
    answer = world.run("pull", *scope, "--out", copy, "--append", "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["vms"] > 0
    assert world.emulator.requests["metrics"] - before - first <= first / 4


def test_a_rehearsal_of_the_plan_is_flawless(world: World) -> None:
    """``rehearse`` needs no Azure and ends with 0."""
    answer = run("rehearse", world.plan)
    assert answer.code == 0, answer.out
    narrow(answer.out)
    answer = run("rehearse", world.plan, "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    content = json.loads(answer.out)
    assert content["flawless"]
    assert len(content["rollout"]["writes"]) == len(read_plan(world.plan).changes)


def test_a_part_of_the_plan_is_rehearsed(world: World) -> None:
    """``rehearse`` takes the same part of a plan as ``apply``, and is flawless where that part can be carried out."""
    answer = run("rehearse", world.plan, "--max-moves", 2, "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    moved = [vm for write in json.loads(answer.out)["rollout"]["writes"] for vm in write["vms"]]
    assert 0 < len(moved) <= 2


def test_apply_watch_report_and_rollback(world: World) -> None:
    """What was confirmed is written, watched, shown to an auditor and taken back."""
    refused = world.run("apply", world.plan)
    assert refused.code == 2
    assert "pass --yes" in refused.err
    assert not world.emulator.writes

    applied = world.run("apply", world.plan, "--yes", "--approved-by", "bo\x1b[31mard", "--ticket", "CHG1")
    assert applied.code in {0, 5}, applied
    narrow(applied.out)
    journal = world.folder / "plan.journal.jsonl"
    assert world.emulator.writes
    again = world.run("apply", world.plan, "--yes")
    assert again.code == 1
    assert "--resume" in again.err
    assert "from 1 to 32" in world.run("apply", world.plan, "--yes", "--resume", "--workers", "0").err
    resumed = world.run("apply", world.plan, "--yes", "--resume", "--workers", "1", "--format", "json", "--quiet")
    assert resumed.code == applied.code
    done = json.loads(resumed.out)["done"]
    assert len(done) == len(world.emulator.writes)

    for args in (("watch", world.plan), ("rollback", journal, "--yes"), ("apply", world.plan, "--yes", "--resume")):
        _refuses_a_wrong_clock(world, *args)

    watched = world.run("watch", world.plan)
    assert watched.code in {0, 6}
    narrow(watched.out)
    first = json.loads(world.run("watch", world.plan, "--format", "json", "--quiet").out)
    _finds_in_place_what_another_journal_moved(world, first)
    silent = run("watch", world.plan, "--emulator", "https://127.0.0.1:9", *world.azure[2:], clock=world.clock)
    assert (silent.code, silent.out) == (1, "")
    assert silent.err.count("Connection refused") == 1

    shown = run("report", journal)
    assert shown.code == 0
    assert "CHG1" in shown.out
    for answer in (applied, shown):  # what somebody is asked to approve is not repainted by a name
        assert "approved by bo?[31mard" in answer.out and "\x1b" not in answer.out + answer.err
    narrow(shown.out)
    records = json.loads(run("report", journal, "--format", "json").out)
    assert sum(record["record"] == "done" for record in records) == len(done)

    (world.folder / "estate").rename(world.folder / "elsewhere")  # the rollback file stands in for the estate
    back = world.run("rollback", journal, "--yes")
    (world.folder / "elsewhere").rename(world.folder / "estate")
    assert back.code in {0, 5}, back
    narrow(back.out)
    late = world.run("apply", world.plan, "--yes", "--resume")
    assert late.code == 1 or not any(
        record["record"] == "done"
        for record in json.loads(run("report", world.folder / "plan.rollback.jsonl", "--format", "json").out)
    )


def _finds_in_place_what_another_journal_moved(world: World, first: dict[str, Any]) -> None:
    """A second journal of the plan finds what the first one moved; its ``watch`` checks the same VMs."""
    journal = world.folder / "second.jsonl"
    other = ("--journal", journal, "--format", "json", "--quiet")
    assert world.run("apply", world.plan, "--yes", *other).code in {0, 5}
    second = json.loads(world.run("watch", world.plan, *other).out)
    assert {vm["vm"] for vm in second["vms"]} >= {vm["vm"] for vm in first["vms"]}
    assert second["found_in_place"] >= len(first["vms"])
    assert second["not_written"] <= first["not_written"]
    assert first["found_in_place"] == 0


def _refuses_a_wrong_clock(world: World, *args: object) -> None:
    """A machine that is seven hours ahead or behind ends with 1, a message about its clock, and no write."""
    before = len(world.emulator.writes)
    for hours, word in ((7, "ahead of"), (-7, "behind")):
        wrong = VirtualClock(world.clock.now() + timedelta(hours=hours))
        answer = run(*args, *world.azure, clock=wrong)
        assert answer.code == 1, answer
        said = " ".join(answer.err.split())
        assert f"this machine's clock is 7 h {word} the service's" in said
        assert f"then run '{args[0]}' again" in said
        assert ("Nothing was written" in said) == (args[0] != "watch")
    assert len(world.emulator.writes) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("apply", "PLAN", "--only", "colour=red", "--yes"), "allowed: vault=NAME"),
        (("apply", "PLAN", "--only", "vm=nobody", "--journal", "OTHER", "--yes"), "--only vm=nobody matches no VM"),
        (("apply", "PLAN", "--journal", "OTHER", "--resume", "--yes"), "no journal to resume"),
        (("rollback", "PLAN", "--yes"), "not a record of a journal"),
        (("watch", "PLAN", "--journal", "OTHER"), "cannot be read"),
    ],
)
def test_mistakes_are_answered(world: World, args: tuple[str, ...], said: str) -> None:
    """A user's mistake gets a message and exit code 1 (2 for a malformed option), and nothing is written."""
    before = len(world.emulator.writes)
    places = {"PLAN": world.plan, "OTHER": world.folder / "other.jsonl"}
    answer = world.run(*(places.get(word, word) for word in args))
    assert answer.code == (2 if said.startswith("allowed") else 1)
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert len(world.emulator.writes) == before


def test_a_plan_that_was_edited_by_hand_is_refused(world: World, tmp_path: Path) -> None:
    """A plan whose content does not match its own fingerprint is not applied."""
    content = json.loads(world.plan.read_text())
    content["schedule"][0]["start"] = "12:30"
    (tmp_path / "plan.json").write_text(json.dumps(content))
    answer = world.run("apply", tmp_path / "plan.json", "--estate", world.folder / "estate", "--yes")
    assert answer.code == 1
    assert "fingerprint" in answer.err


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com",
        "http://127.0.0.1:8443",
        "127.0.0.1:8443",
        "https://127.0.0.1@example.com",
        "https://example.com\\@127.0.0.1",
        "https://127.0.0.1.example.com",
        "https://127.0.0.1:8443/elsewhere",
        "https://[::1",
    ],
)
def test_an_emulator_elsewhere_is_refused(world: World, address: str) -> None:
    """No token is sent to an address that only claims to be an emulator."""
    answer = run("watch", world.plan, "--emulator", address)
    assert answer.code == 2
    assert "127.0.0.1" in answer.err


def test_the_commands_of_the_next_steps_can_be_pasted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With journal and estate elsewhere, on an emulator, they find the same files and the same service."""
    monkeypatch.setenv("BACKUP_OPTIMIZER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    for name in ("plan.json", "plan.rollback.json"):
        (tmp_path / "my plans").mkdir(exist_ok=True)
        shutil.copy(world.folder / name, tmp_path / "my plans" / name)
    estate, clock = open_estate(world.folder / "estate"), VirtualClock(world.clock.now())
    with Emulator.of_estate(estate.document, clock=clock) as emulator:
        azure = ("--emulator", emulator.endpoint, "--ca-file", emulator.ca_file, "--estate", estate.path)
        first = ("apply", "my plans/plan.json", "--journal", "x.jsonl", "--yes", "--workers", 2, *azure)
        answer = run(*first, "--max-moves", 3, "--format", "json", clock=clock)
        assert answer.code in {0, 5}, answer
        content = json.loads(answer.out)
        commands = [step["command"] for step in content["next"] if step["command"]]
        commands += [remark.partition("\n    ")[2] for remark in content["remarks"] if "\n    " in remark]
        assert {shlex.split(command)[1] for command in commands} == {"apply", "watch", "rollback"}
        for command in sorted(commands, key=lambda one: "rollback" in one):
            program, *words = shlex.split(command)
            assert program == "backup-optimizer"
            done = run(*words, *(() if words[0] == "watch" else ("--yes",)), clock=clock)
            assert done.code in {0, 5, 6}, (command, done)
        shown = run("watch", "my plans/plan.json", "--journal", "x.jsonl", *azure, clock=clock)
        assert shown.code in {0, 6}
        printed = run("report", "x.jsonl").out + run(*first[:2], "--journal", "y.jsonl", *azure, clock=clock).out
        assert not [line for line in printed.splitlines() if "\\" in line and not line.endswith("\\")]
        assert " \\\n" in printed
        text = run(*first, "--resume", clock=clock)
        assert text.code == 1
        assert f"--emulator {emulator.endpoint}" in text.err
        assert "rollback x.jsonl --plan 'my plans/plan.json' --resume" in text.err

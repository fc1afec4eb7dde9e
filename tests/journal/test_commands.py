"""Commands that messages offer for a plan and its journal."""

from __future__ import annotations

import shlex
from pathlib import Path

from optimizer.journal.commands import Commands

PLAN = Path("plans/plan.json")
BESIDE = Path("plans/plan.journal.jsonl")


def test_a_journal_beside_the_plan_is_not_named() -> None:
    """The usual paths need no options."""
    commands = Commands(PLAN, BESIDE)
    assert commands.apply() == "backup-optimizer apply plans/plan.json --resume"
    assert commands.apply(resume=False) == "backup-optimizer apply plans/plan.json"
    assert commands.rollback() == "backup-optimizer rollback plans/plan.journal.jsonl"
    assert commands.watch() == "backup-optimizer watch plans/plan.json"
    assert commands.report_journal() == "backup-optimizer report plans/plan.journal.jsonl"


def test_files_elsewhere_are_named() -> None:
    """A journal elsewhere is an option of ``apply`` and ``watch``, and then the plan is one of ``rollback``."""
    commands = Commands(PLAN, Path("logs/run 1.jsonl"))
    assert shlex.split(commands.apply())[3:] == ["--journal", "logs/run 1.jsonl", "--resume"]
    assert shlex.split(commands.watch())[3:] == ["--journal", "logs/run 1.jsonl"]
    assert shlex.split(commands.rollback())[2:] == ["logs/run 1.jsonl", "--plan", "plans/plan.json"]


def test_every_command_leads_to_the_same_cloud() -> None:
    """A command pasted after a trial on the emulator never writes to Azure."""
    service, writing = ("--emulator", "https://127.0.0.1:1"), ("--guard-request",)
    commands = Commands(
        PLAN, BESIDE, estate=("--estate", "e"), service=service, writing=writing, returning=("--delete-created",)
    )
    for line in (commands.apply(), commands.rollback(), commands.watch()):
        assert "--estate e --emulator https://127.0.0.1:1" in line
    assert "--guard-request" in commands.apply() and "--guard-request" in commands.rollback()
    assert "--guard-request" not in commands.watch()
    assert "--delete-created" in commands.rollback() and "--delete-created" not in commands.apply()
    assert commands.rehearse("--only", "vm=a") == (
        "backup-optimizer rehearse plans/plan.json --only vm=a --estate e --format json"
    )


def test_resume_follows_the_command() -> None:
    """An interrupted rollback goes on as a rollback, everything else as an apply."""
    commands = Commands(PLAN, BESIDE)
    assert commands.resume("rollback") == commands.rollback(resume=True)
    assert commands.resume("apply") == commands.apply()

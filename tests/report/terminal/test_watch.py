"""The text of a watch: alarms first, commands that a shell reads, VMs that wait for a backup."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import RenderableType

from optimizer.documents import Finding, WatchedVm, WatchReport
from optimizer.report.terminal.sheet import to_text
from optimizer.report.terminal.watch import render_watch
from tests.plan.estates import vm_id

NOW = datetime(2026, 2, 18, 9, 0, tzinfo=UTC)
COMMAND = shlex.join(
    (
        *("az", "backup", "protection", "backup-now"),
        *("--container-name", "IaasVMContainer;iaasvmcontainerv2;rg-production-westeurope;app-01"),
        *("--item-name", "VM;iaasvmcontainerv2;rg-production-westeurope;app-01"),
        *("--backup-management-type", "AzureIaasVM", "--resource-group", "rg-backup", "--vault-name", "rsv-one"),
    )
)
MISSING = Finding(
    kind="no_job",
    what="no job started within 2 h (+ 30 min) of 2026-02-18 03:00 UTC",
    advice="see the item in the portal; until the schedule works, you can make a backup on demand",
    command=COMMAND,
)


def watched(name: str, verdict: str, **changes: Any) -> WatchedVm:
    """Build one VM."""
    values: dict[str, Any] = {
        "vm": vm_id(name),
        "vault": "rsv-one",
        "policy": "nightly-0300",
        "start": "03:00",
        "timezone": "W. Europe Standard Time",
        "written_at": NOW - timedelta(hours=18),
        "verdict": verdict,
        "reason": "",
        "rpo_hours": 36,
    }
    return WatchedVm(**{**values, **changes})


WELL = watched(
    "app-00",
    "ok",
    job_started=NOW - timedelta(hours=5),
    job_status="Completed",
    delay_minutes=50.4,
    longest_gap_hours=28.17,
    remarks=("no job in time for the run of 2026-02-17 03:00 UTC",),
)
ALARM = watched("app-01", "alarm", findings=(MISSING,), reason=MISSING.what)
WAITING = watched("app-02", "waiting", due_from=NOW, due_until=NOW + timedelta(hours=2))
RUNNING = watched("app-03", "waiting", job_status="InProgress", job_started=NOW)
REFUSED = Finding(kind="request_failed", what="vault rsv-one: the service does not answer", advice="watch again")
UNKNOWN = watched("app-04", "unknown", findings=(REFUSED,))
HOSTILE = watched("\x1b[31mred", "alarm", findings=(MISSING,))
REPORT = WatchReport(at=NOW, vms=(WELL, ALARM, WAITING, RUNNING, UNKNOWN, HOSTILE), not_written=3)
PAGES = {"mixed": render_watch(REPORT), "many": render_watch(WatchReport(at=NOW, vms=(ALARM,) * 14))}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_pages_fit_the_terminal(page: RenderableType, ascii_only: bool, width: int) -> None:
    """No line is wider than the terminal, except for an option of a command, which stays whole to be copied."""
    text = to_text(page, width, ascii_only=ascii_only)
    assert [line for line in text.splitlines() if len(line) > width and not line.lstrip().startswith("--")] == []
    assert text.isascii() or not ascii_only


def test_the_headline_counts_every_verdict() -> None:
    """Nobody has to add up."""
    headline = " ".join(to_text(PAGES["mixed"]).split("\n\n")[0].split())
    assert headline == (
        "Watch at 2026-02-18 09:00 UTC: 1 of 6 VMs backed up at the new time, 2 waiting for the next "
        "backup, 2 alarms, 1 unknown, 3 not written yet"
    )


def test_alarms_come_first_with_advice_and_an_offer() -> None:
    """What was seen, what to do, and the command, in this order; then that nothing was started."""
    text = to_text(PAGES["mixed"])
    places = [
        text.index(words) for words in ("Needs attention", "app-01", "no job started", "→ see the item", "az backup")
    ]
    assert places == sorted(places)
    assert (
        text.index("az backup") < text.index("Waiting for the next backup") < text.index("Backed up at the new time")
    )
    assert "'watch' changes nothing. Fix what the alarms report" in " ".join(text.split())


def test_the_command_as_printed_is_the_command() -> None:
    """Copied from the terminal, a shell reads the same words."""
    lines = to_text(render_watch(WatchReport(at=NOW, vms=(ALARM,)))).splitlines()
    begin = next(place for place, line in enumerate(lines) if line.strip().startswith("az backup"))
    copied = [lines[begin]]
    while copied[-1].endswith("\\"):
        copied.append(lines[begin + len(copied)])
    assert len(copied) > 1
    assert shlex.split("\n".join(copied).replace("\\\n", " ")) == shlex.split(COMMAND)


def test_vms_that_are_unknown_for_one_reason_are_listed_together() -> None:
    """A vault that cannot be read is reported once, with its VMs, and no alarm is claimed."""
    vms = tuple(watched(f"app-{number:02}", "unknown", findings=(REFUSED,)) for number in range(25))
    text = to_text(render_watch(WatchReport(at=NOW, vms=vms)))
    assert text.count("the service does not answer") == 1
    assert "vault rsv-one, 25 VMs: app-00, app-01" in text
    assert " shown)" not in text
    assert text.splitlines()[-1] == "'watch' could not check 25 VMs. See the reasons above, then run 'watch' again."


def test_vms_that_somebody_else_moved_are_told_apart() -> None:
    """They are counted, and the remark says what a rollback does with them."""
    text = " ".join(
        to_text(render_watch(WatchReport(at=NOW, vms=(watched("app-05", "ok", found_in_place=True),)))).split()
    )
    assert "1 of 1 VM backed up at the new time, 1 found in place, moved by somebody else" in text
    assert "app-05: somebody else moved it; a rollback leaves it where it is" in text


def test_names_cannot_steer_the_terminal() -> None:
    """A VM's name with an escape sequence is shown harmless."""
    assert "\x1b" not in to_text(PAGES["mixed"])


def test_many_alarms_are_counted_and_ten_shown() -> None:
    """JSON has them all."""
    text = to_text(PAGES["many"])
    assert "Needs attention (10 of 14 shown)" in text
    assert text.count("no job started") == 10


def test_what_is_waited_for_has_its_time() -> None:
    """The time until which a job is in time, or that one is in progress; remarks are kept."""
    text = to_text(PAGES["mixed"])
    waiting = text.split("Waiting for the next backup")[1]
    assert any("app-02" in line and "2026-02-18 11:00" in line for line in waiting.splitlines())
    assert any("app-03" in line and "in progress" in line for line in waiting.splitlines())
    assert "app-00: no job in time for the run of 2026-02-17" in text


def test_the_last_line_says_what_to_do() -> None:
    """Nothing, watch again and when, or that there is nothing to watch."""

    def last_line(*vms: WatchedVm, left: int = 0) -> str:
        text = to_text(render_watch(WatchReport(at=NOW, vms=vms, not_written=left)))
        return text.rpartition("\n\n")[2].replace("\n", " ").strip()

    assert last_line(WELL) == "Nothing to do: every VM that was moved is backed up at its new time."
    assert last_line(WELL, WAITING) == "Nothing to do now. Run 'watch' again after 2026-02-18 11:00 UTC."
    assert last_line(RUNNING).startswith("Nothing to do now. Run 'watch' again when")
    assert last_line() == "Nothing to watch: no VM was moved."
    resume = "not moved yet: 'apply --resume' makes the writes that are possible now."
    assert last_line(WAITING, left=2) == f"2 VMs of the plan {resume} Run 'watch' again after 2026-02-18 11:00 UTC."
    assert last_line(left=1) == f"1 VM of the plan {resume} Then run 'watch' again."

"""A VM under watch, and the commands that a finding offers."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from optimizer.model.timegrid import parse_start
from optimizer.rollout.watch.watched import hours, utc_text
from tests.rollout.watch.small_watch import VM, at


def test_the_starts_are_those_of_the_schedule() -> None:
    """Before and after the plan."""
    assert (VM.option_today, VM.option) == (parse_start("23:00"), parse_start("03:00"))
    assert VM.policy == "new"


def test_a_backup_on_demand_is_kept_for_30_days() -> None:
    """The command names vault, subscription, container and item, quoted for a shell."""
    words = shlex.split(VM.backup_now(at(18, 9)))
    assert words[:4] == ["az", "backup", "protection", "backup-now"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options["--vault-name"] == "rsv-one"
    assert options["--retain-until"] == "20-03-2026"
    assert options["--subscription"] == VM.vault.subscription
    assert "app" in options["--item-name"]
    odd = replace(VM, vault=replace(VM.vault, name="it's"))
    assert "--vault-name" in shlex.split(odd.show_policy())
    assert shlex.split(odd.show_policy())[-3] == "it's"


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (155, "2 h 35 min"), (2160, "36 h")]
)
def test_spans_are_in_hours_and_minutes(minutes: int, text: str) -> None:
    """Without zeros."""
    assert hours(timedelta(minutes=minutes)) == text


def test_times_are_in_utc() -> None:
    """Whatever zone they come in."""
    assert utc_text(at(18, 9)) == "2026-02-18 09:00 UTC"

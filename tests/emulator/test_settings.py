"""Settings of the emulated service."""

from __future__ import annotations

import pytest

from optimizer.emulator.settings import EmulatorSettings


def test_ids_and_actions_are_kept_in_lower_case() -> None:
    """Sets of ids are compared without case; other values are kept as they are."""
    settings = EmulatorSettings(failing_vms=frozenset({"/VM/A"}), denied_actions=frozenset({"X/Read /S"}), seed=3)
    assert settings.failing_vms == {"/vm/a"}
    assert settings.denied_actions == {"x/read /s"}
    assert settings.seed == 3


@pytest.mark.parametrize(
    ("asks", "shorter", "others"), [("never", False, False), ("retention", True, False), ("always", True, True)]
)
def test_a_guard_asks_as_it_is_set(asks: str, shorter: bool, others: bool) -> None:
    """A guard asks for no write, for writes that shorten a retention, or for every write."""
    settings = EmulatorSettings(guard_asks=asks)  # type: ignore[arg-type]
    assert (settings.guards_ask(keeps_less=True), settings.guards_ask(keeps_less=False)) == (shorter, others)

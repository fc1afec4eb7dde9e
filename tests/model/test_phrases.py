"""Phrases that several messages use."""

from __future__ import annotations

import pytest

from optimizer.model.phrases import VMS_NAMED, count_vms, counted, listed, some_of


@pytest.mark.parametrize(
    ("texts", "expected"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_texts_are_joined_as_in_a_sentence(texts: list[str], expected: str) -> None:
    """Commas between all but the last two, which "and" joins."""
    assert listed(texts) == expected


def test_vms_are_counted_with_their_plural() -> None:
    """One VM, two VMs, and a separator for thousands."""
    assert [count_vms(["vm"] * number) for number in (1, 2, 1200)] == ["1 VM", "2 VMs", "1,200 VMs"]


def test_a_number_has_the_right_noun() -> None:
    """The singular only for 1, and a separator for thousands."""
    assert [counted(number, "VM moves", "VMs move") for number in (0, 1, 2000)] == [
        "0 VMs move", "1 VM moves", "2,000 VMs move",
    ]  # fmt: skip


def test_long_lists_of_names_are_cut_short() -> None:
    """The first names are given, and the number of the others."""
    names = [f"vm{number}" for number in range(VMS_NAMED + 2)]
    assert some_of(names[:VMS_NAMED]) == ", ".join(names[:VMS_NAMED])
    assert some_of(names) == f"{', '.join(names[:VMS_NAMED])} and 2 more"
    assert some_of(names[:4], 3) == "vm0, vm1, vm2 and 1 more"

"""Ports: which load histories can read single VMs, and listeners that do nothing."""

from __future__ import annotations

from optimizer.estate.load_store import LoadStore
from optimizer.ports import PartialLoadSource, ignore, no_progress, silent
from tests.azure.clouds import MadeUpLoad


def test_only_some_sources_read_single_vms() -> None:
    """The estate folder can, which the history of risk asks at run time; a source without that method cannot."""
    assert issubclass(LoadStore, PartialLoadSource)
    assert not issubclass(MadeUpLoad, PartialLoadSource)


def test_listeners_may_be_left_out() -> None:
    """The defaults take what a listener gets, and return nothing."""
    assert [no_progress("stage", 1, 2, "note"), ignore(3), silent("text")] == [None] * 3

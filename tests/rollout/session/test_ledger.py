"""The ledger that all runs on a machine share: counted writes, closed places, locks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.errors import BusyError
from optimizer.rollout.session.ledger import CountedWrite, Ledger, hold_locks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_ledger_counts_what_any_run_wrote(tmp_path: Path) -> None:
    """What another process adds is seen; kinds and old writes are told apart; a torn line never counted."""
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    old = CountedWrite(at=datetime(2026, 2, 1, tzinfo=UTC), vault_id="/v", key="a")
    new = CountedWrite(at=NOW, vault_id="/v", key="b")
    item = CountedWrite(at=NOW, vault_id="/v", kind="item", key="c")
    for write in (new, old, item):
        ledger.add(write)
    assert other.since(datetime(2026, 2, 2, tzinfo=UTC)) == (new,)
    assert other.since(datetime(2026, 2, 2, tzinfo=UTC), "item") == (item,)
    with (tmp_path / "writes.jsonl").open("ab") as file:
        file.write(b'{"at": "2026-')
    assert len(other.since(datetime(2026, 1, 1, tzinfo=UTC))) == 2
    ledger.add(new)
    assert len(other.since(datetime(2026, 1, 1, tzinfo=UTC))) == 3


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    """The second run on a journal, or on a vault whatever its journal, is told who is in its way."""
    with hold_locks(tmp_path, tmp_path / "one.jsonl", ["/V/A"]):
        with pytest.raises(BusyError, match="another apply"), hold_locks(tmp_path, tmp_path / "one.jsonl", ["/v/b"]):
            pass
        with pytest.raises(BusyError, match="vault a"), hold_locks(tmp_path, tmp_path / "two.jsonl", ["/v/a"]):
            pass
        with hold_locks(tmp_path, tmp_path / "three.jsonl", ["/v/b"]):
            pass
    with hold_locks(tmp_path, tmp_path / "one.jsonl", ["/v/a"]):
        pass


def test_the_ledger_gives_back_what_was_turned_away(tmp_path: Path) -> None:
    """Of two tries of a write the one that was turned away no longer counts, for other processes too."""
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    first = CountedWrite(at=NOW, vault_id="/v", key="plan#1")
    second = CountedWrite(at=NOW + timedelta(minutes=1), vault_id="/v", key="plan#1")
    for write in (first, second):
        ledger.add(write)
    ledger.give_back(first)
    for one in (ledger, other, Ledger(tmp_path)):
        assert one.since(NOW - timedelta(days=1)) == (second,)
        assert one.counted(["/v"], NOW).policy_writes == ((second.at, "/v"),)


def test_a_closed_place_stays_closed_for_every_run(tmp_path: Path) -> None:
    """The longest closure counts; a subscription's is for its vaults, and not for one whose name begins alike."""
    ledger, vault = Ledger(tmp_path), "/subscriptions/S/resourceGroups/g/providers/x/vaults/V"
    ledger.close(vault, NOW + timedelta(hours=4), "few hours")
    ledger.close(vault, NOW + timedelta(hours=1), "an hour")
    closed = Ledger(tmp_path).closed(vault.upper(), NOW)
    assert closed is not None
    assert (closed.closed_until, closed.reason) == (NOW + timedelta(hours=4), "few hours")
    assert ledger.closed(vault + "2", NOW) is None
    assert ledger.closed(vault, NOW + timedelta(hours=4)) is None
    ledger.close("/subscriptions/s", NOW + timedelta(hours=9), "all of it")
    closed = ledger.closed(vault, NOW)
    assert closed is not None
    assert closed.reason == "all of it"
    assert ledger.closed(vault.replace("/S/", "/S2/"), NOW) is None
    assert ledger.counted([vault], NOW).closed_until == {vault.lower(): NOW + timedelta(hours=9)}

"""Two runs that share a budget of policy writes, as two vaults of one subscription do."""

from __future__ import annotations

import threading
from pathlib import Path

from optimizer.journal import Journal
from optimizer.model.clock import VirtualClock
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.outcome import End
from optimizer.rollout.session.ledger import BUDGET_PERIOD, Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.write import Write
from tests.rollout.conftest import Ready
from tests.rollout.fake_service import FakeService


def test_two_runs_never_both_take_the_last_write(planned: Ready, tmp_path: Path) -> None:
    """While one run looks at the ledger and adds its write, a run with a ledger of its own on the folder waits."""
    write = next(write for write in planned.writes if write.kind == "create_policy")
    clock, ends = VirtualClock(planned.noon), dict[str, End]()

    def carrier(name: str) -> Carrier:
        ledger = Ledger(tmp_path / "state")

        def room(_: Write) -> str:
            used = len(ledger.since(clock.now() - BUDGET_PERIOD))
            if name == "first":  # the other run tries between this one's look and its entry
                other.start()
                other.join(timeout=0.3)
            return "used up" if used else ""

        service = FakeService(planned.document)
        return Carrier(Session(service, clock, ledger), Journal(tmp_path / f"{name}.jsonl"), label=name, room=room)

    def attempt(one: Carrier, name: str) -> None:
        ends[name] = one.carry_out(write).end

    first, second = carrier("first"), carrier("second")
    other = threading.Thread(target=attempt, args=(second, "second"))
    attempt(first, "first")
    other.join()
    assert ends == {"first": End.DONE, "second": End.LATER}
    assert len(Ledger(tmp_path / "state").since(clock.now() - BUDGET_PERIOD)) == 1

"""The text of conflicts and ways out: where there is little to say, and where there is much."""

from __future__ import annotations

from optimizer.report.terminal.no_schedule import render_found, render_no_schedule
from optimizer.report.terminal.sheet import to_text
from optimizer.solve.problem.limits import LimitKind
from optimizer.solve.why_not.no_schedule import (
    NamedChange,
    NamedConflict,
    NamedLimit,
    NamedRelaxation,
    NoSchedule,
    RelaxedPlan,
    describe,
)

NIGHTS = NamedLimit(name="nights", kind=LimitKind.RULE)
CALLS = NamedLimit(name="no backups during calls", kind=LimitKind.RULE)
ROOM = NamedLimit(name="the limit of policies per vault", kind=LimitKind.POLICIES_PER_VAULT)
PLAN = RelaxedPlan(cost=12.5, at_risk=10.25, overlaps_per_month=1234.0, moved=7, policy_writes=2)


def conflict(*limits: NamedLimit, vms: int = 2, smallest: bool = False, irreducible: bool = True) -> NamedConflict:
    names = tuple(f"vm-{number}" for number in range(vms))
    return NamedConflict(limits=limits, vms=names, vm_ids=names, smallest=smallest, irreducible=irreducible)


def way(*changes: NamedChange) -> NamedRelaxation:
    return NamedRelaxation(changes=changes, plan=PLAN)


def answer(*conflicts: NamedConflict, ways: tuple[NamedRelaxation, ...] = (), complete: bool = True) -> NoSchedule:
    return NoSchedule(conflicts=conflicts, relaxations=ways, complete=complete)


def text_of(one: NoSchedule) -> str:
    return " ".join(to_text(render_no_schedule(one)).split())


def test_what_is_proven_is_said_and_nothing_more() -> None:
    """The smallest conflict, one that has nothing to spare and one that may have are told apart."""
    assert "Smallest conflict (proven: no smaller" in text_of(answer(conflict(NIGHTS, CALLS, smallest=True)))
    assert "Conflict (all of them are needed for the conflict)" in text_of(answer(conflict(NIGHTS, CALLS)))
    assert "perhaps not all of them are needed" in text_of(answer(conflict(NIGHTS, CALLS, irreducible=False)))


def test_what_was_said_before_is_not_repeated() -> None:
    """Of conflicts that were shown as they were found only news is shown: a proof, and circumstances."""
    first, other = conflict(NIGHTS, CALLS), conflict(ROOM)
    proven, ways = first.model_copy(update={"smallest": True}), (way(NamedChange(limit=NIGHTS, action="drop")),)
    said = " ".join(to_text(render_no_schedule(answer(proven, other, ways=ways), [first, other])).split())
    assert "cannot" not in said
    assert "Proven: no smaller set of rules or limits than 'nights' and 'no backups during calls' is in" in said
    hourly = other.model_copy(update={"circumstances": ("some run every 4 h",)})
    said = " ".join(to_text(render_no_schedule(answer(first, hourly, ways=ways), [first, other])).split())
    assert "Proven" not in said
    assert "Further conflicts" in said
    assert "some run every 4 h" in said


def test_a_further_conflict_is_called_so() -> None:
    """A conflict that is found while ways out are shown is not mistaken for one of them."""
    assert to_text(render_found(conflict(NIGHTS, CALLS))).split()[1:3] == ["Further", "conflict:"]
    assert to_text(render_found(way(NamedChange(limit=NIGHTS, action="drop")))).split()[1] == "drop"


def test_changes_that_may_be_too_many_are_marked() -> None:
    """A way out that is not proven to be minimal has a mark, and the note says what it means."""
    drop = NamedChange(limit=NIGHTS, action="drop")
    ways = (way(drop), way(drop).model_copy(update={"minimal": False}))
    assert "drop 'nights' *" in text_of(answer(conflict(NIGHTS), ways=ways))
    assert "* perhaps not all of these changes are needed" in text_of(answer(conflict(NIGHTS), ways=ways))
    assert "*" not in text_of(answer(conflict(NIGHTS), ways=ways[:1]))


def test_many_conflicts_are_counted() -> None:
    """Five further ones are shown and the rest counted, in the message as on the screen."""
    many = answer(*[conflict(NIGHTS, vms=9)] * 9)
    assert "Further conflicts (5 of 8 shown)" in text_of(many)
    assert "and 4 more" in text_of(many)
    assert "and 4 more conflicts" in describe(many)


def test_changes_are_written_as_one_would_make_them() -> None:
    """Amounts, VMs let off several rules at once, and rules that are dropped, in one sentence."""
    vms = ("vm-1", "vm-2")
    one = way(
        NamedChange(limit=ROOM, action="set", was=200, to=201),
        NamedChange(limit=NIGHTS, action="exempt", vms=vms),
        NamedChange(limit=CALLS, action="exempt", vms=vms),
        NamedChange(limit=NamedLimit(name="old", kind=LimitKind.RULE), action="drop"),
        NamedChange(limit=NamedLimit(name="older", kind=LimitKind.RULE), action="drop"),
    )
    expected = (
        "policies.max_policies_per_vault from 200 to 201, exempt 2 VMs (vm-1, vm-2) from 'nights' and "
        "'no backups during calls' and drop 'old' and 'older'"
    )
    said = describe(answer(conflict(NIGHTS), ways=(one,)))
    assert f"{expected}: cost 12.50, 10.25 backups at risk per 30 days" in " ".join(said.split())
    assert all(len(line) <= 93 for line in said.splitlines())
    assert "not every change was tried" in text_of(answer(conflict(NIGHTS), ways=(one,), complete=False)).lower()


def test_exemptions_are_written_out_once_while_they_are_few() -> None:
    """What to paste stands below the ways out, once for equal changes; of more than twenty VMs JSON is told of."""
    few = NamedChange(limit=NIGHTS, action="exempt", vms=("vm-1",), write='except = ["vm-0", "vm-1"]')
    names = tuple(f"vm-{number}" for number in range(21))
    many = NamedChange(limit=CALLS, action="exempt", vms=names, write="except = [...]")
    said = text_of(answer(conflict(NIGHTS), ways=(way(few), way(few, many))))
    assert said.count('1 VM from rule \'nights\': except = ["vm-0", "vm-1"]') == 1
    assert "21 VMs from rule 'no backups during calls': --format json lists them" in said
    assert "except = [...]" not in said


def test_without_a_way_out_there_is_advice() -> None:
    """Where none was found within the effort, the planner is told what to look at."""
    assert "Loosen or drop one rule of each line" in text_of(answer(conflict(NIGHTS)))
    assert describe(answer(conflict(NIGHTS))).endswith("exclude these VMs")

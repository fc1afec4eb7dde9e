"""The answer without a schedule: names instead of indices, and what the sentences say."""

from __future__ import annotations

import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import Limit, LimitKind
from optimizer.solve.why_not.changes import Change
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.effects import Effect
from optimizer.solve.why_not.no_schedule import (
    CONFLICTS_SAID,
    LINE_WIDTH,
    RELAXATIONS_SAID,
    NamedChange,
    NamedConflict,
    NamedLimit,
    NamedRelaxation,
    Names,
    NoSchedule,
    NoScheduleError,
    NotFoundWithinEffortError,
    RelaxedPlan,
    describe,
    ways_out_lines,
)
from optimizer.solve.why_not.relaxation import Diagnosis, Relaxation
from tests.solve.examples import inventory, only, policy

CAP = NamedLimit(name="cap", kind=LimitKind.RULE)
NIGHT = NamedLimit(name="night", kind=LimitKind.RULE)
MOVES = NamedLimit(name="max_moves", kind=LimitKind.MAX_MOVES)
ROOM = NamedLimit(name="the limit of policies per vault", kind=LimitKind.POLICIES_PER_VAULT)
PLAN = RelaxedPlan(cost=12.5, at_risk=3.0, overlaps_per_month=1.5, moved=2, policy_writes=1)


def conflict(*limits: NamedLimit, vms: tuple[str, ...] = ("a", "b"), **more: object) -> NamedConflict:
    """A conflict for some VMs."""
    proven = {"smallest": False, "irreducible": True, **more}
    return NamedConflict(limits=limits, vms=vms, vm_ids=vms, **proven)


def way(*changes: NamedChange) -> NamedRelaxation:
    """A way out."""
    return NamedRelaxation(changes=changes, plan=PLAN)


def answer(*conflicts: NamedConflict, ways: tuple[NamedRelaxation, ...] = ()) -> NoSchedule:
    """An answer."""
    return NoSchedule(conflicts=conflicts, relaxations=ways, complete=True)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (conflict(CAP, NIGHT), "'cap' and 'night' cannot all hold for 2 VMs: a, b"),
        (conflict(CAP, vms=("a",)), "'cap' cannot hold for 1 VM: a"),
        (conflict(MOVES, vms=()), "'max_moves' cannot hold"),
    ],
)
def test_a_conflict_in_words(made: NamedConflict, sentence: str) -> None:
    """One limit or several, with the VMs that it shows at."""
    assert made.sentence == sentence


def test_what_is_proven_of_a_conflict() -> None:
    """The smallest one, one that has nothing to spare, and one of which nothing is known."""
    proofs = [
        conflict(CAP, smallest=proven, irreducible=needed).proof
        for proven, needed in ((True, True), (False, True), (False, False))
    ]
    assert "no smaller set" in proofs[0]
    assert proofs[1] == "all of them are needed for the conflict"
    assert "--effort" in proofs[2]


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ((NamedChange(limit=CAP, action="drop"),), "drop 'cap'"),
        ((NamedChange(limit=CAP, action="drop"), NamedChange(limit=NIGHT, action="drop")), "drop 'cap' and 'night'"),
        (
            (NamedChange(limit=CAP, action="set", setting="max_concurrent", was=1, to=2),),
            "max_concurrent of 'cap' from 1 to 2",
        ),
        (
            (NamedChange(limit=CAP, action="set", setting="within", was=0.5, to=3.25),),
            "within of 'cap' from 0.5 to 3.25 hours",
        ),
        ((NamedChange(limit=MOVES, action="set", was=1, to=4),), "max_moves from 1 to 4"),
        ((NamedChange(limit=ROOM, action="set", was=1, to=4),), "policies.max_policies_per_vault from 1 to 4"),
        (
            (NamedChange(limit=NamedLimit(name="writes", kind=LimitKind.POLICY_WRITES), action="set", was=0, to=2),),
            "writes from 0 to 2 writes",
        ),
        ((NamedChange(limit=NIGHT, action="exempt", vms=("a", "b")),), "exempt 2 VMs (a, b) from 'night'"),
        (
            (
                NamedChange(limit=NIGHT, action="exempt", vms=("a",)),
                NamedChange(limit=CAP, action="exempt", vms=("a",)),
                NamedChange(limit=MOVES, action="drop"),
            ),
            "exempt 1 VM (a) from 'night' and 'cap' and drop 'max_moves'",
        ),
    ],
)
def test_a_way_out_in_words(changes: tuple[NamedChange, ...], phrase: str) -> None:
    """Every kind of change, and several together; the plan follows."""
    made = way(*changes)
    assert made.phrase == phrase
    assert made.sentence == f"{phrase}: cost 12.35, 3.00 backups at risk per 30 days" or made.sentence.startswith(
        phrase
    )


def test_advice_where_no_way_out_is_known() -> None:
    """With a way out, no advice is needed."""
    assert "loosen or drop" in answer(conflict(CAP)).advice
    assert answer(conflict(CAP), ways=(way(NamedChange(limit=CAP, action="drop")),)).advice == ""


@pytest.mark.parametrize(
    ("conflicts", "said"),
    [((conflict(MOVES, CAP), conflict(MOVES)), True), ((conflict(MOVES, CAP), conflict(CAP)), False), ((), False)],
)
def test_a_first_step_is_offered_where_only_moves_are_in_the_way(
    conflicts: tuple[NamedConflict, ...], said: bool
) -> None:
    """Every conflict has to contain the limit of moves."""
    assert ("--toward" in answer(*conflicts).first_step) is said


def test_reasons_and_exemptions_are_the_first_ones_without_repeats() -> None:
    """Six conflicts give five sentences; an exemption in two ways out is listed once."""
    many = answer(*[conflict(CAP, vms=(str(n),)) for n in range(CONFLICTS_SAID + 1)])
    assert len(many.reasons()) == CONFLICTS_SAID
    exempt = NamedChange(limit=NIGHT, action="exempt", vms=("a",))
    other = NamedChange(limit=NIGHT, action="exempt", vms=("b",))
    drop = NamedChange(limit=CAP, action="drop")
    made = answer(ways=(way(exempt, drop), way(exempt), way(other)))
    assert made.exemptions(2) == [exempt]
    assert made.exemptions(3) == [exempt, other]


def test_the_message_has_conflicts_circumstances_and_ways_out() -> None:
    """In this order, in lines that fit a terminal; what is left out is counted."""
    conflicts = [conflict(CAP, NIGHT, circumstances=("its backups are hourly",))]
    conflicts += [conflict(CAP, vms=(f"vm-{n}",)) for n in range(CONFLICTS_SAID + 1)]
    ways = tuple(way(NamedChange(limit=CAP, action="set", was=1, to=n)) for n in range(RELAXATIONS_SAID + 2))
    lines = describe(answer(*conflicts, ways=ways)).splitlines()
    assert lines[0] == "no schedule satisfies the rules:"
    assert lines[1] == "  'cap' and 'night' cannot all hold for 2 VMs: a, b"
    assert lines[2] == "    (its backups are hourly)"
    assert "  and 2 more conflicts" in lines
    begin = lines.index("changes that make a schedule possible, the cheapest first:")
    assert len(lines) - begin - 1 == RELAXATIONS_SAID
    assert all(len(line) <= LINE_WIDTH for line in lines)


def test_long_lines_are_folded_with_their_indent() -> None:
    """Every further line is indented by two more."""
    names = tuple(f"virtual-machine-{n:03}" for n in range(3))
    limits = [NamedLimit(name=f"a rule with a long name {n}", kind=LimitKind.RULE) for n in range(4)]
    lines = describe(answer(conflict(*limits, vms=names))).splitlines()
    assert lines[1].startswith("  'a rule")
    assert lines[2].startswith("    ")
    assert all(len(line) <= LINE_WIDTH for line in lines)


def test_errors_carry_the_answer() -> None:
    """A proof ends with its own exit code; without one, what is known is added to the message."""
    made = answer(conflict(CAP), ways=(way(NamedChange(limit=CAP, action="drop")),))
    error = NoScheduleError(made, [Conflict((), ())], [])
    assert (error.exit_code, error.answer, len(error.conflicts)) == (3, made, 1)
    assert str(error) == describe(made)
    unknown = NotFoundWithinEffortError("no schedule was found", made)
    assert str(unknown).splitlines() == ["no schedule was found", *ways_out_lines(made)]
    assert str(NotFoundWithinEffortError("nothing")) == "nothing"
    assert ways_out_lines(answer()) == []


class TestNames:
    """Indices become names."""

    def names(self) -> Names:
        """Three VMs under two rules."""
        near = Rule(name="near", order=({"name": "vm0"}, {"name": "vm1"}), within=1.0)
        rules = Rules(rule=(Rule(name="cap", max_concurrent=1), near, only("01:00")))
        return Names(inventory([policy("p", "v", 46)], [("web", "p")] * 3), rules)

    def test_conflicts_have_names_and_ids(self) -> None:
        """Of the VMs at the indices."""
        limit = Limit("cap", LimitKind.RULE)
        made = self.names().conflict(Conflict((limit,), (0, 2), irreducible=False), ("why",))
        assert made.limits == (CAP,)
        assert made.vms == ("vm0", "vm2")
        assert [str(one).lower() for one in made.vm_ids] == ["vm0", "vm2"]
        assert (made.irreducible, made.smallest, made.circumstances) == (False, False, ("why",))

    @pytest.mark.parametrize(
        ("change", "action", "setting"),
        [
            (Change(Limit("cap", LimitKind.RULE)), "drop", ""),
            (Change(Limit("cap", LimitKind.RULE), 1, 2), "set", "max_concurrent"),
            (Change(Limit("near", LimitKind.RULE), 1.0, 2.0), "set", "within"),
            (Change(Limit("max_moves", LimitKind.MAX_MOVES), 1, 2), "set", ""),
            (Change(Limit("only 01:00", LimitKind.RULE), vms=(1,)), "exempt", ""),
        ],
    )
    def test_changes(self, change: Change, action: str, setting: str) -> None:
        """Each kind of change; an exemption says what to write into the rules file."""
        effect = Effect(1.23456789, 2.0, 3.0, 4, 5)
        made = self.names().relaxation(Relaxation((change,), effect, minimal=False))
        (named,) = made.changes
        assert (named.action, named.setting, named.was, named.to) == (action, setting, change.was, change.to)
        assert made.minimal is False
        assert made.plan == RelaxedPlan(cost=1.234568, at_risk=2.0, overlaps_per_month=3.0, moved=4, policy_writes=5)
        assert ("vm1" in named.write) is (action == "exempt")
        assert named.vms == (("vm1",) if action == "exempt" else ())

    def test_a_diagnosis_without_conflicts_is_unknown(self) -> None:
        """Ways out may be known all the same."""
        way_out = Relaxation((Change(Limit("cap", LimitKind.RULE)),), Effect(1, 2, 3, 4, 5))
        unknown = self.names().answer(Diagnosis(SolveStatus.UNKNOWN, (), (way_out,)), [])
        assert (unknown.status, len(unknown.relaxations), unknown.complete) == ("unknown", 1, False)
        found = Diagnosis(
            SolveStatus.INFEASIBLE, (Conflict((Limit("cap", LimitKind.RULE),), (1,)),), (), complete=True
        )
        proven = self.names().answer(found, [("hourly",)])
        assert (proven.status, proven.complete) == ("infeasible", True)
        assert proven.conflicts[0].circumstances == ("hourly",)

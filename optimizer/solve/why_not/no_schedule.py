"""The answer if no schedule keeps the rules: sentences for people, and JSON for a pipeline."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

from optimizer.errors import OptimizerError
from optimizer.model.exemptions import except_as_toml, exempted
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import count_vms, listed, some_of
from optimizer.model.rules import Rule, Rules
from optimizer.model.strict import StrictModel
from optimizer.solve.problem.limits import Limit, LimitKind
from optimizer.solve.why_not.changes import Change
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.effects import Effect
from optimizer.solve.why_not.relaxation import Diagnosis, Relaxation

CONFLICTS_SAID, RELAXATIONS_SAID = 5, 6
"""Number of conflicts and of ways out in a message; JSON has all of them."""

LINE_WIDTH = 92
"""Characters per line of a message, so that a terminal of 100 has room for ``error:`` before it."""


class NamedLimit(StrictModel):
    """A rule or a limit.

    Parameters
    ----------
    name
        As the planner wrote it, for a rule.
    kind
        ``fixed``: nothing can be done about it.
    """

    name: str
    kind: LimitKind


class NamedConflict(StrictModel):
    """Rules and limits that cannot all hold.

    Parameters
    ----------
    limits
        In the order in which they were written.
    vms
        Names of the VMs that it shows at.
    vm_ids
        Their ids.
    smallest
        Whether it is proven that no conflict has fewer limits.
    irreducible
        Whether it is proven that without any one of them the others can hold.
    circumstances
        What of these VMs' backups makes the rules hard to keep: without it they could hold.
    """

    limits: tuple[NamedLimit, ...]
    vms: tuple[str, ...]
    vm_ids: tuple[str, ...]
    smallest: bool
    irreducible: bool
    circumstances: tuple[str, ...] = ()

    @property
    def rules(self) -> str:
        """Names of the rules and limits, as text."""
        return listed([repr(limit.name) for limit in self.limits])

    @property
    def sentence(self) -> str:
        """Sentence that says which rules cannot all hold, and for which VMs."""
        verb = "cannot all hold" if len(self.limits) > 1 else "cannot hold"
        vms = f" for {count_vms(self.vms)}: {some_of(self.vms)}" if self.vms else ""
        return f"{self.rules} {verb}{vms}"

    @property
    def proof(self) -> str:
        """Sentence about the proven size of the conflict."""
        if self.smallest:
            return "proven: no smaller set of rules or limits is in conflict"
        if self.irreducible:
            return "all of them are needed for the conflict"
        return "perhaps not all of them are needed; a larger --effort may show it"


class NamedChange(StrictModel):
    """Change of one limit: it is dropped, gets another amount, or no longer applies to some VMs.

    Parameters
    ----------
    limit
        The limit.
    action
        What is done.
    setting
        Key of the rule that is set: ``max_concurrent`` or ``within``; empty for anything else.
    was, to
        The amount, where another is set.
    vms
        Names of the VMs that are exempted.
    write
        The key ``except`` of the rule with these VMs, as it would be written in the rules file, in TOML.
    """

    limit: NamedLimit
    action: Literal["drop", "set", "exempt"]
    setting: Literal["", "max_concurrent", "within"] = ""
    was: float | None = None
    to: float | None = None
    vms: tuple[str, ...] = ()
    write: str = ""


class RelaxedPlan(StrictModel):
    """The plan that becomes possible; cost, at-risk backups and expected overlapping snapshots are per 30 days."""

    cost: float
    at_risk: float
    overlaps_per_month: float
    moved: int
    policy_writes: int


class NamedRelaxation(StrictModel):
    """Changes that together make a schedule possible, and the plan that was then found and verified.

    Parameters
    ----------
    changes
        In the order in which the limits were written.
    plan
        The plan.
    minimal
        Whether it is proven that none of these limits could stay as it is.
    """

    changes: tuple[NamedChange, ...]
    plan: RelaxedPlan
    minimal: bool = True

    @property
    def phrase(self) -> str:
        """Phrase that lists the necessary changes."""
        parts = [_setting_phrase(change) for change in self.changes if change.action == "set"]
        exempt: dict[tuple[str, ...], list[str]] = {}
        for change in self.changes:
            if change.action == "exempt":
                exempt.setdefault(change.vms, []).append(repr(change.limit.name))
        parts += [f"exempt {count_vms(vms)} ({some_of(vms)}) from {listed(names)}" for vms, names in exempt.items()]
        dropped = [repr(change.limit.name) for change in self.changes if change.action == "drop"]
        return listed([*parts, *([f"drop {listed(dropped)}"] if dropped else [])])

    @property
    def sentence(self) -> str:
        """Sentence with the changes and the plan that results."""
        plan = f"cost {self.plan.cost:.2f}, {self.plan.at_risk:.2f} backups at risk per 30 days"
        return f"{self.phrase}: {plan}"


class NoSchedule(StrictModel):
    """Why there is no schedule and what would make one possible.

    Parameters
    ----------
    status
        ``infeasible``: it is proven that there is no schedule; ``unknown``: none was found within the effort.
    conflicts
        The smallest first; none where nothing is proven.
    relaxations
        The cheapest first.
    complete
        Whether every smallest way out was tried; else there may be cheaper ones.
    """

    status: Literal["infeasible", "unknown"] = "infeasible"
    conflicts: tuple[NamedConflict, ...]
    relaxations: tuple[NamedRelaxation, ...]
    complete: bool

    @property
    def advice(self) -> str:
        """Advice if no relaxation was found within the effort; otherwise empty."""
        return "" if self.relaxations else "loosen or drop one rule of each line, or exclude these VMs"

    @property
    def first_step(self) -> str:
        """Advice for the case that only the limit on moves is in the way; empty otherwise."""
        with_moves = [
            any(limit.kind is LimitKind.MAX_MOVES for limit in conflict.limits) for conflict in self.conflicts
        ]
        if not with_moves or not all(with_moves):
            return ""
        return (
            "only max_moves is in the way: 'plan --toward' makes the best first step with that many moves, and says "
            "how many monthly plans it takes to keep every rule"
        )

    def reasons(self) -> list[str]:
        """Sentences about the first conflicts."""
        return [conflict.sentence for conflict in self.conflicts[:CONFLICTS_SAID]]

    def exemptions(self, most: int) -> list[NamedChange]:
        """Changes in the first ``most`` ways out that exempt VMs from a rule, each once, in their order."""
        changes = [
            change for way_out in self.relaxations[:most] for change in way_out.changes if change.action == "exempt"
        ]
        return list({(change.limit.name, change.vms): change for change in changes}.values())


class NoScheduleError(OptimizerError):
    """No schedule satisfies the rules; carries the reasons and what would make a schedule possible.

    Parameters
    ----------
    answer
        The answer, with the names of rules and VMs.
    conflicts, relaxations
        The same, with indices of VMs.
    """

    exit_code = 3

    def __init__(
        self, answer: NoSchedule, conflicts: Sequence[Conflict] = (), relaxations: Sequence[Relaxation] = ()
    ) -> None:
        super().__init__(describe(answer))
        self.answer = answer
        self.conflicts = tuple(conflicts)
        self.relaxations = tuple(relaxations)


class NotFoundWithinEffortError(OptimizerError):
    """The search ended without a schedule and without a proof that none exists.

    Parameters
    ----------
    message
        Message for a person.
    answer
        Changes that make a schedule possible, if any are known.
    """

    def __init__(self, message: str, answer: NoSchedule | None = None) -> None:
        super().__init__("\n".join([message, *(ways_out_lines(answer) if answer is not None else ())]))
        self.headline, self.answer = message, answer


class Names:
    """Replaces indices with names.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    """

    def __init__(self, inventory: Inventory, rules: Rules) -> None:
        self._inventory = inventory
        self._by_name = {rule.name: rule for rule in rules.rule}

    def answer(self, diagnosis: Diagnosis, circumstances: Sequence[tuple[str, ...]]) -> NoSchedule:
        """The whole answer, with names instead of indices.

        Parameters
        ----------
        diagnosis
            Why there is no schedule.
        circumstances
            Circumstances of each conflict; see :func:`optimizer.solve.why_not.circumstances.circumstances`.
        """
        return NoSchedule(
            status="infeasible" if diagnosis.conflicts else "unknown",
            conflicts=tuple(map(self.conflict, diagnosis.conflicts, circumstances)),
            relaxations=tuple(map(self.relaxation, diagnosis.relaxations)),
            complete=diagnosis.complete,
        )

    def conflict(self, conflict: Conflict, circumstances: tuple[str, ...] = ()) -> NamedConflict:
        """A conflict with names, and with the circumstances that make its rules hard to keep."""
        return NamedConflict(
            limits=tuple(map(_named, conflict.limits)),
            vms=self._vms(conflict.vms),
            vm_ids=tuple(self._inventory.items[row].vm_id for row in conflict.vms),
            smallest=conflict.smallest,
            irreducible=conflict.irreducible,
            circumstances=circumstances,
        )

    def relaxation(self, relaxation: Relaxation) -> NamedRelaxation:
        """A way out, with names."""
        return NamedRelaxation(
            changes=tuple(map(self._change, relaxation.changes)),
            plan=_plan(relaxation.effect),
            minimal=relaxation.minimal,
        )

    def _vms(self, rows: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._inventory.vm(self._inventory.items[row]).name for row in rows)

    def _change(self, change: Change) -> NamedChange:
        action: Literal["drop", "set", "exempt"] = "exempt" if change.vms else "drop" if change.to is None else "set"
        rule = self._by_name.get(change.limit.name) if change.limit.kind is LimitKind.RULE else None
        return NamedChange(
            limit=_named(change.limit),
            action=action,
            setting="" if rule is None or action != "set" else _setting(rule),
            was=change.was,
            to=change.to,
            vms=self._vms(change.vms),
            write=except_as_toml(exempted(rule, self._inventory, change.vms))
            if rule is not None and change.vms
            else "",
        )


def _named(limit: Limit) -> NamedLimit:
    return NamedLimit(name=limit.name, kind=limit.kind)


def _plan(effect: Effect) -> RelaxedPlan:
    return RelaxedPlan(
        cost=round(effect.cost, 6),
        at_risk=round(effect.at_risk, 6),
        overlaps_per_month=round(effect.overlaps, 6),
        moved=effect.moved,
        policy_writes=effect.writes,
    )


def describe(answer: NoSchedule) -> str:
    """Conflicts and the cheapest ways out, in lines of at most 100 characters."""
    lines = ["no schedule satisfies the rules:"]
    for conflict in answer.conflicts[:CONFLICTS_SAID]:
        lines.append(f"  {conflict.sentence}")
        lines += [f"    ({text})" for text in conflict.circumstances]
    if len(answer.conflicts) > CONFLICTS_SAID:
        lines.append(f"  and {len(answer.conflicts) - CONFLICTS_SAID:,} more conflicts")
    if answer.advice:
        lines.append(answer.advice)
    lines = [piece for line in lines for piece in _folded(line)] + ways_out_lines(answer)
    return "\n".join([*lines, *_folded(answer.first_step)])


def ways_out_lines(answer: NoSchedule) -> list[str]:
    """The cheapest ways out, in lines of at most 100 characters; empty if none is known."""
    lines = ["changes that make a schedule possible, the cheapest first:"] if answer.relaxations else []
    lines += [f"  {way_out.sentence}" for way_out in answer.relaxations[:RELAXATIONS_SAID]]
    return [piece for line in lines for piece in _folded(line)]


def _folded(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line.lstrip(),
        LINE_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _setting_phrase(change: NamedChange) -> str:
    limit, what = change.limit, change.limit.name
    if limit.kind is LimitKind.RULE:
        what = f"{change.setting or 'max_concurrent'} of {limit.name!r}"
    elif limit.kind is LimitKind.POLICIES_PER_VAULT:
        what = "policies.max_policies_per_vault"
    unit = " writes" if limit.kind is LimitKind.POLICY_WRITES else " hours" if change.setting == "within" else ""
    return f"{what} from {change.was:g} to {change.to:g}{unit}"


def _setting(rule: Rule) -> Literal["max_concurrent", "within"]:
    """Key of the amount of a rule."""
    return "max_concurrent" if rule.within is None else "within"

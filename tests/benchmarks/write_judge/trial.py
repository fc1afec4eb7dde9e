"""One estate from its plan to its way back, with everything that can go wrong; then it is judged."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.config import read_rules
from optimizer.documents.plan_file import write_plan
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import open_estate
from optimizer.workflow import make_plan
from tests.benchmarks.write_judge.estates import Recipe
from tests.benchmarks.write_judge.facts import State, is_item
from tests.benchmarks.write_judge.judge import Judge
from tests.benchmarks.write_judge.machine import Machine, Result
from tests.benchmarks.write_judge.mischief import RARE_TROUBLES, Death, Mischief
from tests.benchmarks.write_judge.others import KINDS, Others
from tests.benchmarks.write_judge.probes import probe_journals, probe_plans
from tests.benchmarks.write_judge.record import Breach, Rule
from tests.benchmarks.write_judge.site import MACHINES, Site, site
from tests.benchmarks.write_judge.way_back import (
    foreign_keys,
    journal_faults,
    left_alone,
    lost,
    not_back,
    wire_matches,
)

MOST_RUNS = 40
"""Runs of one command, resumptions included, before it counts as never through."""

_RESUME_HOURS = 30

EVERYTHING = ["--only", "vm=*"]
"""Options that end a selection."""


@dataclass
class Course:
    """What is to happen in a trial.

    Parameters
    ----------
    seed
        Of everything drawn.
    kills
        Processes that are to be killed.
    write_share, read_share
        Share of the requests that something befalls.
    rare
        Number of rare troubles: long waits and operations without end.
    late
        Number of requests whose answer is lost and that take effect much later.
    parts
        Whether a run for one VM is killed and then another VM asked for, with --max-moves 1.
    races
        Times that others act.
    edits
        Edited plans and journals that are tried, each.
    """

    seed: str
    kills: int = 5
    write_share: float = 0.15
    read_share: float = 0.03
    rare: int = 2
    late: int = 2
    parts: bool = True
    races: int = 2
    edits: int = 20


@dataclass
class Verdict:
    """What a trial showed.

    Parameters
    ----------
    name
        Of the estate.
    writes, kills, races
        Counted.
    faults
        Troubles that befell requests, by name.
    edits
        What became of edited files, by verdict.
    breaches
        Everything that must not have happened.
    way_back
        How the way back ended.
    seconds
        How long it took.
    """

    name: str
    began: datetime
    writes: int = 0
    kills: int = 0
    races: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)
    way_back: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def count(self, *rules: Rule) -> int:
        """Number of breaches of some rules."""
        return sum(breach.rule in rules for breach in self.breaches)


class Trial:
    """One estate on its way.

    Parameters
    ----------
    recipe
        The estate.
    course
        What is to happen.
    folder
        For all files; made where there is none.
    """

    def __init__(self, recipe: Recipe, course: Course, folder: Path) -> None:
        self.recipe, self.course, self.folder = recipe, course, folder
        self.verdict = Verdict(recipe.name, recipe.begins)
        self._random = random.Random(f"trial {course.seed}")  # noqa: S311  # repeatable, not secret
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._in_part = False

    def run(self) -> Verdict:
        """Plan, apply, take back, judge."""
        began = time.perf_counter()
        document, changes = self._plan()
        self._edited_plans(document)
        mischief = Mischief(self.course.seed, self.course.write_share, self.course.read_share, self._rare(changes))
        with site(
            self.folder, document, self.recipe, self.recipe.begins, mischief, reads=self._random.randint(0, 2)
        ) as place:
            others = Others(place.emulator, place.proxy, changes, self.course.seed)
            self._prepare_races(others, mischief, len(changes))
            used = self._apply(place, changes)
            self._check_lost(place, changes, used)
            self._edited_journals(place, used, changes)
            place.clock.sleep(timedelta(hours=self._random.randint(2, 40)).total_seconds())
            place.emulator.state.advance()
            if self._random.random() < 0.5 and self.course.races:
                others.act("moved on")
            self._roll_back(place, used, changes)
            self._judge(place, used)
            self.verdict.races = others.acted
            self.verdict.kills, self.verdict.faults = place.proxy.kills, mischief.met
        self.verdict.seconds = time.perf_counter() - began
        return self.verdict

    def _plan(self) -> tuple[EstateDocument, list[dict[str, Any]]]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.recipe.write(self.folder / "estate")
        (self.folder / "rules.toml").write_text(self.recipe.rules, encoding="utf-8")
        estate = open_estate(self.folder / "estate")
        (self.folder / "a").mkdir()
        path = self.folder / "a" / "plan.json"
        plan = make_plan(estate, read_rules(self.folder / "rules.toml"), effort=3, path=path)
        write_plan(plan, path)
        (self.folder / "b").mkdir()
        shutil.copy(path, self.folder / "b" / "plan.json")
        return estate.document, json.loads(path.read_text(encoding="utf-8"))["changes"]

    def _rare(self, changes: Sequence[object]) -> dict[int, str]:
        names = [*RARE_TROUBLES, "stuck", "stuck"]
        self._random.shuffle(names)
        numbers = self._random.sample(
            range(1, 1 + max(2, len(changes))), k=min(self.course.rare, len(changes), len(names))
        )
        late = self._random.sample(range(1, 1 + max(2, len(changes))), k=min(self.course.late, len(changes)))
        return dict(zip(numbers, names, strict=False)) | dict.fromkeys(late, "late")

    def _prepare_races(self, others: Others, mischief: Mischief, num_changes: int) -> None:
        for _ in range(self.course.races):
            number = self._random.randint(max(2, num_changes // 2), max(2, num_changes))
            others.at_write(number, self._random.choice([*KINDS, "moved on"]), own=False)
        if self.course.races and self._random.random() < 0.7:  # while a write waits to be sent again
            number = self._random.randint(max(1, num_changes // 2), max(1, num_changes))
            mischief.rare |= {number: "429 minutes"}
            others.at_write(number, self._random.choice(["moved", "stopped", "excluded disk"]), own=True)

    def _edited_plans(self, document: EstateDocument) -> None:
        if self.course.edits:
            found = probe_plans(self.folder, document, self.recipe, self.course.edits)
            self.verdict.edits.update(found.verdicts)
            self.verdict.breaches += found.breaches

    def _edited_journals(self, place: Site, used: Sequence[Machine], changes: Sequence[dict[str, Any]]) -> None:
        if self.course.edits:
            found = probe_journals(self.folder, place, used[0], self.recipe, changes, self.course.edits)
            self.verdict.edits.update(found.verdicts)
            self.verdict.breaches += found.breaches

    def _apply(self, place: Site, changes: Sequence[dict[str, Any]]) -> list[Machine]:
        """Apply on one machine, or on two: one after the other's death, or side by side."""
        first, second = (place.machine(name) for name in MACHINES)
        arguments = ["apply", "plan.json"]
        if self.course.parts and not self.recipe.quirks & {"live pair", "two machines"}:
            self._one_vm_then_another(place, first, changes)
            if (first.folder / "plan.journal.jsonl").exists():  # a resumption would keep the selection
                arguments = [*arguments, *EVERYTHING, "--max-moves", "100000"]
                self._in_part = True
        if "live pair" in self.recipe.quirks:
            # A clock that two processes move jumps for both: while they run side by side, nobody waits for long.
            mischief, place.proxy.mischief = place.proxy.mischief, Mischief("quiet")
            now = [(one, _whole(one, arguments, wait=False)) for one in (first, second)]
            started = [(one, one.start(options, _pid(place, one))) for one, options in now]
            for one, process in started:
                one.wait(process)
                place.proxy.pids.pop(one.name, None)
            place.proxy.mischief = mischief
        elif "two machines" in self.recipe.quirks:
            place.proxy.deaths["a"] = Death(of_writes=True, number=5, when="after")
            self._once(place, first, arguments)
        used = [first]
        if self.recipe.quirks & {"live pair", "two machines"}:
            used.append(second)
            self._through(place, second, arguments, "apply")
        self._through(place, first, arguments, "apply")
        return used

    def _one_vm_then_another(self, place: Site, machine: Machine, changes: Sequence[dict[str, Any]]) -> None:
        """Kill a run for one VM after its request, then ask for another: with --max-moves 1, one VM moves at most."""
        moves = [change for change in changes if change["kind"] == "reassign_item"]
        if len(moves) < 2 or not self.course.kills:
            return
        place.proxy.deaths[machine.name] = Death(of_writes=True, number=1, when="after", of_items=True)
        for change in self._random.sample(moves, 2):
            name = change["vm"].rpartition("/")[2]
            self._once(place, machine, ["apply", "plan.json", "--only", f"vm={name}", "--max-moves", "1"])
        place.proxy.deaths.pop(machine.name, None)
        moved = {write.object_id.lower() for write in place.emulator.writes if is_item(write.object_id.lower())}
        if len(moved) > 1:
            self._note("max moves", place, f"--max-moves 1 moved {len(moved)} VMs")

    def _through(self, place: Site, machine: Machine, arguments: Sequence[str], phase: str) -> Result:
        """Run a command again and again until it is through, or has nothing left to try."""
        place.proxy.phase = phase
        result, more, idle = Result(1, "", ""), list[str](), 0
        tried: list[list[str]] = []
        for _ in range(MOST_RUNS):
            self._plan_death(place, machine)
            before = self._writes(place)
            result = self._once(place, machine, [*arguments, *more])
            place.proxy.deaths.pop(machine.name, None)
            if result.code < 0 and result.code != -9:
                break
            if result.code in {0, 2, 99} or self._is_final(place, result, machine):
                if result.code not in {0, 5} or more in ([], EVERYTHING):
                    break
                more = EVERYTHING  # the part is done: what about the rest?
            elif result.code == 4:
                more = _part_that_holds(result.said)
                if not more or more in tried:
                    break
                tried.append(more)
                self._in_part |= phase == "apply"
            idle = 0 if self._writes(place) > before or result.code == -9 else idle + 1
            if idle > 6:
                break
        if result.code in {99, -1000}:
            self._note("lost", place, f"{phase} on machine {machine.name}: {result.err.strip()[-1500:]}")
        self._outcomes[f"{phase} {machine.name}"] = {} if "error" in result.content else result.content
        self.verdict.notes.append(f"{phase} {machine.name}: exit {result.code}")
        return result

    def _is_final(self, place: Site, result: Result, machine: Machine) -> bool:
        """Whether nothing is left that a further run could write; else the time passes until it can."""
        if result.code != 5:
            return False
        content = result.content
        if "guard" in self.recipe.quirks and content.get("failed") and not (machine.folder / "guard").exists():
            place.emulator.state.contents.attached[:] = [
                one for one in place.emulator.state.contents.attached if "/locks/" not in str(one["id"]).lower()
            ]
            (machine.folder / "guard").touch()
            return False
        if not content.get("pending"):
            return not content.get("failed")
        place.clock.sleep(_RESUME_HOURS * 60.0)
        return False

    def _once(self, place: Site, machine: Machine, arguments: Sequence[str]) -> Result:
        result = machine.run(_whole(machine, arguments), _pid(place, machine))
        place.proxy.pids.pop(machine.name, None)
        return result

    def _plan_death(self, place: Site, machine: Machine) -> None:
        if place.proxy.kills < self.course.kills:
            of_writes = self._random.random() < 0.7
            number = self._random.randint(1, 3) if of_writes else self._random.randint(1, 40)
            place.proxy.deaths[machine.name] = Death(of_writes, number, self._random.choice(["before", "after"]))

    def _writes(self, place: Site) -> int:
        return len(place.emulator.writes)

    def _check_lost(self, place: Site, changes: Sequence[dict[str, Any]], used: Sequence[Machine]) -> None:
        state = State(dict(place.emulator.state.contents.policies), dict(place.emulator.state.contents.items))
        outcome = self._outcomes.get("apply a") or {}
        foreign = foreign_keys(place.log)
        if not outcome:
            if not foreign:
                self._note(
                    "lost", place, f"apply never came to an end: {used[0].said[-1][-600:] if used[0].said else ''}"
                )
            return
        for rule, what in lost(changes, outcome, state, foreign, in_part=self._in_part):
            self._note(rule, place, what)
        left = {**outcome.get("pending", {}), **outcome.get("failed", {})}
        if left and not foreign:
            self._note("lost", place, f"never through: {left}")

    def _roll_back(self, place: Site, used: Sequence[Machine], changes: Sequence[dict[str, Any]]) -> None:
        for machine in reversed(used):
            journal = machine.folder / "plan.journal.jsonl"
            if not journal.exists() or '"intent"' not in journal.read_text(encoding="utf-8"):
                continue
            result = self._through(place, machine, ["rollback", "plan.journal.jsonl"], "rollback")
            self.verdict.way_back += f"{machine.name}:{result.code} "
        end = State(dict(place.emulator.state.contents.policies), dict(place.emulator.state.contents.items))
        texts = [text for machine in used for text in machine.said]
        ends = [self._outcomes.get(f"rollback {machine.name}") or {} for machine in used]
        said = "\n".join([*texts, *(left_alone(changes, end) for end in ends)])
        faults = list(not_back(place.log, end, said))
        for rule, what in faults:
            self._note(rule, place, what)
        self.verdict.way_back += (
            "missing" if faults else "whole" if not foreign_keys(place.log) else "whole but others'"
        )

    def _judge(self, place: Site, used: Sequence[Machine]) -> None:
        place.clock.sleep(timedelta(days=9).total_seconds())
        place.emulator.state.advance()
        place.finish()
        judge = Judge(place.log)
        self.verdict.breaches += judge.breaches()
        self.verdict.writes = judge.num_writes
        journals = {
            (machine.name, phase): _records(machine.folder / f"plan.{name}.jsonl")
            for machine in used
            for phase, name in (("apply", "journal"), ("rollback", "rollback"))
        }
        snapshot = place.emulator.snapshot()
        for rule, what in (
            *journal_faults(place.log, journals),
            *wire_matches(judge.state, snapshot.policies, snapshot.protected_items),
        ):
            self._note(rule, place, what)

    def _note(self, rule: Rule, place: Site, what: str) -> None:
        self.verdict.breaches.append(Breach(rule, place.clock.now(), what))


def _part_that_holds(said: str) -> list[str]:
    """Options for the part that a message says still holds: vaults first, then VMs of the other vaults."""
    for kind in ("vault", "vm"):
        parts = sorted(set(re.findall(rf"--only {kind}=([\w-]+)", said)))
        if parts:
            return [option for part in parts for option in ("--only", f"{kind}={part}")]
    return []


def _pid(place: Site, machine: Machine) -> Any:
    return lambda pid: place.proxy.pids.__setitem__(machine.name, pid)


def _whole(machine: Machine, arguments: Sequence[str], *, wait: bool = True) -> list[str]:
    """Arguments as a scheduler would give them."""
    command, file, *more = arguments
    journal = "plan.journal.jsonl" if command == "apply" else "plan.rollback.jsonl"
    resume = ["--resume"] if (machine.folder / journal).exists() else []
    guard = ["--guard-request"] if (machine.folder / "guard").exists() else []
    patience = ["--wait", "1000"] if wait else []
    return [command, str(machine.folder / file), *more, "--yes", "--format", "json", *patience, *resume, *guard]


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

"""Edited plans and journals, each tried against a twin of the service: nothing may come of them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from optimizer.estate.document import EstateDocument
from tests.benchmarks.write_judge.edits import HARMLESS_IF_FORGED, JOURNAL_EDITS, PLAN_EDITS, edit_journal, edit_plan
from tests.benchmarks.write_judge.estates import Recipe
from tests.benchmarks.write_judge.facts import State
from tests.benchmarks.write_judge.judge import Judge
from tests.benchmarks.write_judge.machine import Machine, Result
from tests.benchmarks.write_judge.mischief import Mischief
from tests.benchmarks.write_judge.record import OTHERS, Breach, Log
from tests.benchmarks.write_judge.site import Site, copy_machine, site
from tests.benchmarks.write_judge.way_back import left_alone, not_back

_BEFORE_A_BACKUP = timedelta(minutes=40)


@dataclass
class Probed:
    """What became of edited files.

    Parameters
    ----------
    verdicts
        ``refused``: nothing was sent; ``harmless``: something was, and it was right; ``believed``: it was wrong.
    breaches
        What was wrong.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)

    def add(self, name: str, place: Site, result: Result, faults: Sequence[Breach]) -> None:
        """Put down how one ended."""
        sent = any(exchange.is_write for exchange in place.log.exchanges)
        if faults:
            self.verdicts["believed"] += 1
            self.breaches += [Breach(one.rule, one.at, f"edited {name}: {one.what}") for one in faults]
        elif result.code == 99:
            self.verdicts["believed"] += 1
            self.breaches.append(Breach("lost", place.clock.now(), f"edited {name}: {result.err.strip()[-300:]}"))
        else:
            self.verdicts["harmless" if sent else "refused"] += 1


def probe_plans(folder: Path, document: EstateDocument, recipe: Recipe, most: int) -> Probed:
    """Apply edited plans right before a backup.

    Parameters
    ----------
    folder
        With the estate and the plan of machine ``a``.
    document, recipe
        The estate.
    most
        Edits that are tried.
    """
    found = Probed()
    edits = [(name, forged) for forged in (False, True) for name in PLAN_EDITS]
    tried = [(name, forged) for name, forged in edits if not (forged and name in HARMLESS_IF_FORGED)]
    for number, (name, forged) in enumerate(tried[:most]):
        own = folder / f"plan-edit-{number}"
        own.mkdir(exist_ok=True)
        (own / "a").mkdir(exist_ok=True)
        shutil.copytree(folder / "estate", own / "estate", dirs_exist_ok=True)
        if not edit_plan(folder / "a" / "plan.json", own / "a" / "plan.json", name, forged=forged):
            continue
        now = recipe.begins.replace(hour=23, minute=0) - _BEFORE_A_BACKUP
        with site(own, document, recipe, now, Mischief(name)) as place:
            machine = place.machine("a")
            result = machine.run(["apply", str(machine.folder / "plan.json"), "--yes", "--format", "json"])
            found.add(f"plan ({name}{', new fingerprint' if forged else ''})", place, result, _judged(place))
        shutil.rmtree(own)
    return found


def probe_journals(
    folder: Path,
    place: Site,
    machine: Machine,
    recipe: Recipe,
    changes: Sequence[dict[str, Any]],
    most: int,
) -> Probed:
    """Take edited journals back.

    Parameters
    ----------
    folder
        With the estate.
    place, machine
        Where the plan was applied.
    recipe, changes
        The estate, and the changes of its plan.
    most
        Edits that are tried.
    """
    found = Probed()
    journal = machine.folder / "plan.journal.jsonl"
    if not journal.exists():
        return found
    now_there = place.emulator.snapshot()
    for number, name in enumerate(list(JOURNAL_EDITS)[:most]):
        own = folder / f"journal-edit-{number}"
        copy_machine(machine.folder, own / "a", ["plan.json", "plan.rollback.json"])
        shutil.copytree(folder / "estate", own / "estate", dirs_exist_ok=True)
        if not edit_journal(journal, own / "a" / "plan.journal.jsonl", name):
            continue
        with site(own, now_there, recipe, place.clock.now(), Mischief(name), phase="rollback") as twin:
            other = twin.machine("a")
            arguments = ["rollback", str(other.folder / "plan.journal.jsonl"), "--yes", "--format", "json"]
            guard = ["--guard-request"] if (machine.folder / "guard").exists() else []
            result = other.run([*arguments, "--wait", "1000", *guard])
            faults = _judged(twin, place.log)
            alone = all(change.who in {machine.name, OTHERS} for change in place.log.changes)
            if alone and any(exchange.is_write for exchange in twin.log.exchanges):
                faults += _not_back(twin, place, other, left_alone(changes, result.content))
            found.add(f"journal ({name})", twin, result, faults)
        shutil.rmtree(own)
    return found


def _judged(place: Site, earlier: Log | None = None) -> list[Breach]:
    """Judge what happened at a place, after what had happened before."""
    place.emulator.state.advance()
    place.clock.sleep(timedelta(days=3).total_seconds())
    place.finish()
    log, since = place.log, 0
    if earlier is not None:
        log, since = replace(earlier, events=[*earlier.events, *log.events], jobs=log.jobs), len(earlier.events)
    return [one for one in Judge(log).breaches(since) if one.rule != "gap"]


def _not_back(twin: Site, place: Site, machine: Machine, named: str) -> list[Breach]:
    """What is not as it was before the plan; what others did before counts as in the trial itself."""
    end = State(dict(twin.emulator.state.contents.policies), dict(twin.emulator.state.contents.items))
    log = place.log
    said = "\n".join([*machine.said, named])
    return [Breach(rule, twin.clock.now(), what) for rule, what in not_back(log, end, said)]

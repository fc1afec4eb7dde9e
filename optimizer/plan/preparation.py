"""Preparation of a case: reads the load of an estate, and forecasts the risk of every start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from optimizer.engine import SERIAL, Engine
from optimizer.errors import ConfigError, DataError
from optimizer.estate import Estate
from optimizer.journal import last_moves, read_history
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import MOST_WITHIN_HOURS, Rules
from optimizer.model.set_demands import least_within
from optimizer.plan.case import Case
from optimizer.plan.notes.estate_notes import why_none_is_planned
from optimizer.ports import Progress, no_progress
from optimizer.risk import forecast_load, snapshot_grid


def prepare(
    estate: Estate,
    rules: Rules | None = None,
    *,
    history: str | Path | Iterable[str | Path] = (),
    recently_moved: Mapping[ArmId, date] | None = None,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
) -> Case:
    """Read an estate and compute the risk of every start option.

    Parameters
    ----------
    estate
        Estate to read.
    rules
        Rules that the schedule must keep. None: the defaults.
    history
        Journals, applied plans, or folders with journals, which show which VMs were moved recently; see
        :func:`optimizer.journal.history.read_history`.
    recently_moved
        Day of the last move by the VM's id, as the settings of a plan contain it.
    engine
        Engine on which the history is read and summarized. An estate in the memory of this process is read here.
    progress
        Called with the progress of the work.

    Raises
    ------
    ConfigError
        A rule has a ``within`` that is too small for any start times.
    DataError
        The estate contains something that cannot be planned for, or a history cannot be used.
    """
    rules = rules if rules is not None else Rules()
    inventory = estate.inventory(rules.service_from)
    if not inventory.items:
        raise DataError(
            f"{estate.path}: no VM of the estate has a scheduled backup that can be planned; "
            + ("; ".join(why_none_is_planned(inventory)) or "it holds no protected item of a VM")
        )
    sources = read_history(history, inventory)
    moved_on = last_moves(sources)
    for vm, day in (recently_moved or {}).items():
        moved_on[vm] = max(day, moved_on.get(vm, day))
    vm_ids = [item.vm_id for item in inventory.items]
    forecast = forecast_load(
        estate.load,
        vm_ids,
        inventory.horizon,
        rules.threshold,
        grid=snapshot_grid(inventory),
        progress=progress,
        engine=engine if estate.seen_by_workers else SERIAL,
    )
    recorded = tuple(source.summed_up(lambda day: rules.prices.is_recent(day, inventory.as_of)) for source in sources)
    case = Case.of(inventory, rules, forecast, moved_on)
    _require_possible_within(case)
    return replace(case, history=recorded)


def _require_possible_within(case: Case) -> None:
    """Refuse a ``within`` that no start times can keep, regardless of the other rules.

    Raises
    ------
    ConfigError
        A ``within`` is too small; the message names the rule and the smallest possible value.
    """
    windows = sorted({vault.timing.window_minutes for vault in case.inventory.vaults.values()})
    least = least_within(case.inventory, case.rules, ~case.problem.restrictions.movable)
    for rule in case.rules.rule:
        possible = least.get(rule.name, 0.0)
        if rule.within is not None and rule.within < possible <= MOST_WITHIN_HOURS:
            raise ConfigError(
                f"rule {rule.name!r} > within = {rule.within:g}: is too small; allowed for these VMs: {possible:g} to "
                f"{MOST_WITHIN_HOURS} hours, because backups start on the half hour, start windows last "
                f"{' or '.join(map(str, windows))} minutes, and the rule must hold at every UTC offset; "
                f"raise it to {possible:g} or more"
            )

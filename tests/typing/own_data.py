"""What a user with files of their own writes: an import, rules, a plan with history, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import optimizer


def rules_in_python() -> optimizer.Rules:
    """Write rules without a file."""
    return optimizer.Rules(
        max_moves=20,
        rule=(
            optimizer.Rule(
                name="web servers not in office hours",
                where=optimizer.Selector(tag={"tier": "web"}, frequency=("Daily", "Weekly")),
                forbid=(optimizer.Window(start=8 * 60, end=18 * 60, zone="Europe/Berlin"),),
            ),
            optimizer.Rule(name="four at once", max_concurrent=4),
        ),
    )


def main(folder: Path, vms: str, load: Path) -> str:
    """Import, plan, and say what went wrong if something did."""
    try:
        report = optimizer.import_estate(vms, load, folder / "estate")
        assert_type(report.vms, int)
        estate = optimizer.open_estate(folder / "estate")
        rules = optimizer.read_rules(folder / "rules.toml")
        plan = optimizer.make_plan(estate, rules, effort=1, path=folder / "plan.json")
        optimizer.write_plan(plan, folder / "plan.json")
        monthly = optimizer.make_plan(
            estate,
            rules_in_python(),
            effort=1,
            path=str(folder / "next.json"),
            history=folder / "plan.json",
            earlier=str(folder / "plan.json"),
        )
        after = optimizer.apply_in_memory(estate.document, monthly.changes)
        assert_type(len(after.policies), int)
    except optimizer.NoScheduleError as error:
        return f"no schedule: {error}"
    except (optimizer.ConfigError, optimizer.DataError, optimizer.EstateError) as error:
        return f"an input cannot be used: {error}"
    except (optimizer.PlanFormatError, optimizer.StalePlanError, optimizer.PlanError) as error:
        return f"the plan cannot be used: {error}"
    except (optimizer.EngineError, optimizer.VerificationError, optimizer.OptimizerError) as error:
        return f"something else: {error}"
    return f"{monthly.summary.moved} VMs move"


def import_from_azure_json(folder: str) -> int:
    """Import resources as JSON instead of a table, from one file or from several."""
    one = optimizer.import_resources(f"{folder}/all.json", f"{folder}/load.csv", f"{folder}/a")
    files = [f"{folder}/vaults.json", f"{folder}/vms.json"]
    several = optimizer.import_resources(files, Path(folder) / "load.csv", Path(folder) / "b", zone="UTC")
    return one.vms + several.vms

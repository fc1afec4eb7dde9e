"""Sensitivity of a plan to the prices, in the format of ``--format json``; costs are per 30 days."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from optimizer.model.frames import frame_of
from optimizer.model.html_table import Cell, html_table, html_view
from optimizer.model.phrases import counted
from optimizer.model.strict import StrictModel
from optimizer.whatif.document import ANSWER_SCHEMA_VERSION
from optimizer.whatif.figures import Figures, Noticed, PlanFigures

if TYPE_CHECKING:  # importing polars takes time, which reading an answer does not need
    import polars as pl

PriceName = Literal["snapshot_overlap", "all_at_once", "vault_peak", "working_hours", "policy_write", "move"]


class PriceAnswer(StrictModel):
    """The plan at another price.

    Parameters
    ----------
    price, factor, value
        Name of the price, the factor that it is multiplied by, and the result.
    plan
        The plan for that price.
    kept
        The base plan's schedule at that price.
    vms_changed
        Number of VMs that start at another time than in the base plan.
    noticed
        Number of them whose change is worth a move. The others are noise.
    """

    price: PriceName
    factor: float
    value: float
    plan: PlanFigures
    kept: Figures
    vms_changed: int
    noticed: Noticed

    def row(self) -> dict[str, Cell]:
        """Row of :meth:`Sensitivity.prices_frame`."""
        return {
            "price": self.price,
            "factor": self.factor,
            "value": self.value,
            "cost": self.plan.cost.total,
            "at_risk_per_month": self.plan.at_risk_per_month,
            "overlaps_per_month": self.plan.overlaps_per_month,
            "moved": self.plan.moved,
            "base_plan_costs": self.kept.cost.total,
            "vms_changed": self.vms_changed,
            "changes_that_matter": self.noticed.total,
        }


class VmStability(StrictModel):
    """Whether a VM's start is proven for every good schedule, and how it changes with the prices.

    Parameters
    ----------
    start
        Start in the base plan.
    verdict
        ``fixed`` if it is proven that the VM has this start in every schedule within the tolerance of the optimum;
        otherwise ``not decided``.
    starts_possible
        Starts that no proof rules out.
    must_move
        Whether every such schedule moves the VM, because today's start is ruled out.
    same_at_all_prices
        Whether the VM starts as in the base plan at all prices that were tried.
    most_changed
        Largest gain or loss of the VM at these prices, in at-risk backups per 30 days; 0 if it never starts at another
        time.
    """

    vm: str
    service: str
    today: str
    start: str
    verdict: Literal["fixed", "not decided"]
    starts_possible: tuple[str, ...]
    must_move: bool
    same_at_all_prices: bool
    most_changed: float


class Sensitivity(StrictModel):
    """Sensitivity of the plan to the prices, and the starts that every good schedule shares.

    Parameters
    ----------
    worth_a_move
        Price of a move. A smaller change of a VM is noise, because no VM is moved for less.
    tolerance
        A schedule is good if it costs at most ``1 + tolerance`` times the optimum.
    good_cost
        Upper limit of the cost of a good schedule: ``1 + tolerance`` times the cost of the plan.
    options_allowed, options_ruled_out
        Number of pairs of a VM and a start that the rules allow, and of those that no good schedule contains.
    """

    schema_version: Literal[2] = ANSWER_SCHEMA_VERSION
    as_of: datetime
    base: PlanFigures
    worth_a_move: float
    prices: tuple[PriceAnswer, ...]
    tolerance: float
    good_cost: float
    options_allowed: int
    options_ruled_out: int
    vms: tuple[VmStability, ...]

    # `prices` and `vms` are fields of the answer, so their data frames need names of their own.

    def prices_frame(self) -> pl.DataFrame:
        """Prices as a data frame with one row per price and factor.

        The columns are ``price``, ``factor`` and ``value``, then the plan at that price: ``cost``,
        ``at_risk_per_month``, ``overlaps_per_month``, ``moved``; ``base_plan_costs`` (if the base plan is kept),
        ``vms_changed`` (VMs that start at another time) and ``changes_that_matter`` (VMs whose change matters).
        """
        import polars as pl

        return pl.DataFrame([answer.row() for answer in self.prices])

    def vms_frame(self) -> pl.DataFrame:
        """VMs as a data frame with one row each; columns as in :class:`VmStability`."""
        return frame_of(self.vms, VmStability)

    def _repr_html_(self) -> str:
        """Plans at other prices, and the starts that every good schedule shares, for a notebook."""
        columns = ("price", "factor", "cost", "at-risk backups", "moves", "starts changed", "changes that matter")
        shown = ("price", "factor", "cost", "at_risk_per_month", "moved", "vms_changed", "changes_that_matter")
        rows = [tuple(answer.row()[name] for name in shown) for answer in self.prices]
        fixed = sum(vm.verdict == "fixed" for vm in self.vms)
        same = sum(vm.same_at_all_prices for vm in self.vms)
        moving = sum(vm.must_move for vm in self.vms)
        share = self.options_ruled_out / max(self.options_allowed, 1)
        sentence = (
            f"In every schedule within {self.tolerance:.1%} of the optimum, "
            f"{counted(fixed, 'VM has', 'VMs have')} the same start and {counted(moving, 'VM', 'VMs')} must move; "
            f"{share:.1%} of the starts are ruled out. {counted(same, 'VM starts', 'VMs start')} at the same time "
            "at all prices."
        )
        return html_view(
            f"{counted(len(self.vms), 'VM', 'VMs')} at other prices, figures per 30 days",
            [sentence],
            html_table(columns, rows),
        )

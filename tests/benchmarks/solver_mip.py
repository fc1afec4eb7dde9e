"""The problem as a mixed-integer program for the HiGHS inside OR-Tools: the comparison, not the product."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.instance import NO_CAP, Instance

INFINITY = float("inf")


@dataclass(slots=True)
class _Program:
    """Columns and constraints of a program, as they are added."""

    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    at_least: list[float] = field(default_factory=list)
    at_most: list[float] = field(default_factory=list)
    rows: list[npt.NDArray[np.int64]] = field(default_factory=list)
    columns: list[npt.NDArray[np.int64]] = field(default_factory=list)
    values: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add_columns(self, cost: npt.NDArray[np.float64], upper: float, *, integer: bool) -> npt.NDArray[np.int64]:
        """Columns in ``[0, upper]``; their numbers."""
        first = len(self.cost)
        self.lower += [0.0] * len(cost)
        self.upper += [upper] * len(cost)
        self.cost += cost.tolist()
        self.integer += [integer] * len(cost)
        return np.arange(first, first + len(cost))

    def add(self, columns: npt.ArrayLike, values: npt.ArrayLike, at_most: float, at_least: float = -INFINITY) -> None:
        """One constraint: ``at_least <= values @ columns <= at_most``."""
        which = np.asarray(columns, dtype=np.int64)
        order = np.argsort(which)
        self.rows.append(np.full(len(which), len(self.at_most), dtype=np.int64))
        self.columns.append(which[order])
        self.values.append(np.broadcast_to(np.asarray(values, dtype=np.float64), which.shape)[order])
        self.at_most.append(at_most)
        self.at_least.append(at_least)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of HiGHS.

    Parameters
    ----------
    options
        Shape (V,); None where no schedule was found.
    bound
        Its lower bound; None where it has none yet.
    status
        What it says.
    columns, nonzeros
        Size of the program.
    """

    options: IntArray | None
    bound: float | None
    status: str
    columns: int
    nonzeros: int


class MixedIntegerProgram:
    """The objective of the design in variables ``x[v, t]``, ``writes[k, t]`` and levels of rows.

    Minimize ``linear @ x + policy_write_price * writes + prices @ levels`` subject to

    - ``sum over t of x[v, t] = 1``;
    - ``items[k, t] + sum of x <= vms_per_existing_policy * existing[k, t] + vms_per_new_policy * writes[k, t]``, and
      ``x <= writes`` where no policy has room: weaker without;
    - ``sum of x in row r <= free[r] + sum of its levels``: the cost of a row is convex, so levels may be fractional;
    - caps, the limits of moves and writes. The limit of policies of a vault is widened by those that may be edited,
      so the bound holds and a schedule has to be checked.

    Parameters
    ----------
    instance
        The problem; without gates.

    Raises
    ------
    ValueError
        The instance has gates.
    """

    def __init__(self, instance: Instance) -> None:
        if len(instance.gates):
            raise ValueError("the mixed-integer program knows no gates")
        self._instance = instance
        self._program = _Program()
        self._v, self._t = np.nonzero(instance.allowed)
        self._x = self._program.add_columns(instance.linear[self._v, self._t], 1.0, integer=True)
        self._add_one_option_per_vm()
        self._add_policies()
        self._add_rows()
        self._add_limits()

    def _add_one_option_per_vm(self) -> None:
        for members in np.split(self._x, np.flatnonzero(np.diff(self._v)) + 1):
            self._program.add(members, 1.0, 1.0, 1.0)

    def _add_policies(self) -> None:
        instance, program, limit = self._instance, self._program, self._instance.vms_per_new_policy
        counted = instance.counted(self._v, self._t)
        cell = instance.key[self._v] * NUM_OPTIONS + self._t
        order = np.flatnonzero(counted)[np.argsort(cell[counted], kind="stable")]
        cells, first = np.unique(cell[order], return_index=True)
        existing, unknown = instance.existing.ravel()[cells], instance.unknown.ravel()[cells]
        price = np.full(len(cells), instance.policy_write_price)
        self._writes = program.add_columns(price, float(instance.num_vms), integer=True)
        self._writes_key = cells // NUM_OPTIONS
        # Of no cells at all, as where all VMs stay in policies over their limit, split would still make one part.
        for n, members in enumerate(np.split(self._x[order], first[1:]) if len(cells) else ()):
            writes = self._writes[n]
            values = np.append(np.ones(len(members)), -limit)
            room = int(instance.vms_per_existing_policy * existing[n] - unknown[n])
            program.add(np.append(members, writes), values, float(room))
            if room <= 0 and -room % limit == 0:
                excess = float(room // limit)
                for x in members.tolist():
                    program.add([x, writes], [1.0, -1.0], excess)

    def _add_rows(self) -> None:
        instance, program, rows = self._instance, self._program, self._instance.rows
        touched = instance.touched[instance.vm_class[self._v], self._t]
        entry, place = np.nonzero(touched != len(rows))
        row = touched[entry, place]
        order = np.argsort(row, kind="stable")
        found, first = np.unique(row[order], return_index=True)
        for r, entries in zip(found.tolist(), np.split(entry[order], first[1:]), strict=True):
            members = self._x[entries]
            most = len(np.unique(self._v[entries]))
            if rows.cap[r] != NO_CAP and most > rows.cap[r]:
                program.add(members, 1.0, float(rows.cap[r]))
            number = np.arange(most)
            prices = rows.pair_price[r] * number + rows.peak_price[r] * (number >= rows.fair_share[r])
            priced = prices > 0
            if priced.any():
                levels = program.add_columns(prices[priced], 1.0, integer=False)
                values = np.append(np.ones(len(members)), -np.ones(len(levels)))
                program.add(np.append(members, levels), values, float((~priced).sum()))

    def _add_limits(self) -> None:
        instance, program = self._instance, self._program
        if instance.max_moves is not None:
            program.add(self._x[self._t != instance.today[self._v]], 1.0, float(instance.max_moves))
        editable = [instance.key_vault[policy.key] for policy in instance.policies if policy.editable]
        room = instance.vault_room + np.bincount(editable, minlength=len(instance.vault_room))
        for vault, most in enumerate(room.tolist()):
            program.add(self._writes[instance.key_vault[self._writes_key] == vault], 1.0, float(most))
        for limit in instance.write_limits:
            program.add(self._writes[np.isin(self._writes_key, limit.keys)], 1.0, float(limit.limit))

    def solve(self, time_limit_seconds: float) -> Answer:
        """Run HiGHS.

        Parameters
        ----------
        time_limit_seconds
            Wall-clock limit, what is spent on handing the program over included.
        """
        began = time.monotonic()
        model = mathopt.Model.from_model_proto(self._proto())
        left = max(1.0, time_limit_seconds - (time.monotonic() - began))
        parameters = mathopt.SolveParameters(time_limit=timedelta(seconds=left), relative_gap_tolerance=0.0)
        result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=parameters)
        bound = result.termination.objective_bounds.dual_bound
        nonzeros = sum(len(columns) for columns in self._program.columns)
        return Answer(
            self._options(model, result),
            bound if np.isfinite(bound) else None,
            result.termination.reason.name.lower().replace("_", " "),
            len(self._program.cost),
            nonzeros,
        )

    def _options(self, model: mathopt.Model, result: mathopt.SolveResult) -> IntArray | None:
        if not result.has_primal_feasible_solution():
            return None
        values = result.variable_values()
        chosen = np.zeros(self._instance.allowed.shape)
        chosen[self._v, self._t] = [values[model.get_variable(x)] for x in self._x.tolist()]
        options: IntArray = chosen.argmax(axis=1)
        return options

    def _proto(self) -> model_pb2.ModelProto:
        program, proto = self._program, model_pb2.ModelProto()
        proto.variables.ids.extend(range(len(program.cost)))
        proto.variables.lower_bounds.extend(program.lower)
        proto.variables.upper_bounds.extend(program.upper)
        proto.variables.integers.extend(program.integer)
        cost = np.array(program.cost)
        proto.objective.linear_coefficients.ids.extend(np.flatnonzero(cost).tolist())
        proto.objective.linear_coefficients.values.extend(cost[cost != 0].tolist())
        proto.linear_constraints.ids.extend(range(len(program.at_most)))
        proto.linear_constraints.lower_bounds.extend(program.at_least)
        proto.linear_constraints.upper_bounds.extend(program.at_most)
        proto.linear_constraint_matrix.row_ids.extend(np.concatenate(program.rows).tolist())
        proto.linear_constraint_matrix.column_ids.extend(np.concatenate(program.columns).tolist())
        proto.linear_constraint_matrix.coefficients.extend(np.concatenate(program.values).tolist())
        return proto

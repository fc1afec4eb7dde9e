"""Builds the rows of an instance: half hours of the week in use by a group, merged if all its VMs use them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.pattern import ClockReading, Pattern
from optimizer.model.snapshot_timing import USUAL_TIMING, Box
from optimizer.model.timegrid import HORIZON_DAYS, NUM_OPTIONS, SLOTS_PER_WEEK
from optimizer.model.weights import weight_levels
from optimizer.solve.problem.instance import NO_CAP, OverlapRows, RowKind


@dataclass(frozen=True, slots=True)
class _Span:
    """Half hours that a VM takes at each start option.

    Parameters
    ----------
    width
        Number of half hours from each start. None: the whole start window, under every UTC offset.
    reading
        UTC offsets that apply, if ``width`` is given.
    """

    width: int | None = None
    reading: ClockReading = ClockReading.NOW


_WINDOWS = _Span()
_STARTS = _Span(1)

_Group = tuple[int, _Span, tuple[int, ...]]
"""First row of a group, what its members take, and the patterns of its members."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """Prices and maximum of the VMs in a row; prices and overlaps are those of one half hour of every day.

    Parameters
    ----------
    overlaps, pair_price
        Expected overlaps that the reported figures count for each pair, and price of each pair.
    peak_price, fair_share
        Price of each VM above the fair share, and that number of VMs.
    cap
        Maximum number of VMs.
    """

    overlaps: float = 0.0
    pair_price: float = 0.0
    peak_price: float = 0.0
    fair_share: int = 0
    cap: int = NO_CAP


class RowBuilder:
    """Collects groups of VMs and turns them into rows and VM classes.

    Parameters
    ----------
    patterns
        Patterns of the week, in the order of their indices.
    vm_pattern
        Shape (V,): index of each VM's pattern.
    """

    def __init__(self, patterns: Sequence[Pattern], vm_pattern: IntArray) -> None:
        self._patterns = patterns
        self._tables: dict[_Span, BoolArray] = {}
        self.vm_pattern = vm_pattern
        self._merged: dict[tuple[_Span, tuple[int, ...]], tuple[IntArray, IntArray, IntArray]] = {}
        self._groups_of_vm: list[list[_Group]] = [[] for _ in range(len(vm_pattern))]
        self._blocks: list[OverlapRows] = []
        self._num_rows = 0

    @property
    def starts(self) -> BoolArray:
        """Half hours in which the runs of each pattern start, at each option; shape (num_patterns, 48, 336)."""
        return self._table(_STARTS)

    def add_service(
        self,
        group: int,
        members: IntArray,
        price: float,
        weights: FloatArray,
        boxes: Sequence[Box] = USUAL_TIMING.boxes,
    ) -> None:
        """Add the rows of a service, which price pairs of overlapping snapshots.

        An overlap of two VMs counts as much as the smaller of their weights. This is exact with one set of rows for
        each distinct weight: the set contains the VMs of at least this weight, and its price is the amount by which
        the weight exceeds the next smaller one. Other means of two weights are not sums over groups with positive
        prices, which the bound needs.

        If the time zones of its VMs change their UTC offsets differently, half of the overlaps are counted at today's
        offsets and half at those after the change: what Azure does then is not documented.

        Parameters
        ----------
        group, members
            Index of the service, and its VMs.
        price
            Price of one expected overlapping snapshot in 30 days, of VMs of weight 1.
        weights
            Shape (len(members),): weight of each VM.
        boxes
            Probability of an overlap, by the distance between two starts.
        """
        for step, heavy in weight_levels(weights):
            if heavy.sum() > 1:
                self._add_pairs(group, members[heavy], price * step, boxes, counts=bool(heavy.all()))

    def _add_pairs(self, group: int, members: IntArray, price: float, boxes: Sequence[Box], *, counts: bool) -> None:
        """Add rows that price pairs; if ``counts`` is true, the reported figures count their overlaps, too."""
        shifts = {self._patterns[pattern].shift for pattern in np.unique(self.vm_pattern[members]).tolist()}
        readings = tuple(ClockReading) if len(shifts) > 1 else (ClockReading.NOW,)
        for box in boxes:
            for reading in readings:
                overlaps = HORIZON_DAYS * box.weight / len(readings)
                terms = _Terms(overlaps=overlaps if counts else 0.0, pair_price=price * overlaps)
                self._add(RowKind.SERVICE, group, members, _Span(box.width, reading), terms)

    def add_vault(self, group: int, members: IntArray, peak_price: float, fair_share: int) -> None:
        """Add the rows of a vault, which price starts above the fair share of each half hour."""
        terms = _Terms(peak_price=peak_price, fair_share=fair_share)
        self._add(RowKind.VAULT_STARTS, group, members, _STARTS, terms)

    def add_cap(self, group: int, members: IntArray, cap: int) -> None:
        """Add the rows of a capped group, whose start windows are limited in every half hour."""
        self._add(RowKind.CAP, group, members, _WINDOWS, _Terms(cap=cap))

    def _add(self, kind: RowKind, group: int, members: IntArray, span: _Span, terms: _Terms) -> None:
        """Add the rows of a group."""
        present = tuple(np.unique(self.vm_pattern[members]).tolist())
        _, slots_per_row, first_slot = self._merge(span, present)
        weight = slots_per_row / 7
        count = len(weight)
        for v in members.tolist():
            self._groups_of_vm[v].append((self._num_rows, span, present))
        self._blocks.append(
            OverlapRows(
                pair_price=terms.pair_price * weight,
                peak_price=terms.peak_price * weight,
                fair_share=np.full(count, terms.fair_share, dtype=np.int64),
                cap=np.full(count, terms.cap, dtype=np.int64),
                size=np.full(count, len(members), dtype=np.int64),
                weight=weight,
                overlaps=terms.overlaps * weight,
                slot=first_slot,
                kind=(kind,) * count,
                group=np.full(count, group, dtype=np.int64),
            )
        )
        self._num_rows += count

    def _merge(self, span: _Span, patterns: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
        """Row of each of the 336 slots (-1 if never taken), slots per row, and first slot of each row."""
        kind = (span, patterns)
        if kind not in self._merged:
            columns = self._table(span)[list(patterns)].reshape(-1, SLOTS_PER_WEEK)
            _, first, inverse, count = np.unique(
                columns, axis=1, return_index=True, return_inverse=True, return_counts=True
            )
            used = columns[:, first].any(axis=0)
            renumber = np.where(used, np.cumsum(used) - 1, -1)
            self._merged[kind] = (renumber[inverse.ravel()], count[used], first[used])
        return self._merged[kind]

    def _table(self, span: _Span) -> BoolArray:
        """Half hours that each pattern takes at each option; shape (num_patterns, 48, 336)."""
        if span not in self._tables:
            self._tables[span] = np.stack(
                [
                    pattern.occupancy() if span.width is None else pattern.slots_from_start(span.width, span.reading)
                    for pattern in self._patterns
                ]
            )
        return self._tables[span]

    def rows(self) -> OverlapRows:
        """Join the rows of all groups."""
        blocks = self._blocks

        def join(name: str) -> Any:
            return np.concatenate([getattr(block, name) for block in blocks])

        return OverlapRows(
            pair_price=join("pair_price"),
            peak_price=join("peak_price"),
            fair_share=join("fair_share"),
            cap=join("cap"),
            size=join("size"),
            weight=join("weight"),
            overlaps=join("overlaps"),
            slot=join("slot"),
            kind=tuple(kind for block in blocks for kind in block.kind),
            group=join("group"),
        )

    def classes(self) -> tuple[IntArray, IntArray]:
        """Class of each VM, and the rows that each class touches at each option.

        Returns
        -------
        vm_class
            Shape (V,): class of each VM.
        touched
            Shape (C, 48, W): rows that each class touches, padded with the number of rows.
        """
        numbers: dict[tuple[int, tuple[_Group, ...]], int] = {}
        vm_class = np.empty(len(self.vm_pattern), dtype=np.int64)
        for v, groups in enumerate(self._groups_of_vm):
            vm_class[v] = numbers.setdefault((int(self.vm_pattern[v]), tuple(groups)), len(numbers))
        lists = [self._touched_by(pattern, groups) for pattern, groups in numbers]
        width = max((len(rows) for options in lists for rows in options), default=0)
        touched = np.full((len(lists), NUM_OPTIONS, max(width, 1)), self._num_rows, dtype=np.int64)
        for number, options in enumerate(lists):
            for option, rows in enumerate(options):
                touched[number, option, : len(rows)] = rows
        return vm_class, touched

    def _touched_by(self, pattern: int, groups: tuple[_Group, ...]) -> list[list[int]]:
        options: list[list[int]] = [[] for _ in range(NUM_OPTIONS)]
        for begin, span, present in groups:
            row_of_slot, table = self._merge(span, present)[0], self._table(span)
            for option in range(NUM_OPTIONS):
                met = np.unique(row_of_slot[table[pattern, option]])
                options[option] += (begin + met[met >= 0]).tolist()
        return options

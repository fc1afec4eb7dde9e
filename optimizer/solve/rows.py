"""Rows of an instance: half hours of the week that a group of VMs meets, merged where it meets them alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS, SLOTS_PER_WEEK, Pattern
from optimizer.solve.instance import NO_CAP, BoolArray, IntArray, RowKind, Rows

_Group = tuple[int, RowKind, tuple[int, ...]]
"""First row of a group, its kind, the patterns of its members."""


class RowBuilder:
    """Collects groups of VMs and turns them into rows and classes.

    Parameters
    ----------
    patterns
        Patterns of the week, in the order of their numbers.
    vm_pattern
        Shape (V,): number of the pattern of each VM.
    snapshot_minutes
        Length of the snapshot at the end of a start window.
    """

    def __init__(self, patterns: Sequence[Pattern], vm_pattern: IntArray, snapshot_minutes: int) -> None:
        self.windows = np.stack([pattern.occupancy(snapshot_minutes) for pattern in patterns])
        self.starts = np.zeros_like(self.windows)
        for number, pattern in enumerate(patterns):
            for option in range(NUM_OPTIONS):
                self.starts[number, option, pattern.start_slots(option)] = True
        self._vm_pattern = vm_pattern
        self._merged: dict[tuple[RowKind, tuple[int, ...]], tuple[IntArray, IntArray, IntArray]] = {}
        self._groups_of_vm: list[list[_Group]] = [[] for _ in range(len(vm_pattern))]
        self._blocks: list[Rows] = []
        self._num_rows = 0

    def add_group(
        self,
        kind: RowKind,
        group: int,
        members: IntArray,
        *,
        pair_price: float = 0.0,
        peak_price: float = 0.0,
        fair_share: int = 0,
        cap: int = NO_CAP,
    ) -> None:
        """Add the rows of a group.

        Parameters
        ----------
        kind, group
            What is counted, and the number of the group among its kind.
        members
            VMs of the group.
        pair_price, peak_price
            Prices for one half hour of every day.
        fair_share, cap
            See :class:`~optimizer.solve.instance.Rows`.
        """
        present = tuple(np.unique(self._vm_pattern[members]).tolist())
        _, slots_per_row, first_slot = self._merge(kind, present)
        weight = slots_per_row / 7
        count = len(weight)
        for v in members.tolist():
            self._groups_of_vm[v].append((self._num_rows, kind, present))
        self._blocks.append(
            Rows(
                pair_price=pair_price * weight,
                peak_price=peak_price * weight,
                fair_share=np.full(count, fair_share, dtype=np.int64),
                cap=np.full(count, cap, dtype=np.int64),
                size=np.full(count, len(members), dtype=np.int64),
                weight=weight,
                slot=first_slot,
                kind=(kind,) * count,
                group=np.full(count, group, dtype=np.int64),
            )
        )
        self._num_rows += count

    def _merge(self, kind: RowKind, patterns: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
        """Row of each of the 336 slots (-1: never met), slots per row, first slot of each row."""
        place = (kind, patterns)
        if place not in self._merged:
            columns = self._table(kind)[list(patterns)].reshape(-1, SLOTS_PER_WEEK)
            _, first, inverse, count = np.unique(
                columns, axis=1, return_index=True, return_inverse=True, return_counts=True
            )
            used = columns[:, first].any(axis=0)
            renumber = np.where(used, np.cumsum(used) - 1, -1)
            self._merged[place] = (renumber[inverse.ravel()], count[used], first[used])
        return self._merged[place]

    def _table(self, kind: RowKind) -> BoolArray:
        return self.starts if kind is RowKind.VAULT_STARTS else self.windows

    def rows(self) -> Rows:
        """All rows."""
        blocks = self._blocks

        def join(name: str) -> Any:
            return np.concatenate([getattr(block, name) for block in blocks])

        return Rows(
            pair_price=join("pair_price"),
            peak_price=join("peak_price"),
            fair_share=join("fair_share"),
            cap=join("cap"),
            size=join("size"),
            weight=join("weight"),
            slot=join("slot"),
            kind=tuple(kind for block in blocks for kind in block.kind),
            group=join("group"),
        )

    def classes(self) -> tuple[IntArray, IntArray]:
        """Class of each VM, and the rows that each class touches at each option, padded with the number of rows.

        Returns
        -------
        vm_class
            Shape (V,).
        touched
            Shape (C, 48, W).
        """
        numbers: dict[tuple[int, tuple[_Group, ...]], int] = {}
        vm_class = np.empty(len(self._vm_pattern), dtype=np.int64)
        for v, groups in enumerate(self._groups_of_vm):
            vm_class[v] = numbers.setdefault((int(self._vm_pattern[v]), tuple(groups)), len(numbers))
        lists = [self._touched_by(pattern, groups) for pattern, groups in numbers]
        width = max((len(rows) for options in lists for rows in options), default=0)
        touched = np.full((len(lists), NUM_OPTIONS, max(width, 1)), self._num_rows, dtype=np.int64)
        for number, options in enumerate(lists):
            for option, rows in enumerate(options):
                touched[number, option, : len(rows)] = rows
        return vm_class, touched

    def _touched_by(self, pattern: int, groups: tuple[_Group, ...]) -> list[list[int]]:
        options: list[list[int]] = [[] for _ in range(NUM_OPTIONS)]
        for begin, kind, present in groups:
            row_of_slot, table = self._merge(kind, present)[0], self._table(kind)
            for option in range(NUM_OPTIONS):
                met = np.unique(row_of_slot[table[pattern, option]])
                options[option] += (begin + met[met >= 0]).tolist()
        return options

"""Selects the VMs that a rule applies to: the criteria of one set, and lists of sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from optimizer.model.caseless import Caseless
from optimizer.model.faults import as_json
from optimizer.model.inventory import Vault, Vm
from optimizer.model.rule_values import Flag, Os, SparseTable
from optimizer.model.timegrid import Frequency

FrequencyName = Literal["Daily", "Weekly", "Hourly"]


def _one_or_more(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return value
    raise ValueError(
        f'{as_json(value)} is not a frequency; allowed: "Daily", "Weekly" or "Hourly", or a list of these'
    )


def _one_pattern(value: object) -> object:
    if isinstance(value, list | tuple):
        raise ValueError(
            f'{as_json(value)} is a list; allowed: one pattern in quotes, as "shop-*", where * stands for any '
            "characters and ? for one; for names that no single pattern covers, write a rule for each"
        )
    return value


def _criteria(value: object) -> object:
    if isinstance(value, Mapping | Selector):
        return value
    raise ValueError(f'{as_json(value)} is not a table of criteria; allowed: a table, as {{ name = "sql-*" }}')


Pattern = Annotated[str, BeforeValidator(_one_pattern)]
"""A pattern of names."""


class Selector(SparseTable):
    """VMs that a rule applies to: those that match all given criteria; without criteria, every VM.

    Names are compared without regard to case and may hold ``*`` and ``?``; ``frequency`` is one or several of Daily,
    Weekly and Hourly: an hourly policy runs around the clock, and a rule for nights can only be for the others.
    """

    tag: Mapping[str, Pattern] = Field(default_factory=dict)
    name: Pattern | None = None
    service: Pattern | None = None
    vault: Pattern | None = None
    subscription: Pattern | None = None
    resource_group: Pattern | None = None
    os: Os | None = None
    frequency: Annotated[tuple[FrequencyName, ...], BeforeValidator(_one_or_more)] = ()

    def matches(self, vm: Vm, vault: Vault, frequency: Frequency | None = None) -> bool:
        """Whether a VM matches, given its vault and frequency (None: no scheduled backup)."""
        wanted = (
            (self.name, vm.name),
            (self.service, vm.service),
            (self.vault, vault.name),
            (self.subscription, vm.subscription),
            (self.resource_group, vm.resource_group),
            (self.os, vm.os),
        )
        tags = {Caseless(key): value for key, value in vm.tags.items()}
        if self.frequency and frequency not in self.frequency:
            return False
        wanted_tags = ((pattern, tags.get(Caseless(key))) for key, pattern in self.tag.items())
        return all(pattern is None or Caseless(value).is_like(pattern) for pattern, value in wanted) and all(
            value is not None and Caseless(value).is_like(pattern) for pattern, value in wanted_tags
        )


def _set_of_vms(value: object) -> object:
    if isinstance(value, str | Mapping | Selector):
        return value
    several = "; several patterns do not make one set" if isinstance(value, list | tuple) else ""
    raise ValueError(
        f'{as_json(value)} is not a set of VMs; allowed: a pattern of names in quotes, as "sql-*", or a table of '
        f'criteria, as {{ tag = {{ tier = "db" }} }}{several}'
    )


def _list_of_sets(value: object) -> object:
    if isinstance(value, list | tuple):
        return value
    raise ValueError(
        f"{as_json(value)} is not a list; allowed: a list of sets of VMs, each a pattern of names in quotes or a "
        'table of criteria, as ["sql-*", { service = "shop" }]'
    )


def _true_or_sets(value: object) -> object:
    if isinstance(value, bool | list | tuple):
        return value
    raise ValueError(
        f"{as_json(value)} is not allowed; allowed: true (no two of the VMs of 'where' meet) or a list of at least "
        'two sets, as ["sql-*", "web-*"]'
    )


def _branch_of_set(value: object) -> str:
    return _PATTERN if isinstance(value, str) else _CRITERIA


def _branch_of_separate(value: object) -> str:
    return _LIST if isinstance(value, list | tuple) else _FLAG


_PATTERN, _CRITERIA, _LIST, _FLAG = "<pattern>", "<criteria>", "<list>", "<flag>"

VmSet = Annotated[
    Annotated[str, Field(min_length=1), Tag(_PATTERN)] | Annotated[Selector, Tag(_CRITERIA)],
    Discriminator(_branch_of_set),
    BeforeValidator(_set_of_vms),
]
"""A set of VMs, given by a pattern of their names or by criteria."""

Separate = Annotated[
    Annotated[Flag, Tag(_FLAG)] | Annotated[tuple[VmSet, ...], Tag(_LIST)],
    Discriminator(_branch_of_separate),
    BeforeValidator(_true_or_sets),
]


Sets = Annotated[tuple[VmSet, ...], BeforeValidator(_list_of_sets)]
"""A list of sets of VMs."""

Criteria = Annotated[Selector, BeforeValidator(_criteria)]
"""The criteria of a rule."""


def selector_of(written: str | Selector) -> Selector:
    """Criteria of a set; a pattern of names becomes the criterion ``name``."""
    return Selector(name=written) if isinstance(written, str) else written


def fits(written: str | Selector, vm: Vm, vault: Vault, frequency: Frequency | None) -> bool:
    """Whether a VM belongs to a set, given as a pattern of names or as criteria."""
    return Caseless(vm.name).is_like(written) if isinstance(written, str) else written.matches(vm, vault, frequency)


def set_of(sets: Sequence[Selector], vm: Vm, vault: Vault, frequency: Frequency | None) -> int | None:
    """Index of the first set that a VM matches, so that ``["sql-*", "*"]`` is SQL and the rest; None if none match."""
    return next((n for n, selector in enumerate(sets) if selector.matches(vm, vault, frequency)), None)

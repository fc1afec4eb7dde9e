"""The rules of a planner, as data: thresholds, prices, windows, caps, pins, limits.

The classes validate themselves, so that a rules file and the Python API answer with the same messages; dumped,
they read like the file that they came from.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    Strict,
    Tag,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from optimizer.model.inventory import MAX_POLICIES_PER_VAULT, MAX_VMS_PER_POLICY, Vault, Vm
from optimizer.model.timegrid import MINUTES_PER_DAY, WEEKDAYS, Frequency, format_minute, parse_weekday, resolve_zone

FrequencyName = Literal["Daily", "Weekly", "Hourly"]
Statistic = Literal["average", "maximum"]
Scope = Literal["vault", "subscription"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class _Sparse(_Frozen):
    """Dumped without the keys that say nothing beyond their default, as a planner would write it."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        silent = {
            key
            for name, field in fields.items()
            if getattr(self, name) == field.get_default(call_default_factory=True)
            for key in (name, field.alias)
        }
        return {key: value for key, value in dump(self).items() if key not in silent}


def _minute_of_day(value: object) -> object:
    """Minute of an ``HH:MM`` text; 24:00 is the end of a day."""
    if isinstance(value, dt.time):
        raise ValueError(f'{value} is a bare time of day; write it in quotes, as "{value:%H:%M}"')
    if not isinstance(value, str):
        return value
    hour, colon, minute = value.partition(":")
    if colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdecimal():
        total = int(hour) * 60 + int(minute)
        if int(minute) < 60 and total <= MINUTES_PER_DAY:
            return total
    raise ValueError(f'{value!r} is not a time of day; allowed: HH:MM from 00:00 to 24:00; write it as "20:00"')


def _time_text(minute: int) -> str:
    return "24:00" if minute == MINUTES_PER_DAY else format_minute(minute)


def _weekday(value: object) -> object:
    return parse_weekday(value) if isinstance(value, str) else value


def _weekday_name(day: int) -> str:
    return WEEKDAYS[day]


def _date(value: object) -> object:
    """A calendar date; pydantic alone would read numbers as seconds since 1970."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        return value
    raise ValueError(f"{str(value)!r} is not a date; allowed: YYYY-MM-DD without a time of day, as 2026-12-24")


def _zone_name(value: object) -> object:
    if isinstance(value, str):
        resolve_zone(value)
    return value


def _os_name(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


def _percent(value: float) -> float:
    if value <= 1:
        raise ValueError(
            f"{value:g} would mean {value:g} %; thresholds are in percent from above 1 to 100; "
            f"write {value * 100:g} for {value * 100:g} %"
        )
    return value


MinuteOfDay = Annotated[
    int,
    BeforeValidator(_minute_of_day),
    Field(strict=True, ge=0, le=MINUTES_PER_DAY),
    PlainSerializer(_time_text),
    WithJsonSchema({"type": "string", "pattern": r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"}),
]
Weekday = Annotated[
    int,
    BeforeValidator(_weekday),
    Field(strict=True, ge=0, le=6),
    PlainSerializer(_weekday_name),
    WithJsonSchema({"type": "string", "enum": list(WEEKDAYS)}),
]
Date = Annotated[dt.date, BeforeValidator(_date)]
ZoneName = Annotated[str, BeforeValidator(_zone_name)]
Os = Annotated[Literal["Windows", "Linux"], BeforeValidator(_os_name)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Field(strict=True, ge=0)]
AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100), AfterValidator(_percent)]
Price = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


DEFAULT_MOVE_RECENT = 0.2
DEFAULT_RECENT_DAYS = 60
"""Left out of a plan, as plans of before they existed do: these stay readable, and mean the same."""


class Threshold(_Frozen):
    """Above which load a snapshot is at risk.

    Parameters
    ----------
    cpu_percent, memory_percent
        Load in percent; at risk is strictly above.
    statistic
        Which figure of a 5-minute bin is compared.
    """

    cpu_percent: Percent = 90.0
    memory_percent: Percent = 90.0
    statistic: Statistic = "average"


class Prices(_Frozen):
    """What each kind of cost is worth, in at-risk backups per 30 days.

    Parameters
    ----------
    overlap
        Per pair of VMs of one service in one half hour, mean per day.
    vault_peak
        Per start above a vault's fair share in one half hour, mean per day.
    policy_write
        Per policy created or edited.
    move
        Per VM whose start changes.
    move_recent
        The same for a VM that was moved in the last ``recent_days`` before the estate was taken.
    recent_days
        How long a move is recent.
    """

    overlap: Price = 0.02
    vault_peak: Price = 0.01
    policy_write: Price = 0.1
    move: Price = 0.02
    move_recent: Annotated[Price, Field(exclude_if=lambda price: price == DEFAULT_MOVE_RECENT)] = DEFAULT_MOVE_RECENT
    recent_days: Annotated[Count, Field(exclude_if=lambda days: days == DEFAULT_RECENT_DAYS)] = DEFAULT_RECENT_DAYS

    def is_recent(self, moved_on: dt.date, as_of: dt.datetime) -> bool:
        """Whether a move of that day (UTC) is recent for an estate of that time."""
        return moved_on >= as_of.astimezone(dt.UTC).date() - dt.timedelta(days=self.recent_days)


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Selector(_Sparse):
    """Which VMs a rule is for: all of the given criteria hold; none given means every VM.

    Names are compared without regard to case and may hold ``*`` and ``?``; ``frequency`` is one or several of Daily,
    Weekly and Hourly: an hourly policy runs around the clock, and a rule for nights can only be for the others.
    """

    tag: Mapping[str, str] = Field(default_factory=dict)
    name: str | None = None
    service: str | None = None
    vault: str | None = None
    subscription: str | None = None
    resource_group: str | None = None
    os: Os | None = None
    frequency: Annotated[tuple[FrequencyName, ...], BeforeValidator(_one_or_more)] = ()

    def matches(self, vm: Vm, vault: Vault, frequency: Frequency | None = None) -> bool:
        """Whether the rule is for this VM, protected by this vault as often as this (None: no scheduled backup)."""
        wanted = (
            (self.name, vm.name),
            (self.service, vm.service),
            (self.vault, vault.name),
            (self.subscription, vm.subscription),
            (self.resource_group, vm.resource_group),
            (self.os, vm.os),
        )
        tags = {key.lower(): value for key, value in vm.tags.items()}
        if self.frequency and frequency not in self.frequency:
            return False
        return all(pattern is None or _like(value, pattern) for pattern, value in wanted) and all(
            key.lower() in tags and _like(tags[key.lower()], pattern) for key, pattern in self.tag.items()
        )


def _like(value: str, pattern: str) -> bool:
    """Whether a name fits; ``[`` stands for itself, as tags like ``[prod]`` are common."""
    return fnmatch.fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]"))


def _set_of_vms(value: object) -> object:
    if isinstance(value, str | Mapping | Selector):
        return value
    raise ValueError(
        f'{value!r} is no set of VMs; allowed: a pattern of names in quotes, as "sql-*", or a table of criteria, as '
        '{ tag = { tier = "db" } }'
    )


def _true_or_sets(value: object) -> object:
    if isinstance(value, bool | list | tuple):
        return value
    raise ValueError(
        f"{value!r} is not allowed; allowed: true (no two of the VMs of 'where' meet) or a list of at least two sets, "
        'as ["sql-*", "web-*"]'
    )


def _branch_of_set(value: object) -> str:
    return _PATTERN if isinstance(value, str) else _CRITERIA


def _branch_of_separate(value: object) -> str:
    return _LIST if isinstance(value, list | tuple) else _FLAG


_PATTERN, _CRITERIA, _LIST, _FLAG = "<pattern>", "<criteria>", "<list>", "<flag>"

UNION_BRANCHES = frozenset({_PATTERN, _CRITERIA, _LIST, _FLAG})
"""What pydantic puts into the place of a mistake that the planner has not written."""

VmSet = Annotated[
    Annotated[str, Field(min_length=1), Tag(_PATTERN)] | Annotated[Selector, Tag(_CRITERIA)],
    Discriminator(_branch_of_set),
    BeforeValidator(_set_of_vms),
]
"""VMs by a pattern of their names or by criteria."""

Separate = Annotated[
    Annotated[Flag, Tag(_FLAG)] | Annotated[tuple[VmSet, ...], Tag(_LIST)],
    Discriminator(_branch_of_separate),
    BeforeValidator(_true_or_sets),
]


class Window(_Sparse):
    """A window of local time: ``[from, to)``, past midnight where ``to`` is not after ``from``.

    Parameters
    ----------
    start, end
        Minutes of the local day (``from`` and ``to`` in the file).
    days
        Weekdays on which the window begins, Monday = 0; None: every day.
    dates
        Dates on which the window begins; None: every date.
    zone
        Windows or IANA name of the zone of the above; None: the zone of each VM's own policy.
    """

    start: Annotated[MinuteOfDay, Field(alias="from")]
    end: Annotated[MinuteOfDay, Field(alias="to")]
    days: tuple[Weekday, ...] | None = None
    dates: tuple[Date, ...] | None = None
    zone: ZoneName | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_as_text(cls, window: object) -> object:
        """In a file ``from = 20`` must not mean 20 minutes past midnight, nor ``days = [1]`` Tuesday."""
        if isinstance(window, Mapping) and ("from" in window or "to" in window):
            for key in ("from", "to"):
                if isinstance(window.get(key), int):
                    raise ValueError(f'{key} = {window[key]} is no time of day; write it as text, as in "20:00"')
            days = window.get("days")
            if isinstance(days, list | tuple) and not all(isinstance(day, str) for day in days):
                raise ValueError(f"days = {list(days)} are not all names; allowed: {', '.join(WEEKDAYS)}")
        return window

    @model_validator(mode="after")
    def _has_length(self) -> Window:
        if self.start == self.end or (self.start == MINUTES_PER_DAY and self.end == 0):
            raise ValueError(
                f"the window from {format_minute(self.start)} to {format_minute(self.end)} has no length; "
                "write from 00:00 to 24:00 for a whole day"
            )
        if self.start == MINUTES_PER_DAY:
            raise ValueError("a window cannot begin at 24:00; write 00:00")
        if self.days == () or self.dates == ():
            raise ValueError("an empty list of days or dates means never; leave the key out for every day")
        return self

    @property
    def minutes(self) -> int:
        """Length in minutes of local time."""
        return (self.end - self.start - 1) % MINUTES_PER_DAY + 1

    def begins_on(self, day: dt.date) -> bool:
        """Whether the window begins on this local date."""
        return (self.days is None or day.weekday() in self.days) and (self.dates is None or day in self.dates)


class DateRange(_Frozen):
    """Days from ``from`` to ``to``, both included.

    Parameters
    ----------
    first, last
        Local dates (``from`` and ``to`` in the file).
    """

    first: Annotated[Date, Field(alias="from")]
    last: Annotated[Date, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> DateRange:
        if self.last < self.first:
            raise ValueError(f"the range from {self.first} to {self.last} ends before it begins; swap the two")
        return self

    def __contains__(self, day: dt.date) -> bool:
        """Whether a date lies in the range."""
        return self.first <= day <= self.last


def _range_of_one(value: object) -> object:
    """A single date stands for the range of that day."""
    if isinstance(value, Mapping | DateRange):
        return value
    day = _date(value)
    return {"from": day, "to": day}


class Rule(_Sparse):
    """One rule of the planner.

    Parameters
    ----------
    name
        As it is quoted in explanations and conflicts.
    where
        The VMs that it is for.
    allow
        The whole start window of every run lies inside the union of these.
    forbid
        No part of any start window touches any of these.
    max_concurrent
        Start windows that may meet in one half hour, counted ``per`` service or vault.
    separate
        True: no two start windows of these VMs meet in one half hour.  A list of sets: those of VMs of different sets
        do not; within a set they may.
    order
        Sets of VMs: on every day on which both run, the start windows of a set have ended before those of the next
        ones begin.  A day lasts from noon to noon of each VM's own policy, and a run belongs to the day in which it
        starts.
    per
        Within what the above is counted or demanded: each service, each vault, or, for ``separate`` and ``order``
        alone and where nothing is said, everything that ``where`` selects.
    pin
        The VMs keep their start; they are counted.
    exclude
        The VMs are never written; they are counted.
    freeze
        Days, in the zone of each VM's policy, on which nothing of these VMs is written to Azure; backups go on.
    rpo_hours
        Longest time in hours between two recovery points that a change may cause; the smallest of the rules for a VM
        counts, and the widest spacing of its runs + 12 h where no rule says.  What the schedule leaves by itself (the
        widest spacing + 2 h, as a start may be late) is always allowed.
    """

    name: str = Field(min_length=1)
    where: Selector = Selector()
    allow: tuple[Window, ...] = ()
    forbid: tuple[Window, ...] = ()
    max_concurrent: AtLeastOne | None = None
    separate: Separate = False
    order: tuple[VmSet, ...] = ()
    per: Literal["service", "vault"] | None = None
    pin: Flag = False
    exclude: Flag = False
    freeze: tuple[Annotated[DateRange, BeforeValidator(_range_of_one)], ...] = ()
    rpo_hours: Annotated[float | None, Field(strict=True, gt=0, le=8784)] = None

    @model_validator(mode="after")
    def _sets_differ(self) -> Rule:
        for key, sets in (("separate", self.separate), ("order", self.order)):
            if isinstance(sets, bool) or key not in self.model_fields_set:
                continue
            if len(sets) < 2:
                raise ValueError(
                    f"rule {self.name!r}: {key!r} needs at least two sets of VMs and has {len(sets)}; write it as "
                    f'{key} = ["sql-*", "web-*"]'
                )
            for number, one in enumerate(sets):
                if one in sets[:number]:
                    raise ValueError(
                        f"rule {self.name!r} has the same set twice in {key!r}, as number {sets.index(one) + 1} and "
                        f"{number + 1}; take one out"
                    )
        return self

    @model_validator(mode="after")
    def _does_something(self) -> Rule:
        windows = (self.allow, self.forbid, self.max_concurrent, self.separate, self.order)
        if not any((*windows, self.pin, self.exclude, self.freeze, self.rpo_hours)):
            raise ValueError(
                f"rule {self.name!r} demands nothing; give it allow, forbid, max_concurrent, separate, order, pin, "
                "exclude, freeze or rpo_hours"
            )
        if self.per is not None and not (self.max_concurrent or self.separate or self.order):
            raise ValueError(f"rule {self.name!r} has 'per' without 'max_concurrent', 'separate' or 'order'")
        if self.max_concurrent is not None and (self.separate or self.order):
            other = "separate" if self.separate else "order"
            raise ValueError(
                f"rule {self.name!r} has both 'max_concurrent' and {other!r}, which look at different VMs; write two "
                "rules"
            )
        return self

    @property
    def cap(self) -> int | None:
        """Start windows that may meet in one half hour; None: any number."""
        return 1 if self.separate is True else self.max_concurrent

    @property
    def separate_sets(self) -> tuple[Selector, ...]:
        """Sets whose windows are kept apart; empty where ``separate`` names none."""
        return tuple(map(_selector, self.separate)) if isinstance(self.separate, tuple) else ()

    @property
    def order_sets(self) -> tuple[Selector, ...]:
        """Sets in the order in which they are backed up."""
        return tuple(map(_selector, self.order))

    def group_of(self, vm: Vm, vault: Vault) -> str:
        """Within what a VM is counted: its service, the lower-case id of its vault, or "" for all of the rule."""
        per = self.per or (None if self.max_concurrent is None else "service")
        if per is None:
            return ""
        return vm.service or vm.id if per == "service" else vault.id.lower()


def _selector(written: str | Selector) -> Selector:
    return Selector(name=written) if isinstance(written, str) else written


def set_of(sets: Sequence[Selector], vm: Vm, vault: Vault, frequency: Frequency | None) -> int | None:
    """Number of the first set that a VM fits, as ``["sql-*", "*"]`` means SQL first, then the others; None: none."""
    return next((n for n, one in enumerate(sets) if one.matches(vm, vault, frequency)), None)


class PolicyLimits(_Frozen):
    """How policies may be changed.

    Parameters
    ----------
    edit
        Whether the time of an existing policy may be edited where all its VMs go to one new time.
    max_vms_per_policy, max_policies_per_vault
        Azure's limits; the second is documented with more than one value.
    max_writes_per_day
        Policies that may be created or edited in 24 hours, in each ``scope``: how many days a roll-out takes.
    scope
        Whether ``max_writes_per_day`` is counted per vault or per subscription.
    """

    edit: Flag = True
    max_vms_per_policy: AtLeastOne = MAX_VMS_PER_POLICY
    max_policies_per_vault: AtLeastOne = MAX_POLICIES_PER_VAULT
    max_writes_per_day: AtLeastOne = 50
    scope: Scope = "vault"


DEFAULT_SERVICE_FROM = (
    "tag:backup-service",
    "tag:app",
    "tag:application",
    "tag:service",
    "availability_set",
    "scale_set",
    "resource_group",
)


def _service_source(value: object) -> object:
    if not isinstance(value, str):
        return value
    allowed = ("availability_set", "scale_set", "resource_group")
    if value in allowed or (value.startswith("tag:") and len(value) > len("tag:")):
        return value
    raise ValueError(f"{value!r} is not a source of services; allowed: tag:NAME, {', '.join(allowed)}")


ServiceSource = Annotated[str, BeforeValidator(_service_source)]


class Rules(_Frozen):
    """Everything that a planner can demand.

    Parameters
    ----------
    max_risk_increase
        By how much the risk of one VM may grow, in at-risk backups per 30 days.
    max_moves
        VMs that may move in all; None: any number.
    max_policy_writes
        Policies that may be created or edited in all; None: any number.
    budget_days
        Days into which the policy writes fit, at ``policies.max_writes_per_day`` in each ``policies.scope``; None: as
        many as it takes.
    service_from
        Where services come from, first hit wins.
    """

    threshold: Threshold = Threshold()
    prices: Prices = Prices()
    policies: PolicyLimits = PolicyLimits()
    max_risk_increase: Price = 0.1
    max_moves: Annotated[Count | None, Field(exclude_if=lambda moves: moves is None)] = None
    max_policy_writes: Annotated[Count | None, Field(exclude_if=lambda writes: writes is None)] = None
    budget_days: Annotated[AtLeastOne | None, Field(exclude_if=lambda days: days is None)] = None
    service_from: tuple[ServiceSource, ...] = DEFAULT_SERVICE_FROM
    rule: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Rules:
        names = [rule.name for rule in self.rule]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are called {name!r}; names must differ")
        return self

    @cached_property
    def excluding(self) -> tuple[Rule, ...]:
        """Rules that exclude VMs from writing."""
        return tuple(rule for rule in self.rule if rule.exclude)

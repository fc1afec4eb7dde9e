"""The rules of a planner as data: thresholds, prices, windows, caps, pins and limits.

The classes validate themselves, so that a rules file and the Python API produce the same messages. When dumped, they
look like the file that they came from. :mod:`optimizer.model.selectors` decides which VMs a rule applies to,
:mod:`optimizer.model.rule_windows` when it applies, and :mod:`optimizer.model.rule_values` which values are valid.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from optimizer.model.inventory import MAX_POLICIES_PER_VAULT, Vault, Vm
from optimizer.model.policy_template import NameTemplate
from optimizer.model.rule_values import AtLeastOne, Count, Flag, Percent, Price, RuleTable, SparseTable
from optimizer.model.rule_windows import Days, Window
from optimizer.model.selectors import Criteria, Selector, Separate, Sets, fits, selector_of
from optimizer.model.snapshot_timing import USUAL_TIMING
from optimizer.model.timegrid import Frequency
from optimizer.model.working_hours import WorkingHours

Statistic = Literal["average", "maximum"]
Scope = Literal["vault", "subscription"]

LIMIT_NAMES = ("max_risk_increase", "max_moves", "max_policy_writes", "budget_days")
"""Names by which messages refer to these limits. No rule may have one of these names."""

MOST_WITHIN_HOURS = 24
"""Maximum ``within`` of a rule, in hours."""

DEFAULT_MOVE_RECENT = 0.2
DEFAULT_RECENT_DAYS = 60
"""Omitted from plan.json when at the default, so that older plans stay readable and keep their meaning."""


class Threshold(RuleTable):
    """Load above which a snapshot is at risk.

    Parameters
    ----------
    cpu_percent, memory_percent
        Load in percent; a snapshot is at risk strictly above it.
    statistic
        Figure of each 5-minute bin that is compared with the load above.
    agentless
        Whether load puts the snapshots of agentless policies (``snapshotConsistencyType`` is ``OnlyCrashConsistent``)
        at risk as well. The host takes them without the guest, so the default is no.
    """

    cpu_percent: Percent = 90.0
    memory_percent: Percent = 90.0
    statistic: Statistic = "average"
    agentless: Annotated[Flag, Field(exclude_if=lambda agentless: not agentless)] = False


PAIR_SLOTS_TOGETHER = 5
"""Number of half hours that two windows with the same start shared when pairs in these half hours had a price."""


def converted_overlap_price(overlap: float) -> float:
    """Value of ``snapshot_overlap`` that corresponds to ``overlap``, the price per pair-slot in earlier versions.

    Two daily VMs that start together cost the same under both prices: they had 5 pair-slots a day, and have 6.9
    expected overlaps in 30 days.

    Examples
    --------
    >>> round(converted_overlap_price(0.02), 4)
    0.0145
    """
    return overlap * PAIR_SLOTS_TOGETHER / USUAL_TIMING.daily_pair


def _replaced(overlap: object) -> str:
    """Message for a planner whose rules still contain the price per pair-slot."""
    said = "'overlap' counted pairs of start windows and is no longer a price; write snapshot_overlap = "
    if isinstance(overlap, int | float) and not isinstance(overlap, bool) and isfinite(overlap) and overlap >= 0:
        price = converted_overlap_price(overlap)
        return (
            f"{said}{price:.3g} instead of overlap = {overlap:g} (multiply by 5 / 6.9: two VMs that start together "
            "every day then cost the same)"
        )
    return f"{said}0.0145 or another number, 0 or more, instead"


class Prices(RuleTable):
    """Price of each kind of cost, in at-risk backups per 30 days.

    Parameters
    ----------
    snapshot_overlap
        Price of one expected overlap in 30 days: two snapshots of one service that run at the same time.
    all_at_once
        Price of backing up a service all at once; a service is spread if that costs less. A service whose VMs all
        start together every day costs at least this much. Overlaps of small services, which are few, therefore cost
        more.
    vault_peak
        Price of a start above a vault's fair share in one half hour, as a mean per day.
    working_hours
        Price of one more backup in 30 days that is expected to start in working hours.
    policy_write
        Price of a policy that is created or edited.
    move
        Price of a VM whose start changes.
    move_recent
        Price of a VM that was moved in the last ``recent_days`` before the estate was read and moves again; ``move``
        applies if it is higher.
    recent_days
        Number of days for which a move counts as recent.
    """

    snapshot_overlap: Price = 0.01
    all_at_once: Price = 1.0
    vault_peak: Price = 0.01
    working_hours: Price = 0.01
    policy_write: Price = 0.4
    move: Price = 0.06
    move_recent: Annotated[Price, Field(exclude_if=lambda price: price == DEFAULT_MOVE_RECENT)] = DEFAULT_MOVE_RECENT
    recent_days: Annotated[Count, Field(exclude_if=lambda days: days == DEFAULT_RECENT_DAYS)] = DEFAULT_RECENT_DAYS

    @model_validator(mode="before")
    @classmethod
    def _without_pair_slots(cls, prices: object) -> object:
        """Reject the price per pair-slot, which plans used before version 2 of plan.json."""
        if isinstance(prices, Mapping) and "overlap" in prices:
            raise ValueError(_replaced(prices["overlap"]))
        return prices

    @property
    def move_again(self) -> float:
        """Cost of moving a VM that was moved recently; never less than the cost of moving any other VM."""
        return max(self.move, self.move_recent)

    def is_recent(self, moved_on: dt.date, as_of: dt.datetime) -> bool:
        """Whether a move on that day (UTC) counts as recent at the time ``as_of`` of an estate."""
        return moved_on >= as_of.astimezone(dt.UTC).date() - dt.timedelta(days=self.recent_days)


class Rule(SparseTable):
    """One rule of the planner.

    Parameters
    ----------
    name
        Name of the rule, which explanations and conflicts quote.
    where
        VMs that the rule applies to.
    exempt
        Sets of VMs that the rule does not apply to, although ``where`` selects them (``except`` in the file).
    allow
        Windows whose union must contain the whole start window of every run.
    forbid
        Windows that no start window may touch.
    max_concurrent
        Maximum number of start windows that overlap in one half hour, for each service or vault; see ``per``.
    separate
        True: no two start windows of these VMs overlap in one half hour. A list of sets: start windows of VMs in
        different sets do not overlap; within a set they may.
    order
        Sets of VMs. On every day on which two sets run, the start windows of the earlier set end before those of the
        later set begin. A day lasts from noon to noon in the time zone of each VM's policy. A run belongs to the day
        in which it starts.
    within
        For ``order``: each set begins at most this many hours after every window of the previous set has ended. Only
        consecutive sets are compared. A set without VMs in the group does not count.
    per
        Group within which VMs are counted or compared: each service or each vault. None: each service for
        ``max_concurrent``, and all VMs of the rule for ``separate`` and ``order``.
    pin
        The VMs keep their start. They still count toward caps and overlaps.
    exclude
        The VMs are never written. They still count toward caps and overlaps.
    freeze
        Days, in the time zone of each VM's policy, on which nothing of these VMs is written to Azure. Backups go on.
    rpo_hours
        Longest time, in hours, between two recovery points that a change may cause. The smallest value of all rules
        for a VM applies; without one, it is the widest spacing of the VM's runs plus 12 h. What the schedule itself
        may leave, which is the widest spacing plus 2 h because a start may be late, is always allowed.
    weight
        How much the at-risk backups and the overlaps of these VMs count, from 0.1 to 100; see
        :func:`optimizer.model.weights.item_weights`.
    """

    name: str = Field(min_length=1)
    where: Criteria = Selector()
    exempt: Annotated[Sets, Field(alias="except")] = ()
    allow: tuple[Window, ...] = ()
    forbid: tuple[Window, ...] = ()
    max_concurrent: AtLeastOne | None = None
    separate: Separate = False
    order: Sets = ()
    within: Annotated[float | None, Field(strict=True, gt=0, le=MOST_WITHIN_HOURS)] = None
    per: Literal["service", "vault"] | None = None
    pin: Flag = False
    exclude: Flag = False
    freeze: tuple[Days, ...] = ()
    rpo_hours: Annotated[float | None, Field(strict=True, gt=0, le=8784)] = None
    weight: Annotated[float | None, Field(strict=True, ge=0.1, le=100)] = None

    @model_validator(mode="after")
    def _sets_differ(self) -> Rule:
        for key, sets in (("separate", self.separate), ("order", self.order)):
            if not isinstance(sets, bool) and key in self.model_fields_set and len(sets) < 2:
                raise ValueError(
                    f"rule {self.name!r}: {key!r} needs at least two sets of VMs and has {len(sets)}; write it as "
                    f'{key} = ["sql-*", "web-*"]'
                )
        for key, sets in (("separate", self.separate), ("order", self.order), ("except", self.exempt)):
            self._require_distinct(key, () if isinstance(sets, bool) else sets)
        return self

    def _require_distinct(self, key: str, sets: Sequence[object]) -> None:
        for number, vm_set in enumerate(sets):
            if vm_set in sets[:number]:
                raise ValueError(
                    f"rule {self.name!r} has the same set twice in {key!r}, as number {sets.index(vm_set) + 1} and "
                    f"{number + 1}; take one out"
                )

    @model_validator(mode="after")
    def _does_something(self) -> Rule:
        sets = self.separate or self.order
        windows = (self.allow, self.forbid, self.max_concurrent, sets)
        demanded = any((*windows, self.pin, self.exclude, self.freeze, self.rpo_hours, self.weight))
        kind = "separate" if self.separate else "order"
        mistakes = {
            "demands nothing; give it allow, forbid, max_concurrent, separate, order, pin, exclude, freeze, rpo_hours "
            "or weight": not demanded,
            "has 'per' without 'max_concurrent', 'separate' or 'order'": self.per
            and not (self.max_concurrent or sets),
            "has 'within' without 'order'; 'within' limits the hours between its sets": (
                self.within is not None and not self.order
            ),
            f"has both 'max_concurrent' and {kind!r}, which look at different VMs; write two rules": (
                self.max_concurrent is not None and sets
            ),
        }
        for mistake, is_made in mistakes.items():
            if is_made:
                raise ValueError(f"rule {self.name!r} {mistake}")
        return self

    def is_for(self, vm: Vm, vault: Vault, frequency: Frequency | None) -> bool:
        """Whether the rule applies to a VM, given its vault and frequency (None: no scheduled backup)."""
        return self.where.matches(vm, vault, frequency) and not any(
            fits(vm_set, vm, vault, frequency) for vm_set in self.exempt
        )

    @property
    def cap(self) -> int | None:
        """Maximum number of start windows that overlap in one half hour; None means no limit."""
        return 1 if self.separate is True else self.max_concurrent

    @property
    def separate_sets(self) -> tuple[Selector, ...]:
        """Sets of VMs; start windows in different sets must not overlap. Empty if ``separate`` contains no sets."""
        return tuple(map(selector_of, self.separate)) if isinstance(self.separate, tuple) else ()

    @property
    def order_sets(self) -> tuple[Selector, ...]:
        """Sets of VMs in the order in which they must be backed up."""
        return tuple(map(selector_of, self.order))

    def group_of(self, vm: Vm, vault: Vault) -> str:
        """Group that a VM is counted in: its service, its vault's id in lower case, or "" for all VMs of the rule."""
        per = self.per or (None if self.max_concurrent is None else "service")
        if per is None:
            return ""
        return vm.service_name if per == "service" else vault.id.key


class PolicyLimits(RuleTable):
    """How policies may be changed.

    Parameters
    ----------
    edit
        Whether the time of an existing policy may be edited if all its VMs move to the same new time.
    max_vms_per_policy
        Maximum number of VMs in one policy. None: 100 for policies that a plan creates; for existing policies as many
        as the largest one of the estate holds, from 100 to 1,000 (:mod:`optimizer.model.policy_limits`).
    max_policies_per_vault
        Maximum number of policies in one vault. Microsoft documents more than one value for it.
    max_writes_per_day
        Maximum number of policies created or edited in 24 hours, in each ``scope``. It decides how many days a
        roll-out takes.
    scope
        Whether ``max_writes_per_day`` counts per vault or per subscription.
    name
        Template for the names of new policies. None: the name of the twin, with the new time in place of the old one.
    clone_misnamed
        Whether a policy whose name states its time is cloned under the right name instead of edited.
    """

    edit: Flag = True
    max_vms_per_policy: Annotated[AtLeastOne | None, Field(exclude_if=lambda vms: vms is None)] = None
    max_policies_per_vault: AtLeastOne = MAX_POLICIES_PER_VAULT
    max_writes_per_day: AtLeastOne = 50
    scope: Scope = "vault"
    name: Annotated[NameTemplate | None, Field(exclude_if=lambda name: name is None)] = None
    clone_misnamed: Annotated[Flag, Field(exclude_if=lambda clone: not clone)] = False


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


class Rules(RuleTable):
    """Everything that a planner can demand.

    Parameters
    ----------
    threshold
        Load above which a snapshot is at risk.
    prices
        Price of each kind of cost.
    policies
        How policies may be changed.
    working_hours
        Hours in which ``prices.working_hours`` counts expected starts.
    max_risk_increase
        Maximum increase of the risk of one VM, in at-risk backups per 30 days. A limit that the planner writes always
        holds. The default gives way for a VM whose rule windows leave no start within it.
    max_moves
        Maximum number of VMs that move. None: any number.
    max_policy_writes
        Maximum number of policies that are created or edited. None: any number.
    budget_days
        Number of days into which the policy writes must fit, at ``policies.max_writes_per_day`` in each
        ``policies.scope``. None: as many as needed.
    service_from
        Where the name of a VM's service comes from; the first source that has one counts.
    rule
        Rules of the planner, in the order of the file.
    """

    threshold: Threshold = Threshold()
    prices: Prices = Prices()
    policies: PolicyLimits = PolicyLimits()
    working_hours: WorkingHours = WorkingHours()
    max_risk_increase: Price = 0.1
    max_moves: Annotated[Count | None, Field(exclude_if=lambda moves: moves is None)] = None
    max_policy_writes: Annotated[Count | None, Field(exclude_if=lambda writes: writes is None)] = None
    budget_days: Annotated[AtLeastOne | None, Field(exclude_if=lambda days: days is None)] = None
    service_from: tuple[ServiceSource, ...] = DEFAULT_SERVICE_FROM
    rule: tuple[Rule, ...] = ()

    @property
    def writes_max_risk_increase(self) -> bool:
        """Whether the planner wrote ``max_risk_increase``, even if with the default value."""
        return "max_risk_increase" in self.model_fields_set

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit ``max_risk_increase`` unless it was set, so that rules read from a plan keep their meaning."""
        dumped: dict[str, Any] = dump(self)
        if not self.writes_max_risk_increase:
            dumped.pop("max_risk_increase", None)
        return dumped

    @model_validator(mode="after")
    def _names_are_unique(self) -> Rules:
        names = [rule.name for rule in self.rule]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are called {name!r}; names must differ")
            if name in LIMIT_NAMES:
                raise ValueError(
                    f"a rule is called {name!r}, which is a limit of its own, and answers could not tell the two "
                    "apart; give the rule another name"
                )
        return self

"""Settings for behavior of the emulated service that in Azure depends on place or load, or is uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from optimizer.emulator.jobs import JobNames
from optimizer.model.caseless import Caseless

Ids = frozenset[str]


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Behavior of the service; healthy by default, with the worst case assumed for uncertain facts.

    Ids are compared without regard to case.

    Parameters
    ----------
    operation_reads
        Number of reads of an operation, or of the object that it changes, before it ends.
    operation_seconds
        Seconds after which an operation ends at the latest.
    operation_retry_after
        ``Retry-After`` of a 202, in seconds; None means that the header is absent, as in recordings.
    failing_operations
        Ids of objects whose operations are accepted and then fail.
    inconsistent_items
        Ids of items that report ``policyInconsistent`` after they were reassigned.
    job_names
        How jobs refer to their VM: by ``container`` and name, by ``name`` only, or not at all (``none``).
    job_minutes
        Duration of a backup job in minutes.
    longest_delay_minutes
        Longest delay, in minutes, between the scheduled time and the start of a job.
    failure_rate
        Share of backups that fail.
    failing_vms
        Ids of VMs whose backups always fail.
    missed_vms
        Ids of VMs whose backups never start.
    backups_since
        Time from which backups are started; None means from the start of the emulator.
    clock_changes
        Whether schedules ``follow`` or ``ignore`` clock changes, which is not settled for Azure (docs/azure.md, "Facts
        that are not certain", 1).
    graph_lag_seconds
        Age in seconds of the data from which Resource Graph answers.
    management_groups
        Subscriptions by management group; empty means that every group contains all of them.
    max_items_per_policy
        Limit for new policies. Policies of the estate may hold as many items as the largest of them, at most 1,000.
    max_policies_per_vault
        Maximum number of policies in a vault.
    policy_writes_per_day
        Number of policies that may be created or edited in 24 hours, per ``policy_writes_scope``.
    protection_changes_per_day
        Number of items in a vault that may be reassigned in 24 hours.
    guard_asks
        When a guarded vault requires a request from its Resource Guard.
    denied_actions
        Actions that answer 403, as ``ACTION``, or as ``ACTION SCOPE`` to deny only ids below a scope.
    no_memory_percentage
        Ids of VMs without ``Available Memory Percentage``.
    failing_metrics, failing_metrics_status
        Ids of VMs that make a whole metrics request fail, and the HTTP status of that failure.
    metric_errors
        Ids of VMs for which an answer contains an error instead of data.
    stopped_vms
        Ids of VMs that Resource Graph and instance views show as deallocated.
    prebuilt_metrics
        Whether to answer metrics with one prebuilt series for every VM, for measurements of speed.
    workspaces
        Names of the tables in each Log Analytics workspace.
    partial_logs
        Whether answers of Log Analytics are incomplete.
    page_size, graph_page_size
        Number of rows per page.
    seed
        Random seed of delays and failures of jobs, and of ids.
    tidy_policies
        Whether a written policy is completed and spelled as in current answers: ``scheduleWeeklyFrequency`` of
        Standard schedules, ``policyType`` and ``tieringPolicy`` in full, no fractions of a second.
    """

    operation_reads: int = 1
    operation_seconds: float = 300.0
    operation_retry_after: float | None = None
    failing_operations: Ids = frozenset()
    inconsistent_items: Ids = frozenset()
    job_names: JobNames = "container"
    job_minutes: float = 40.0
    longest_delay_minutes: float = 120.0
    failure_rate: float = 0.0
    failing_vms: Ids = frozenset()
    missed_vms: Ids = frozenset()
    backups_since: datetime | None = None
    clock_changes: Literal["follow", "ignore"] = "follow"
    graph_lag_seconds: float = 0.0
    management_groups: Mapping[str, Ids] = field(default_factory=dict)
    max_items_per_policy: int = 100
    max_policies_per_vault: int = 200
    policy_writes_per_day: int = 50
    policy_writes_scope: Literal["vault", "subscription"] = "vault"
    protection_changes_per_day: int = 1000
    guard_asks: Literal["never", "retention", "always"] = "retention"
    denied_actions: frozenset[str] = frozenset()
    no_memory_percentage: Ids = frozenset()
    failing_metrics: Ids = frozenset()
    failing_metrics_status: int = 400
    metric_errors: Ids = frozenset()
    stopped_vms: Ids = frozenset()
    prebuilt_metrics: bool = False
    workspaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    partial_logs: bool = False
    page_size: int = 200
    graph_page_size: int = 1000
    seed: int = 0
    tidy_policies: bool = False

    def __post_init__(self) -> None:
        """Convert ids and actions to lower case."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, frozenset):
                object.__setattr__(self, name, frozenset(Caseless(text).key for text in value))

    def guards_ask(self, *, keeps_less: bool) -> bool:
        """Whether a guarded vault requires a request for a write, which may shorten a retention or not."""
        return self.guard_asks == "always" or (self.guard_asks == "retention" and keeps_less)

"""How the emulated service behaves where Azure's behaviour is a matter of place, load or uncertain fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from optimizer.emulator.jobs import JobNames

Ids = frozenset[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """Behaviour of the service; the defaults are those of a healthy one, read at its worst where facts are uncertain.

    Ids are compared without regard to case.

    Parameters
    ----------
    operation_reads
        Reads of an operation, or of the object that it changes, before it is through.
    operation_seconds
        After so long it is through in any case.
    operation_retry_after
        ``Retry-After`` of a 202, in seconds; None: no such header, as recorded.
    failing_operations
        Ids of objects whose operations are accepted and then fail.
    inconsistent_items
        Ids of items that report ``policyInconsistent`` once they were reassigned.
    job_names
        How jobs name their VM: by ``container`` and name, by ``name`` alone, or by ``none`` of the two.
    job_minutes
        Length of a backup job.
    longest_delay_minutes
        A job starts within so long of its time.
    failure_rate
        Share of backups that fail.
    failing_vms
        Ids of VMs whose backups always fail.
    missed_vms
        Ids of VMs whose backups never start.
    backups_since
        From when on backups are started; None: from the beginning of the emulator on.
    clock_changes
        Whether schedules ``follow`` a change of clocks or ``ignore`` it (not settled, azure-facts 1.3).
    graph_lag_seconds
        How old the copy is that Resource Graph answers from.
    management_groups
        Subscriptions by management group; empty: every group holds them all.
    max_items_per_policy
        Limit of a policy that is created; policies of the estate hold as many as the largest of them, at most 1,000.
    max_policies_per_vault
        Limit of a vault.
    policy_writes_per_day
        Policies that may be created or edited in 24 hours, per ``policy_writes_scope``.
    protection_changes_per_day
        Items of a vault that may be reassigned in 24 hours.
    guard_asks
        When a guarded vault demands a request of its Resource Guard.
    denied_actions
        Actions that answer 403, as ``ACTION`` or ``ACTION SCOPE`` where only ids below a scope are denied.
    no_memory_percentage
        Ids of VMs that have no ``Available Memory Percentage``.
    failing_metrics, failing_metrics_status
        Ids of VMs that make a metrics request fail as a whole, and the HTTP status of that failure.
    metric_errors
        Ids of VMs for which an answer carries an error instead of data.
    stopped_vms
        Ids of VMs that Resource Graph and instance views show as deallocated.
    prebuilt_metrics
        Answer metrics with one prebuilt series for every VM, for measurements of speed.
    workspaces
        Tables by Log Analytics workspace.
    partial_logs
        Whether answers of Log Analytics come in part.
    page_size, graph_page_size
        Rows of a page.
    tidy_policies
        Whether a written policy is completed and spelled as today's answers are: ``scheduleWeeklyFrequency`` of
        standard schedules, ``policyType`` and ``tieringPolicy`` in full, no fractions of a second.
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
    tidy_policies: bool = False

    def __post_init__(self) -> None:
        """Put ids and actions into lower case."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, frozenset):
                object.__setattr__(self, name, frozenset(text.lower() for text in value))

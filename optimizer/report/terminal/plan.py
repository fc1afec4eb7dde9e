"""Reports for a terminal: an audit, a plan, and a plan in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import (
    WORTH_A_NOTE,
    Audit,
    CreatePolicy,
    EditPolicy,
    Expectation,
    PlanDocument,
    ReassignItem,
    ScheduleEntry,
    Summary,
    TodayAndPlan,
)
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import DEFAULT_SNAPSHOT_MINUTES
from optimizer.report.figures import Comparison, compare_services, compare_vaults, half_hour_labels
from optimizer.report.terminal.broken_rules import broken_rules_rows, idle_rules_rows, rules_kept
from optimizer.report.terminal.moves import knee_sentence, moves_parts
from optimizer.report.terminal.sheet import (
    Column,
    Glyphs,
    Page,
    Rows,
    bullets,
    decimal,
    decimal_pairs,
    decimals,
    number,
    percent,
    plural,
    profile_bars,
    short_id,
    table,
)
from optimizer.report.wording.before_after import before_and_after, expected_risk, nonzero_overlaps
from optimizer.report.wording.orders import order_rows
from optimizer.report.wording.together import together_rows
from optimizer.report.wording.toward import toward_rows, toward_sentence
from optimizer.report.wording.weighted import AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED
from optimizer.report.wording.within_limits import within_limits

WORST = 10
"""Maximum number of rows per table on a terminal; JSON contains all rows."""

_ON_UNSEEN_DAYS = "Expected on days the plan did not see"

RULES_NAMED = 5
"""Maximum number of rules that a sentence lists."""


def render_audit(audit: Audit) -> Page:
    """Render an audit: totals, then the ten worst findings of each kind."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(f"Audit of the schedule as of {audit.as_of:%Y-%m-%d %H:%M %Z}", style="bold")
        yield from _audit_totals(audit)
        yield from _starts_picture(audit, glyphs)
        rules = broken_rules_rows(audit.broken_rules or (), WORST), idle_rules_rows(audit.idle_rules, WORST)
        for rows in (*rules, order_rows(audit.orders, WORST), *_audit_tables(audit, glyphs)):
            if rows.cells:
                yield table(rows, glyphs, width)
        yield from _silent_lists(audit)
        yield from _notes(audit.notes, glyphs)

    return Page(build)


def _audit_totals(audit: Audit) -> Iterator[RenderableType]:
    totals = audit.totals
    yield Text(
        f"{plural(totals.vms, 'VM')} in {plural(totals.services, 'service')}, {plural(totals.vaults, 'vault')} and "
        f"{plural(totals.policies, 'policy')}; {totals.backups_per_month:,.0f} backups in 30 days"
    )
    yield Text()
    yield Text(
        f"  {decimal(totals.at_risk_per_month):>9}  backups at risk in 30 days; "
        f"{decimal(totals.at_risk_at_best)} if every VM started at its own best time"
    )
    yield Text(f"  {totals.busy_vms:>9,}  {'VM is' if totals.busy_vms == 1 else 'VMs are'} often busy when backed up")
    exact = totals.overlaps_per_month if totals.overlaps_exact is None else totals.overlaps_exact
    overlaps = nonzero_overlaps(totals.overlaps_per_month, exact)
    yield Text(f"  {decimal(overlaps):>9}  expected overlapping snapshots of one service in 30 days")
    if totals.weighted is not None:
        weighted = totals.weighted
        yield Text(f"  {decimal(weighted.at_risk_per_month):>9}  {AT_RISK_WEIGHTED}")
        yield Text(f"  {decimal(weighted.overlaps_per_month):>9}  {OVERLAPS_WEIGHTED}")
    yield Text(f"  {totals.peak_concurrency:>9,}  most overlapping start windows in one service")
    yield Text(f"  {decimal(totals.working_hours_starts):>9}  backups expected to start in working hours in 30 days")


def _starts_picture(audit: Audit, glyphs: Glyphs) -> Iterator[RenderableType]:
    starts = audit.starts_per_half_hour
    top = max(range(len(starts)), key=lambda slot: starts[slot])
    yield Text()
    yield Text("Starts per half hour (UTC)", style="bold")
    yield Text(f"  {profile_bars(starts, glyphs)}", style="cyan")
    yield Text(f"  {hour_ruler()}", style="dim")
    yield Text(f"  most: {decimal(starts[top])} per day at {half_hour_labels()[top]}", style="dim")


def hour_ruler() -> str:
    """Hours of the day below a profile of 48 characters."""
    return "".join(f"{hour:02d}".ljust(6) for hour in range(0, 24, 3)).rstrip()


def _audit_tables(audit: Audit, glyphs: Glyphs) -> Iterator[Rows]:
    crowded = [one for one in audit.services[:WORST] if one.overlaps_per_month > 0]
    yield Rows(
        title="Services with the most overlap",
        columns=(
            Column("service", share=1),
            number("VMs"),
            number("overlaps/30 d"),
            number("most windows"),
            Column("at (UTC)"),
            number("at risk/30 d"),
        ),
        cells=[
            (short_id(one.service), f"{one.vms:,}", overlaps, f"{one.peak_concurrency:,}", one.peak_at, at_risk)
            for one, overlaps, at_risk in zip(
                crowded,
                decimals(one.overlaps_per_month for one in crowded),
                decimals(one.at_risk_per_month for one in crowded),
                strict=True,
            )
        ],
        total=sum(one.overlaps_per_month > 0 for one in audit.services),
    )
    yield together_rows(audit.services_together, WORST)
    busy = audit.busy[:WORST]
    yield Rows(
        title="VMs that are often busy when backed up",
        columns=(
            Column("VM", share=3),
            Column("service", share=2),
            Column("policy", share=2),
            Column("start"),
            number("at risk/30 d"),
            Column("best"),
            number("then"),
            number("saves"),
        ),
        cells=[
            (
                one.name,
                short_id(one.service),
                one.policy,
                one.start_today,
                risk,
                one.start_best if one.start_best != one.start_today else glyphs.dash,
                then,
                saving,
            )
            for one, risk, then, saving in zip(
                busy,
                decimals(one.risk_today for one in busy),
                decimals(one.risk_best for one in busy),
                decimals(one.saving for one in busy),
                strict=True,
            )
        ],
        total=len(audit.busy),
        note="best: the start with the lowest risk for this VM alone, in the time zone of its policy",
    )
    yield from _limit_tables(audit)
    yield from _knowledge_tables(audit, glyphs)


def _limit_tables(audit: Audit) -> Iterator[Rows]:
    columns = (Column("policy", share=2), Column("vault", share=1), number("VMs"), number("limit"), Column("state"))
    yield Rows(
        title="Policies near, at or over their limit of VMs",
        columns=columns,
        cells=[(one.policy, one.vault, f"{one.vms:,}", f"{one.limit:,}", one.state) for one in audit.policies[:WORST]],
        total=len(audit.policies),
    )
    limited = [one for one in audit.vaults if one.state is not None]
    yield Rows(
        title="Vaults near, at or over their limit of policies",
        columns=(Column("vault", share=1), number("VMs"), number("policies"), number("limit"), Column("state")),
        cells=[
            (one.vault, f"{one.vms:,}", f"{one.policies:,}", f"{one.limit:,}", str(one.state))
            for one in limited[:WORST]
        ],
        total=len(limited),
    )


def _knowledge_tables(audit: Audit, glyphs: Glyphs) -> Iterator[Rows]:
    gaps = audit.history or ()
    yield Rows(
        title="VMs with too little load history",
        columns=(Column("VM", share=3), Column("service", share=2), number("days"), Column("problem")),
        cells=[(short_id(one.vm), short_id(one.service), f"{one.days:.0f}", one.kind) for one in gaps[:WORST]],
        total=len(gaps),
        note="their risk is estimated from the load of all VMs; a plan claims no gain in risk for them",
    )
    yield Rows(
        title="Protected items that no plan changes",
        columns=(Column("VM", share=2), Column("policy", share=1), Column("why", share=3, prose=True)),
        cells=[(short_id(one.vm), one.policy, one.reason) for one in audit.unwritable[:WORST]],
        total=len(audit.unwritable),
    )
    yield Rows(
        title="Time zones with daylight saving",
        columns=(Column("zone", share=1), number("policies"), number("VMs"), Column("UTC offsets")),
        cells=[
            (one.timezone, f"{one.policies:,}", f"{one.vms:,}", f" {glyphs.dot} ".join(one.offsets))
            for one in audit.clock_changes[:WORST]
        ],
        total=len(audit.clock_changes),
        note="Azure does not document whether schedules follow the clock; starts are checked at every offset",
    )


def _silent_lists(audit: Audit) -> Iterator[RenderableType]:
    """List the checks that found nothing, so that a reader knows that they were made."""
    kept = rules_kept(audit.broken_rules, audit.num_rules, len(audit.idle_rules))
    fine = [
        words
        for words, found in (
            (
                "no service is backed up all at once",
                all(one.at_once is not None for one in audit.services_together),
            ),
            (
                "no two snapshots of a service overlap",
                not (audit.totals.overlaps_per_month or audit.totals.overlaps_exact),
            ),
            ("no VM is often busy when backed up", not audit.busy),
            ("no policy is near its limit", not audit.policies),
            ("no vault is near its limit", all(one.state is None for one in audit.vaults)),
            ("every VM has enough history", audit.history == ()),
            ("every protected item can be changed", not audit.unwritable),
            (kept, kept),
        )
        if found
    ]
    if fine:
        yield Text()
        yield Text("Fine: " + "; ".join(fine) + ".", style="dim")


def render_plan(plan: PlanDocument, max_rows: int = WORST) -> Page:
    """Render a plan: its figures, what it changes, and its notes.

    Parameters
    ----------
    max_rows
        Maximum number of changed VMs to show, those that gain most first.
    """

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield from _summary(plan, glyphs, width)
        yield from _policy_changes(plan, glyphs, width, max_rows)
        moved = [entry for entry in plan.schedule if entry.start != entry.start_today]
        moved.sort(key=lambda entry: (entry.risk - entry.risk_today, entry.vm))
        if moved:
            yield table(_moves(moved[:max_rows], len(moved)), glyphs, width)
        if plan.orders:
            yield table(order_rows(plan.orders, max_rows), glyphs, width)
        if plan.services_together:
            yield table(together_rows(plan.services_together, max_rows), glyphs, width)
        if plan.moves_curve is not None:
            yield from moves_parts(plan.moves_curve, glyphs, width)
        yield from _notes(plan.notes, glyphs)

    return Page(build)


def _summary(plan: PlanDocument, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    summary = plan.summary

    headline = (
        f"{plural(summary.moved, 'VM')} of {summary.vms:,} move"
        if summary.moved
        else f"Nothing to change for {plural(summary.vms, 'VM')} {within_limits(plan.rules, summary.vms)}".rstrip()
    )
    yield Text(headline, style="bold")
    yield Text(
        f"{plural(summary.policies_created, 'policy')} created, {summary.policies_edited:,} edited; "
        f"{plural(summary.reassigned, 'VM')} reassigned"
    )
    yield Text(f"fingerprint {plan.fingerprint}", style="dim")
    yield table(before_and_after(summary, glyphs), glyphs, width)
    yield Text()
    yield Text(
        f"VMs with less risk: {summary.vms_helped:,}; with the same: {summary.vms_unharmed:,}; "
        f"with more: {summary.vms_harmed:,}{_largest_increase(plan)}"
    )
    if expected := _expected_below_table(summary):
        yield Text(expected)
    if knee := knee_sentence(plan):
        yield Text(knee)
    if summary.toward is not None:
        yield Text(toward_sentence(summary.toward, plan.rules.max_moves))
        yield table(toward_rows(summary.toward), glyphs, width)
        if summary.toward.violations_left:
            return
        yield Text()
    yield Text(_captured_sentence(plan))
    if summary.reference == "greedy":
        yield Text(
            f"{today_breaks(summary)}, so improvement is measured against a greedy schedule that keeps every rule "
            f"and costs {decimal(summary.cost.reference)}"
        )


def model_of(summary: Summary) -> TodayAndPlan | None:
    """At-risk backups according to the model; None for plans of versions that stated no expected change as well."""
    return None if summary.model_change is None else summary.at_risk_per_month


def expected_sentence(expected: Expectation | None, model: TodayAndPlan | None) -> str:
    """One sentence about the change in risk that a plan can be expected to bring; empty if nothing is known about it.

    The expected figures and those of the model have different bases: observed frequencies and a smoothed estimate.
    Therefore, each change is stated with its own base.
    """
    if model is None:
        return ""
    seen = f"the model, which smooths the hours, sees {decimal(model.today)} -> {decimal(model.plan)}"
    if expected is None:
        return f"The expected change of at-risk backups is unknown: the history is too short to hold days out; {seen}"
    if expected.today is None or expected.plan is None:
        return f"{change_sentence(expected)}; {seen}"
    today, plan, value, low, high = decimals(
        (expected.today, expected.plan, expected.value, expected.low, expected.high)
    )
    change = f"{today} -> {plan} at-risk backups per 30 days, a change of {value} (90 %: {low} to {high})"
    return f"{_ON_UNSEEN_DAYS}: {change}; {seen}"


def _expected_below_table(summary: Summary) -> str:
    """What :func:`expected_sentence` states and the table above does not: the change and its interval."""
    if summary.expected_change is None or expected_risk(summary) is None:
        return expected_sentence(summary.expected_change, model_of(summary))
    return f"{change_sentence(summary.expected_change)}; the model smooths the hours"


def change_sentence(expected: Expectation) -> str:
    """The expected change and its interval, without the figures that it is the difference of."""
    value, low, high = decimals((expected.value, expected.low, expected.high))
    change = f"a change of {value} at-risk backups per 30 days (90 %: {low} to {high})"
    return f"{_ON_UNSEEN_DAYS}: {change}"


def today_breaks(summary: Summary) -> str:
    """Rules that today's schedule breaks, as the beginning of a sentence."""
    names = [repr(name) for name in summary.broken_today[:RULES_NAMED]]
    if not names:
        return "Today's schedule breaks a rule"
    more = len(summary.broken_today) - len(names)
    listed = [*names, f"{more:,} more"] if more else names
    joined = " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1])))
    return f"Today's schedule breaks {'rule' if len(listed) == 1 else 'rules'} {joined}"


def _largest_increase(plan: PlanDocument) -> str:
    worst = max(plan.schedule, key=lambda entry: entry.risk - entry.risk_today, default=None)
    if worst is None or plan.summary.vms_harmed == 0:
        return ""
    return f" (by at most {worst.risk - worst.risk_today:.4f}: {short_id(worst.vm)})"


def spreading_clause(plan: PlanDocument) -> str:
    """What of a plan's cost spreads services, to be put after the cost; empty if it is too little to be shown."""
    costs, price = plan.summary.spreading_costs, plan.rules.prices.all_at_once
    if costs < WORTH_A_NOTE:
        return ""
    return f", of which {decimal(costs)} spreads services, as prices.all_at_once ({price:g}) demands"


def stopped_by(summary: Summary) -> str:
    """What ended the search, in words."""
    return "the order of writes" if summary.stopped == "order" else summary.stopped


def _captured_sentence(plan: PlanDocument) -> str:
    """One sentence about the proven quality of a plan; it names the limits that the proof depends on."""
    summary = plan.summary
    search = f"{summary.status}, stopped by {stopped_by(summary)}, {decimal(summary.seconds)} s"
    limits = within_limits(plan.rules, summary.vms)
    within = f" {limits}" if limits else ""
    if summary.moved == 0 and summary.reference == "today":
        if plan.rules.max_moves == 0:
            return f"Today's schedule stays: max_moves is 0, so no VM may move ({search})"
        possible, other = decimal(summary.left_to_gain), f" schedule{within}" if within else ""
        return f"Today's schedule stays: it is proven that no other{other} saves more than {possible} ({search})"
    no_other = "no such schedule" if within else "no schedule"
    spread = spreading_clause(plan)
    proven = (
        f"the plan costs {decimal(summary.cost.plan)}{spread}, and {no_other} costs less than "
        f"{decimal(summary.cost.bound)}"
    )
    if summary.costs_more_than_today:
        more = decimal(summary.cost.plan - summary.cost.today)
        return f"The plan costs {more} more than today's schedule, to spread services: {proven} ({search})"
    if summary.status == "optimal":
        nothing = " apart from spread services" if spread else "" if within else ", nothing is left to gain"
        return f"Proven optimal{within}{nothing}: {proven} ({search})"
    gap = f"a gap of {decimal(summary.left_to_gain)} at-risk backups per 30 days"
    if summary.reference == "today":
        captured = f"Captured {percent(summary.captured)} of all possible improvement over today's schedule{within}"
        return f"{captured}, certified: {proven}, {gap} ({search})"
    # A greedy schedule may be the best possible one: then a share of the possible gain over it would say little.
    captured = f"that is {percent(summary.captured)} of all possible improvement over a greedy schedule"
    return f"Certified{within}: {proven}, {gap}; {captured} ({search})"


def _policy_changes(plan: PlanDocument, glyphs: Glyphs, width: int, max_rows: int) -> Iterator[RenderableType]:
    writes = [change for change in plan.changes if not isinstance(change, ReassignItem)]
    arriving: dict[str, int] = {}
    for change in plan.changes:
        if isinstance(change, ReassignItem):
            arriving[change.policy_id] = arriving.get(change.policy_id, 0) + 1
    if writes:
        cells = [
            (
                "create" if isinstance(change, CreatePolicy) else "edit",
                change.policy,
                short_id(change.vault_id),
                _from_to(change, glyphs),
                f"{arriving.get(change.policy_id, 0):,}",
            )
            for change in writes[:max_rows]
        ]
        names = (Column(""), Column("policy", share=2), Column("vault", share=1))
        columns = (*names, Column("start"), number("VMs arriving"))
        yield table(Rows("Policies written", columns, cells, total=len(writes)), glyphs, width)


def _from_to(change: CreatePolicy | EditPolicy, glyphs: Glyphs) -> str:
    return change.start if isinstance(change, CreatePolicy) else f"{change.start_today} {glyphs.arrow} {change.start}"


def _moves(entries: Sequence[ScheduleEntry], total: int | None = None, title: str = "VMs that move") -> Rows:
    return Rows(
        title=title,
        columns=(
            Column("VM", share=3),
            Column("service", share=2),
            Column("today"),
            Column("plan"),
            Column("zone", share=2),
            number("at risk"),
            number("then"),
            Column("policy", share=2),
        ),
        cells=[
            (
                short_id(entry.vm),
                short_id(entry.service),
                entry.start_today,
                entry.start,
                entry.timezone,
                risk,
                then,
                entry.policy,
            )
            for entry, risk, then in zip(
                entries,
                *decimal_pairs((entry.risk_today for entry in entries), (entry.risk for entry in entries)),
                strict=True,
            )
        ],
        total=total,
        note="largest gain first; at-risk backups per 30 days" if total is not None else "",
    )


def _notes(notes: Sequence[str], glyphs: Glyphs) -> Iterator[RenderableType]:
    if notes:
        yield Text()
        yield Text("Notes", style="bold")
        yield bullets(notes, glyphs)


def render_report(plan: PlanDocument, inventory: Inventory, snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES) -> Page:
    """Render a plan in full: vaults and services before and after, every change in order, and the whole schedule."""
    services = compare_services(inventory, plan, snapshot_minutes).services
    vaults = compare_vaults(inventory, plan)

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield from _summary(plan, glyphs, width)
        if plan.moves_curve is not None:
            yield from moves_parts(plan.moves_curve, glyphs, width)
        yield table(_compare_vaults(vaults), glyphs, width)
        yield table(_compare_services(services), glyphs, width)
        if plan.orders:
            yield table(order_rows(plan.orders, len(plan.orders)), glyphs, width)
        if plan.services_together:
            yield table(together_rows(plan.services_together, len(plan.services_together)), glyphs, width)
        if plan.changes:
            yield table(_changes_in_order(plan, glyphs), glyphs, width)
        yield table(_moves(plan.schedule, title="Schedule"), glyphs, width)
        yield from _notes(plan.notes, glyphs)

    return Page(build)


def _compare_vaults(vaults: Sequence[Comparison]) -> Rows:
    figures = ("VMs", "moved", "at risk", "then", "peak starts", "then")
    return Rows(
        title="Vaults",
        columns=(Column("vault", share=1), *map(number, figures)),
        cells=list(
            zip(
                [one.name for one in vaults],
                [f"{one.vms:,}" for one in vaults],
                [f"{one.moved:,}" for one in vaults],
                *decimal_pairs((one.risk_today for one in vaults), (one.risk_plan for one in vaults)),
                [f"{one.peak_today:,}" for one in vaults],
                [f"{one.peak_plan:,}" for one in vaults],
                strict=True,
            )
        ),
        note="at-risk backups per 30 days; most starts in one half hour of the week",
    )


def _compare_services(services: Sequence[Comparison]) -> Rows:
    figures = ("VMs", "moved", "at risk", "then", "overlaps", "then", "peak", "then")
    return Rows(
        title="Services",
        columns=(Column("service", share=1), *map(number, figures)),
        cells=list(
            zip(
                [short_id(one.name) for one in services],
                [f"{one.vms:,}" for one in services],
                [f"{one.moved:,}" for one in services],
                *decimal_pairs((one.risk_today for one in services), (one.risk_plan for one in services)),
                *decimal_pairs((one.overlaps_today for one in services), (one.overlaps_plan for one in services)),
                [f"{one.peak_today:,}" for one in services],
                [f"{one.peak_plan:,}" for one in services],
                strict=True,
            )
        ),
        note="at-risk backups and expected overlapping snapshots per 30 days; most overlapping start windows",
    )


def _changes_in_order(plan: PlanDocument, glyphs: Glyphs) -> Rows:
    cells = []
    for position, change in enumerate(plan.changes, start=1):
        if isinstance(change, ReassignItem):
            what, which = "reassign", short_id(change.vm)
            how = f"{change.policy_today} {glyphs.arrow} {change.policy}"
        else:
            what, which = "create" if isinstance(change, CreatePolicy) else "edit", change.policy
            how = _from_to(change, glyphs)
            how = f"{how}, twin of {short_id(change.twin_of)}" if isinstance(change, CreatePolicy) else how
        cells.append((f"{position:,}", what, which, short_id(change.vault_id), how))
    columns = (number("no."), Column(""), Column("what", share=3), Column("vault", share=1), Column("how", share=4))
    return Rows("Changes in order", columns, cells)

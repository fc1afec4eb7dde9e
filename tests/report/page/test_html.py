"""The page as text: what it holds, what it must not hold, how large it is."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from html.parser import HTMLParser

import pytest

from optimizer.documents.audit_document import OrderGap
from optimizer.documents.plan_document import PlanDocument
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import parse_minute
from optimizer.plan.explanations.limit_prices import LimitPriceEntry
from optimizer.report.figures import OTHERS
from optimizer.report.formats import decimal, short_id
from optimizer.report.page.html import render_html
from optimizer.report.page.vm_loads import FIRST_VMS
from optimizer.report.terminal.plan import render_plan, render_report
from optimizer.report.terminal.sheet import to_text
from optimizer.report.wording.orders import ORDER_TITLE, orders_table
from optimizer.solve.problem.limits import LimitKind
from tests.report.small_estate import AS_OF, HOSTILE, SmallLoadSource, make_inventory, make_plan, make_risk
from tests.report.terminal.test_plan import unchanged

INVENTORY = make_inventory()
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


@cache
def page_of_plan() -> str:
    """Render the page once, when the first test needs it."""
    return render_html(PLAN, INVENTORY, SmallLoadSource(INVENTORY))


class Reader(HTMLParser):
    """Collects tags, attributes, text and the JSON blocks of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.data: dict[str, object] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self._listing: str | None = None
        self._block: str | None = None
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        self._block = dict(attrs).get("id") if tag == "script" else None
        self._listing = dict(attrs).get("data-listing") or self._listing
        if tag == "tbody" and self._listing:
            self.rows[self._listing] = []
        elif tag == "tr" and self._listing in self.rows:
            self.rows[self._listing].append([])
        elif tag in {"th", "td"} and self._listing in self.rows:
            self.rows[self._listing][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave the tag."""
        self._inside = ""
        if tag == "table":
            self._listing = None

    def handle_data(self, data: str) -> None:
        """Note the text of people and the data of scripts."""
        if self._inside == "script" and self._block:
            self.data[self._block] = json.loads(data)
        elif self._inside not in {"script", "style"}:
            self.text.append(data)
            if self._listing in self.rows and any(self.rows[self._listing]):
                self.rows[self._listing][-1][-1] += data.strip()


def read(page: str) -> Reader:
    """Parse a page."""
    reader = Reader()
    reader.feed(page)
    return reader


def test_nothing_is_loaded_from_anywhere() -> None:
    """No element names another resource, and the page forbids the browser to fetch any."""
    for tag, attributes in read(page_of_plan()).tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "data:,") == "data:,", tag
    assert "default-src 'none'" in page_of_plan()
    assert "@import" not in page_of_plan()
    assert "url(" not in page_of_plan().split("</style>")[0]


def test_names_from_outside_are_never_markup() -> None:
    """A VM called like a script stands as text; not one script of its own gets into the page."""
    assert HOSTILE not in page_of_plan()
    reader = read(page_of_plan())
    assert any(HOSTILE in text for text in reader.text)
    assert any(row[0].endswith("script>") for row in reader.rows["schedule"])
    scripts = [attributes for tag, attributes in reader.tags if tag == "script"]
    assert len(scripts) == len([one for one in scripts if one.get("type") == "application/json"]) + 3


def test_every_vm_and_every_move_is_in_the_page() -> None:
    """The tables contain the whole schedule, and exactly the VMs that get a new start, without any script."""
    rows = read(page_of_plan()).rows
    assert [row[0] for row in rows["schedule"]] == [short_id(entry.vm) for entry in PLAN.schedule]
    assert len(rows["moves"]) == PLAN.summary.moved
    assert {len(row) for row in rows["schedule"]} == {11}
    assert len(rows["policies"]) == PLAN.summary.policies_created + PLAN.summary.policies_edited
    assert len(rows["services"]) == len({entry.service for entry in PLAN.schedule})


def test_headline_figures_are_those_of_the_summary() -> None:
    """Before, after and captured stand in the tiles."""
    text = " ".join(" ".join(read(page_of_plan()).text).split())
    assert "today 42.0 → in the plan 20.5 -51.2 %" in text
    assert "a change of -21.5 at-risk backups per 30 days (90 %: -26.0 to -17.0)" in text
    assert "The model, which smooths the hours, sees 79.7 -> 49.9." in text
    assert "95.0 %" in text
    assert "over today's schedule that this plan takes" in text
    assert f"The gap is {decimal(PLAN.summary.left_to_gain)} at-risk backups per 30 days" in text
    assert "15 policies created, 1 edited, 17 VMs reassigned" in text


def test_a_page_of_a_plan_that_costs_more_than_today_says_why() -> None:
    """It spreads services: the tile states what is left to gain, and what the plan costs more."""
    cost = PLAN.summary.cost
    dear = cost.model_copy(update={"plan": cost.today + 0.25, "bound": cost.today - 0.5})
    plan = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update={"cost": dear})})
    text = " ".join(" ".join(read(render_html(plan, INVENTORY, None)).text).split())
    assert "It costs 0.25 more than today's schedule" in text
    assert "over today's schedule that this plan takes" not in text


def test_the_page_names_the_rules_that_today_breaks() -> None:
    """Where the reference is a greedy schedule, the tile says so and why, also if the plan is optimal."""
    for status, expected in (("feasible", "improvement over a greedy schedule. Today's"), ("optimal", "Today's")):
        broken = {"reference": "greedy", "broken_today": ("nights",), "status": status}
        plan = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update=broken)})
        text = " ".join(" ".join(read(render_html(plan, INVENTORY, None)).text).split())
        assert expected in text
        assert "breaks rule 'nights'" in text


def test_every_picture_has_a_name_and_a_table() -> None:
    """A picture is announced in words and its numbers can be read."""
    tags = read(page_of_plan()).tags
    charts = [attributes for _, attributes in tags if (attributes.get("id") or "").startswith("chart-")]
    assert len(charts) == 4
    assert all(one.get("role") == "img" and one.get("aria-label") for one in charts)
    assert ("html", {"lang": "en"}) in tags
    summaries = re.findall(r"<summary>(.*?)</summary>", page_of_plan())
    assert summaries == ["Services in numbers", "Hours in numbers", "Load in numbers"]


def test_table_heads_have_a_scope() -> None:
    """Every head written by the server says what it is the head of."""
    heads = [attributes for tag, attributes in read(page_of_plan()).tags if tag == "th"]
    assert heads
    assert all(one.get("scope") in {"col", "row"} for one in heads)


def test_the_page_can_show_the_load_of_every_vm() -> None:
    """At most a dozen VMs that are helped most come first, then all; each has a caption and bytes of load."""
    reader = read(page_of_plan())
    options = [attributes["value"] for tag, attributes in reader.tags if tag == "option" and "value" in attributes]
    first = min(FIRST_VMS, PLAN.summary.vms_helped)
    assert sorted(options[first:], key=int) == [str(row) for row in range(len(PLAN.schedule))]  # type: ignore[arg-type]  # text
    load = reader.data["data-load"]
    assert isinstance(load, dict)
    assert len(load["captions"]) == len(load["today"]) == len(load["plan"]) == len(PLAN.schedule)
    assert len(base64.b64decode(load["values"])) == len(PLAN.schedule) * len(load["series"]) * load["steps"]


def test_without_load_the_page_has_no_such_section() -> None:
    """A plan can be shown where the history is not at hand, or has nothing of the VMs."""
    nothing = SmallLoadSource(make_inventory(0))
    for page in (render_html(PLAN, INVENTORY, None), render_html(PLAN, INVENTORY, nothing)):
        assert "choose-vm" not in page.split("<script")[0]
        assert 'id="chart-load"' not in page


def test_a_plan_without_changes_says_so() -> None:
    """No empty tables."""
    page = render_html(unchanged(PLAN), INVENTORY, None)
    assert "Nothing: the schedule stays as it is." in page
    assert "policies written" not in page


def test_limits_that_bind_are_on_the_page_where_they_are_known() -> None:
    """Those with a price in a table, the others in a sentence; without a price there is no table; names are text."""
    turns = LimitPriceEntry(
        name="in <turns>", kind=LimitKind.RULE, vault=None, was=3, to=4, saves=2.0, at_risk_change=-1.5,
        overlaps_change=-20.0,
    )  # fmt: skip
    idle = turns.model_copy(update={"name": "idle", "saves": 0.0})
    text = " ".join(" ".join(read(render_html(PLAN, INVENTORY, None, limits=[turns, idle])).text).split())
    assert "in <turns> at once 3 4 2.00 -1.50 -20.0" in text
    assert "1 further limit binds (idle), but raising it by one would save less than 0.005" in text
    alone = render_html(PLAN, INVENTORY, None, limits=[idle])
    assert "1 limit binds (idle)" in alone
    assert "Saves" not in alone
    assert "No limit binds" in render_html(PLAN, INVENTORY, None, limits=[])
    assert "Limits that bind" not in page_of_plan()


def test_an_empty_plan_makes_a_page() -> None:
    """No VMs at all is no reason to fail."""
    empty = Inventory(as_of=AS_OF, vaults={}, policies={}, vms={}, items=())
    page = render_html(unchanged(PLAN).model_copy(update={"schedule": ()}), empty, SmallLoadSource(empty))
    assert read(page).rows["schedule"] == []


def test_a_plan_for_another_estate_is_refused() -> None:
    """The schedule must cover the inventory."""
    with pytest.raises(ValueError, match="no entry for"):
        render_html(PLAN, make_inventory(31), None)


def test_a_page_of_300_vms_is_below_3_megabytes_and_gathers_the_small_services() -> None:
    """Forty services have a row of their own, the others one together."""
    inventory = make_inventory(300, services=60)
    page = render_html(make_plan(inventory, make_risk(inventory)), inventory, SmallLoadSource(inventory))
    assert len(page.encode()) < 3_000_000
    assert OTHERS in page


def test_the_page_and_the_report_have_the_table_of_the_order() -> None:
    """Where a rule has ``order``, page and ``report`` show the same rows as ``plan``; otherwise there is no table."""
    gap = OrderGap(
        rule="db first", group="shop", first='"sql-*"', second='"web-*"', ends="08:15", begins="08:30", hours=0.25,
        within=3.0,
    )  # fmt: skip
    plan = PLAN.model_copy(update={"orders": (gap,)})
    cells = orders_table(plan.orders).cells[0]
    reader = Reader()
    reader.feed(render_html(plan, INVENTORY, SmallLoadSource(INVENTORY)))
    page = " | ".join(text.strip() for text in reader.text if text.strip() and text.strip() not in {"(", ")"})
    heads = "Group | First | Ends ( | UTC | Next | Begins ( | UTC | Later by | Limit"
    assert f"{heads} | {' | '.join(cells[:7])}" in page
    for text in (render_plan(plan), render_report(plan, INVENTORY)):
        row = next(line for line in to_text(text).splitlines() if "15 min" in line)
        assert row.split("  ")[0].strip() == "shop"
        assert [cell.strip() for cell in re.split(r"\s{2,}", row.strip())] == list(cells[:7])
    assert ORDER_TITLE not in page_of_plan()
    assert ORDER_TITLE not in to_text(render_report(PLAN, INVENTORY))


def with_rules(**settings: object) -> PlanDocument:
    """Give the plan other rules."""
    return PLAN.model_copy(update={"rules": Rules.model_validate(settings)})


def test_the_page_names_the_rules_and_what_they_changed() -> None:
    """Each rule has what it demands, its VMs, those that move, and those that break it before and after."""
    names = {short_id(entry.vm) for entry in PLAN.schedule if entry.frequency == "Daily"}
    late = [entry for entry in PLAN.schedule if entry.frequency == "Daily" and entry.start_today == "23:00"]
    forbid = [{"from": "22:00", "to": "23:30"}]
    plan = with_rules(max_moves=40, rule=[{"name": "not <late>", "where": {"frequency": "Daily"}, "forbid": forbid}])
    row = read(render_html(plan, INVENTORY, None)).rows["rules"][0]
    after = [entry for entry in PLAN.schedule if entry.frequency == "Daily" and "20:00" <= entry.start <= "23:00"]
    moved = [entry for entry in PLAN.schedule if entry.frequency == "Daily" and entry.start != entry.start_today]
    demand = "no start window in 22:00-23:30 (zone of each policy)"
    counts = [len(names), len(moved), len(late), len(after)]
    assert row == ["not <late>", "frequency = Daily", demand, *map(str, counts)]
    assert len(after) < len(late)


def test_settings_other_than_the_default_are_on_the_page() -> None:
    """A plan without rules says so; its settings are listed with their defaults."""
    text = " ".join(" ".join(read(render_html(with_rules(max_moves=40), INVENTORY, None)).text).split())
    assert "The plan was made without rules" in text
    assert "1 setting other than the default Setting Value Default max_moves 40 not set" in text
    assert "other than the default" not in page_of_plan()


def test_times_are_in_the_zone_that_was_asked_for() -> None:
    """Without any script, the columns in the display time zone are as far ahead as the zone is."""
    utc, kathmandu = (read(render_html(PLAN, INVENTORY, None, zone=zone)) for zone in ("UTC", "Asia/Kathmandu"))
    minutes = [parse_minute(row[6]) for row in utc.rows["schedule"]]
    assert minutes == [parse_minute(entry.start_utc) for entry in PLAN.schedule]
    ahead = [parse_minute(row[6]) for row in kathmandu.rows["schedule"]]
    assert ahead == [(minute + 345) % 1440 for minute in minutes]
    assert [row[4] for row in kathmandu.rows["schedule"]] == [entry.start for entry in PLAN.schedule]
    assert "Asia/Kathmandu (UTC+05:45)" in "".join(kathmandu.text)
    with pytest.raises(ValueError, match="'Europe/Berlni' is not a time zone"):
        render_html(PLAN, INVENTORY, None, zone="Europe/Berlni")


def test_hours_begin_after_midnight_of_the_zone() -> None:
    """The first row is the first full UTC hour of the day in the zone: 19:00 UTC is 00:45 in Kathmandu."""
    page = render_html(PLAN, INVENTORY, None, zone="Asia/Kathmandu")
    hours = page.split("Starts from (")[1].split("</table>")[0]
    minutes = [int(minute) for minute in re.findall(r'data-minute="(\d+)"', hours)]
    assert minutes == [(1140 + 60 * hour) % 1440 for hour in range(24)]

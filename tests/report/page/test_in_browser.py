"""The page in a real browser, without any network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optimizer.report.page.html import render_html
from tests.report.small_estate import HOSTILE, SmallLoadSource, make_inventory, make_plan, make_risk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = {"desk": 1280, "phone": 390}


@dataclass
class Opened:
    """A page that was opened, and what the browser said meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a plan for 60 VMs."""
    inventory = make_inventory(60)
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(
        render_html(make_plan(inventory, make_risk(inventory)), inventory, SmallLoadSource(inventory)), "utf-8"
    )
    return file


def settle(page: Page) -> None:
    """Wait until the browser has painted the charts, which are at most some frames behind, and is idle."""
    page.evaluate("() => new Promise(done => setTimeout(() => requestIdleCallback(done), 50))")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def open_page(browser: Browser, file: Path, **options: object) -> Opened:
    """Open a file offline and wait until its charts are drawn."""
    settings = {"viewport": {"width": WIDTHS["desk"], "height": 900}} | options
    page = browser.new_context(offline=True, **settings).new_page()  # type: ignore[arg-type]  # playwright's own names
    opened = Opened(page)
    page.on("console", lambda message: opened.complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-charts=drawn]", state="attached", timeout=20_000)
    settle(page)
    return opened


@pytest.fixture
def desk(browser: Browser, page_file: Path) -> Iterator[Opened]:
    """Open the page on a desk."""
    opened = open_page(browser, page_file)
    yield opened
    opened.page.context.close()


COLORS = """
(id) => {
  const colors = new Set();
  const visit = (node) => {
    if (node.tagName === "CANVAS" && node.width && node.height) {
      const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height);
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200) colors.add((data[at] << 16) + (data[at + 1] << 8) + data[at + 2]);
    }
    if (node.shadowRoot) visit(node.shadowRoot);
    for (const child of node.children ?? []) visit(child);
  };
  visit(document.getElementById(id));
  return [...colors];
}
"""


def colors_of(page: Page, chart: str) -> set[int]:
    """Colors that are painted in the canvases of a chart, as 0xRRGGBB."""
    return set(page.evaluate(COLORS, chart))


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(WIDTHS["desk"], "light", id="desk-light"),
        pytest.param(WIDTHS["phone"], "dark", id="phone-dark"),
        pytest.param(WIDTHS["desk"], "dark", id="desk-dark", marks=pytest.mark.thorough),
        pytest.param(WIDTHS["phone"], "light", id="phone-light", marks=pytest.mark.thorough),
    ],
)
def test_page_opens_offline_without_complaint(browser: Browser, page_file: Path, width: int, scheme: str) -> None:
    """Nothing but the file is asked for, nothing is complained of, nothing sticks out sideways, all is drawn."""
    opened = open_page(browser, page_file, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert opened.complaints == []
    assert opened.requests == [page_file.as_uri()]
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    for chart in ("chart-heat-today", "chart-heat-plan", "chart-risk", "chart-load"):
        assert len(colors_of(opened.page, chart)) > 3, chart
    opened.page.context.close()


def test_hostile_names_do_nothing(desk: Opened) -> None:
    """The VM called like a script is listed by that name, and no dialogue opens."""
    dialogues: list[str] = []
    desk.page.on("dialog", lambda dialog: (dialogues.append(dialog.message), dialog.dismiss()))
    desk.page.get_by_label("Filter Schedule of every VM").fill("script>")
    settle(desk.page)
    row = desk.page.locator("[data-listing=schedule] tbody th:visible")
    assert HOSTILE.endswith(row.inner_text())
    assert dialogues == []


def test_choosing_a_vm_changes_picture_caption_and_table(desk: Opened) -> None:
    """The chart, the sentence and the numbers below are of the VM that is chosen."""
    page = desk.page
    load = page.locator("#chart-load")
    before = (
        load.screenshot(),
        page.locator("#load-caption").inner_text(),
        page.locator("#load-table").text_content(),
    )
    names = page.locator("#choose-vm option").all_inner_texts()
    assert len(names) == 60 + 12
    page.select_option("#choose-vm", index=70)
    settle(page)
    after = (load.screenshot(), page.locator("#load-caption").inner_text(), page.locator("#load-table").text_content())
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert after[1].startswith(names[70])
    assert desk.complaints == []


def test_tables_filter_sort_and_turn_pages(desk: Opened) -> None:
    """The moves are 25 to a page, sort by figures, and shrink to what is typed."""
    page, table = desk.page, desk.page.locator("[data-listing=moves]")
    total = int(re.search(r"of (\d+)", table.locator(".count").inner_text())[1])  # type: ignore[index]
    rows = table.locator("tbody tr:visible")
    assert rows.count() == 25 < total

    head = table.get_by_role("button", name="At risk today")
    head.click()
    figures = [float(text) for text in table.locator("tbody tr:visible td:nth-child(6)").all_inner_texts()]
    assert figures == sorted(figures, reverse=True)
    assert table.locator("th[aria-sort=descending]").inner_text() == "At risk today"
    head.click()
    assert table.locator("th[aria-sort=ascending]").count() == 1

    table.get_by_role("button", name="Next").click()
    assert rows.count() == total - 25
    table.get_by_role("button", name="Show all").click()
    assert rows.count() == total

    page.get_by_label("Filter VMs with a new start or policy").fill("vault-2")
    assert set(table.locator("tbody tr:visible td:nth-child(8)").all_inner_texts()) == {"vault-2"}
    page.get_by_label("Filter VMs with a new start or policy").fill("no such thing")
    assert rows.count() == 0
    assert table.locator(".count").inner_text() == "none"


def test_hovering_a_half_hour_tells_its_numbers(desk: Opened) -> None:
    """The tooltip of a cell names the service, the time and both counts."""
    box = desk.page.locator("#chart-heat-today").bounding_box()
    assert box is not None
    tooltip = desk.page.get_by_text("in the plan:")
    for across in range(140, int(box["width"]) - 40, 6):
        desk.page.mouse.move(box["x"] + across, box["y"] + 13)
        if tooltip.count():
            break
    assert tooltip.count() > 0


def test_dark_and_light_pages_paint_other_colors(browser: Browser, page_file: Path) -> None:
    """Changing the scheme repaints the pictures that are already there."""
    opened = open_page(browser, page_file)
    light = colors_of(opened.page, "chart-heat-today")
    opened.page.emulate_media(color_scheme="dark")
    settle(opened.page)
    dark = colors_of(opened.page, "chart-heat-today")
    assert 0xD3D9E1 in light - dark
    assert 0x333D49 in dark - light
    opened.page.context.close()


def test_the_page_prints(desk: Opened) -> None:
    """Printed, the pictures keep their place and the controls are gone."""
    printed = desk.page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF")
    desk.page.emulate_media(media="print")
    assert not desk.page.locator("#choose-vm").is_visible()
    assert desk.page.locator("#chart-load").is_visible()


LISTED = """
() => Object.fromEntries([...document.querySelectorAll("[data-listing]")].map(
  (listing) => [listing.dataset.listing, [...listing.querySelectorAll("tbody tr")].map(
    (row) => row.getClientRects().length > 0)]))
"""
"""For each table, whether each of its rows takes any room."""


def test_paper_shows_every_row(desk: Opened) -> None:
    """Printed, the schedule has all 60 VMs and closed tables are open; only a filter leaves rows out, and says so."""
    page = desk.page
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    listed = page.evaluate(LISTED)
    assert len(listed["schedule"]) == 60
    assert all(all(rows) for rows in listed.values())
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0

    page.emulate_media(media="screen")
    page.get_by_label("Filter Schedule of every VM").fill("vault-2")
    page.emulate_media(media="print")
    shown = sum(page.evaluate(LISTED)["schedule"])
    assert 0 < shown < 60
    note = page.locator("[data-listing=schedule] .filtered")
    assert note.inner_text().startswith(f"{shown} of 60 rows, those with ")
    assert "vault-2" in note.inner_text()


def test_without_javascript_every_list_is_there(browser: Browser, page_file: Path) -> None:
    """All rows of all tables are shown, nothing that needs a script is, and the page says what is missing."""
    context = browser.new_context(offline=True, java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("[data-listing=schedule] tbody tr:visible").count() == 60
    moves = page.locator("[data-listing=moves] tbody tr")
    assert moves.count() == page.locator("[data-listing=moves] tbody tr:visible").count() > 25
    assert page.get_by_text("Charts and filters need JavaScript.").is_visible()
    for selector in ("#choose-vm", "#choose-zone", ".chart", "input"):
        assert page.locator(f"{selector}:visible").count() == 0, selector
    page.locator("summary", has_text="Services in numbers").click()
    assert page.locator("[data-listing=services] tbody tr:visible").count() == 6
    context.close()


FOCUSED = """
() => {
  let stop = document.activeElement;
  while (stop.shadowRoot?.activeElement) stop = stop.shadowRoot.activeElement;
  const name = stop.getAttribute("aria-label") || stop.labels?.[0]?.innerText || stop.innerText;
  return [stop === document.body, stop.outerHTML.slice(0, 80), (name ?? "").trim()];
}
"""


def test_every_focus_stop_has_a_name(desk: Opened) -> None:
    """Whoever goes through the page with the Tab key hears a name at every stop, no two controls with the same."""
    page = desk.page
    for details in page.locator("details").all():
        details.evaluate("(details) => { details.open = true; }")
    names: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        at_the_end, element, name = page.evaluate(FOCUSED)
        if at_the_end:
            break
        assert name, element
        names.append(name)
    else:
        pytest.fail("the Tab key never leaves the page")
    assert "Display time zone" in names
    assert "Filter Schedule of every VM" in names
    controls = [name for name in names if name.startswith(("Filter", "Show", "Next", "Previous"))]
    assert len(controls) == len(set(controls))


def test_the_display_time_zone_moves_times_and_charts(desk: Opened) -> None:
    """In a zone two hours ahead, UTC times are two hours later, and the hours of the chart begin elsewhere."""
    page = desk.page
    column = page.locator("[data-listing=schedule] tbody tr:visible td:nth-child(7)")
    utc, before = column.all_inner_texts(), page.locator("#chart-risk").screenshot()
    starts, risks = (page.locator(f"#hours-table tbody tr > :nth-child({column})") for column in (1, 2))
    of_hour = dict(zip(starts.all_text_contents(), risks.all_text_contents(), strict=True))
    page.select_option("#choose-zone", label="W. Europe Standard Time (UTC+02:00)")
    settle(page)
    minutes = [60 * int(text[:2]) + int(text[3:]) for text in utc]
    assert column.all_inner_texts() == [
        f"{(minute + 120) % 1440 // 60:02d}:{(minute + 120) % 60:02d}" for minute in minutes
    ]
    assert page.locator("#chart-risk").screenshot() != before
    assert starts.all_text_contents() == [f"{hour:02d}:00" for hour in range(24)]
    assert risks.all_text_contents() == [of_hour[f"{(hour - 2) % 24:02d}:00"] for hour in range(24)]
    assert page.locator("[data-zone]").first.inner_text() == "W. Europe Standard Time"
    page.select_option("#choose-zone", index=0)
    settle(page)
    assert column.all_inner_texts() == utc
    assert page.locator("#chart-risk").screenshot() == before
    assert desk.complaints == []

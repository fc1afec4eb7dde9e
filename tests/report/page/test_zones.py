"""Times of the page in its display time zone."""

from __future__ import annotations

import pytest

from optimizer.report.page.zones import DisplayZone, display_zones
from tests.report.small_estate import make_inventory

BERLIN = DisplayZone("Europe/Berlin", 120)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23:30", '<span data-minute="1410">01:30</span>'),
        ("Sunday 23:30", '<span data-minute="10050" data-weekday>Monday 01:30</span>'),
        ("Monday 00:00", '<span data-minute="0" data-weekday>Monday 02:00</span>'),
        ("<none>", "&lt;none&gt;"),
        ("next 23:30", "next 23:30"),
    ],
)
def test_utc_text_is_shown_in_the_zone(text: str, expected: str) -> None:
    """A time is moved by the offset, also past the end of the week; other text stays, and is never markup."""
    assert BERLIN.time(text) == expected


def test_west_of_utc_the_day_before_is_shown() -> None:
    """A negative offset moves a time to the day before."""
    zone = DisplayZone("America/New_York", -300)
    assert zone.time("Monday 01:00") == '<span data-minute="60" data-weekday>Sunday 20:00</span>'
    assert zone.label == "America/New_York (UTC-05:00)"


def test_zones_to_choose_are_utc_and_those_of_the_policies() -> None:
    """The zone shown at first leads; each zone is offered once, however it is written."""
    inventory = make_inventory()
    assert [zone.name for zone in display_zones(inventory, "UTC")] == ["UTC", "W. Europe Standard Time"]
    names = [zone.name for zone in display_zones(inventory, "w. europe standard time")]
    assert [name.lower() for name in names] == ["w. europe standard time", "utc"]
    assert display_zones(inventory, "Asia/Kathmandu")[0] == DisplayZone("Asia/Kathmandu", 345)

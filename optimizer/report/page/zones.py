"""Time zones in which the page can show times that are not bound to the zone of a policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from markupsafe import Markup

from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import (
    MINUTES_PER_DAY,
    WEEKDAYS,
    format_minute,
    format_offset,
    parse_minute,
    resolve_zone,
)

UTC = "UTC"


@dataclass(frozen=True)
class DisplayZone:
    """A time zone with its UTC offset at the start of the plan's 30 days.

    Parameters
    ----------
    name
        Windows or IANA name.
    offset
        Minutes ahead of UTC.
    """

    name: str
    offset: int

    @property
    def label(self) -> str:
        """Name with the offset, such as ``Europe/Berlin (UTC+01:00)``."""
        return self.name if self.name == UTC else f"{self.name} (UTC{format_offset(self.offset)})"

    def clock(self, minute: int) -> Markup:
        """Minute of the UTC day as a time of day in this zone, which the page can show in another zone."""
        return Markup('<span data-minute="{}">{}</span>').format(minute, format_minute(minute + self.offset))

    def time(self, text: str) -> Markup:
        """Convert ``HH:MM`` or ``Monday HH:MM`` in UTC to this zone; other text stays as it is."""
        day, _, time_of_day = text.rpartition(" ")
        try:
            minute = parse_minute(time_of_day)
        except ValueError:
            return Markup("{}").format(text)
        if day not in WEEKDAYS:
            return self.clock(minute) if not day else Markup("{}").format(text)
        minute += WEEKDAYS.index(day) * MINUTES_PER_DAY
        weekday = WEEKDAYS[(minute + self.offset) // MINUTES_PER_DAY % 7]
        shown = f"{weekday} {format_minute(minute + self.offset)}"
        return Markup('<span data-minute="{}" data-weekday>{}</span>').format(minute, shown)

    def data(self) -> dict[str, str | int]:
        """Data of the zone for the script of the page."""
        return {**asdict(self), "label": self.label}


def display_zones(inventory: Inventory, shown: str) -> list[DisplayZone]:
    """Zones to choose from: the one shown at first, UTC, then those of the policies with the most VMs.

    Parameters
    ----------
    shown
        Windows or IANA name of the zone that the page shows at first.

    Raises
    ------
    ValueError
        There is no such zone.
    """
    used = Counter(inventory.policy(item).timezone for item in inventory.items)
    names = {Caseless(name): name for name in (shown, UTC, *(name for name, _ in used.most_common()))}
    return [DisplayZone(name, inventory.horizon.nominal_offset(resolve_zone(name))) for name in names.values()]

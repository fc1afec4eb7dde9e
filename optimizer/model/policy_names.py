"""Names of the policies that a plan creates: the twin's name with the new time, or the template of the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping

from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Policy
from optimizer.model.timegrid import Frequency, format_start, parse_start

LONGEST_NAME = 150
"""Maximum number of characters in the name of a policy, according to the checks of the Terraform provider."""

_MARK = "\0"
"""Stands for the time in a name that is being changed; no name contains it."""

_NO_DAYS = r"(?!\d)(?!d(?:ays?)?(?![a-z]))"
"""What must not follow a time: ``1000d`` is a number of days."""

_CLOCK_24 = re.compile(rf"(?i)(?<!\d)(?P<hour>[01]\d|2[0-3])(?P<between>h?)(?P<minute>[0-5]\d){_NO_DAYS}")
"""Times such as ``2300`` and ``23h00``."""

_CLOCK_24_APART = re.compile(
    rf"(?i)(?<!\d)(?<!\d{{4}}[-_])(?P<hour>[01]\d|2[0-3])(?P<between>[-_])(?P<minute>[0-5]\d){_NO_DAYS}"
)
"""Times such as ``23-00`` and ``23_00``, but not the end of a date such as ``2026-01-30``."""

_HOUR_24 = re.compile(r"(?i)(?<!\d)(?P<hour>[01]\d|2[0-3])(?P<between>h)(?![a-z0-9])")
"""Hours such as ``23h``."""

_CLOCK_12 = re.compile(
    r"(?i)(?<!\d)(?P<hour>0?[1-9]|1[0-2])(?:(?P<between>[-_]?)(?P<minute>[0-5]\d))?(?P<gap>[-_]?)(?P<half>[ap]m)(?![a-z])"
)
"""Times such as ``11pm``, ``11-PM``, ``1130pm`` and ``11-30pm``."""

_NUMBERED = re.compile(r"(?P<name>.+)-(?:[2-9]|[1-9]\d{1,2})")
"""A name with the number that :func:`free_name` adds to a name that is taken."""

_EXTENDED = re.compile(r"(?P<name>.+)-(?:[01]\d|2[0-3])[03]0(?:-\d+)?")
"""A name with the time that :func:`free_name` adds to a name that states none."""


def states_start(name: str, start: int, *, hourly: bool) -> bool:
    """Whether the name of a policy states a start option; in the name of an hourly one, ``04h`` is an interval."""
    return start in {_start_of(match) for match in _times(name, hourly=hourly)}


def free_name(
    twin: Policy, start: int, taken: MutableMapping[Caseless, int | None], template: str | None = None
) -> str:
    """Name for a twin of a policy at another start, which Azure accepts and which is not taken in the vault.

    Azure accepts a letter followed by 2 to 149 of the characters ``-_!a-zA-Z0-9``, according to the checks of the
    Terraform provider. The new time replaces the twin's own time in its name, in the same notation. A name that
    does not state that time gets ``-HHMM`` at its end. A name that is taken gets a number as well.

    Parameters
    ----------
    twin
        Policy to name the new one after.
    start
        Start option of the new policy.
    taken
        Start option by name, for every policy of the vault; None where the start is not known, as for
        policies of other workloads. The new name is added.
    template
        Template of the rules (``name`` under ``[policies]``); None: as described above.
    """
    marked, time = _marked(_unnumbered(twin, taken), twin, taken, start)
    part = "" if template is None else _twin_part(template, marked, twin)
    number, name = 1, ""
    while not name or Caseless(name) in taken:
        suffix = f"-{number}" if number > 1 else ""
        room = LONGEST_NAME - len(suffix)
        name = _fitted(marked, time, room) if template is None else _filled(template, part, twin, start, room)
        name += suffix
        number += 1
    taken[Caseless(name)] = start
    return name


def _clean(name: str) -> str:
    """Name in the characters that Azure accepts."""
    return re.sub(r"[^-_!a-zA-Z0-9]+", "-", name)


def _unnumbered(twin: Policy, taken: Mapping[Caseless, int | None]) -> str:
    """Name of a twin without the number that an earlier plan added to it because a name was taken."""
    name = _clean(twin.name)
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None or Caseless(numbered["name"]) not in taken:
        return name
    states_own = any(_start_of(match) == twin.start for match in _times(numbered["name"], hourly=_is_hourly(twin)))
    return numbered["name"] if states_own else name


def _marked(name: str, twin: Policy, taken: Mapping[Caseless, int | None], start: int) -> tuple[str, str]:
    """Name with marks in place of the twin's time, and the new time in the notation that stood there.

    An earlier plan may have named the twin after another policy of the vault, by adding a time to a name that already
    stated one. Such a name is changed back first, so that names do not grow from month to month.
    """
    own: int | None = twin.start
    extended = _EXTENDED.fullmatch(name)
    if extended is not None and Caseless(extended["name"]) in taken:
        name, own = extended["name"], taken[Caseless(extended["name"])]
    times = list(_times(name, hourly=_is_hourly(twin)))
    matches = [match for match in times if _start_of(match) == own] or _unmistakable(times)
    if not matches:
        return f"{name}-{_MARK}", format_start(start).replace(":", "")
    for match in reversed(matches):
        name = name[: match.start()] + _MARK + name[match.end() :]
    return name, _spelled_like(matches[0], start)


def _is_hourly(policy: Policy) -> bool:
    return policy.recurrence.frequency is Frequency.HOURLY


def _times(name: str, *, hourly: bool) -> Iterator[re.Match[str]]:
    """Everything in a name that may be a time, in order.

    In the name of an hourly policy, ``04h`` is an interval.
    """
    patterns = (_CLOCK_12, _CLOCK_24, _CLOCK_24_APART) if hourly else (_CLOCK_12, _CLOCK_24, _CLOCK_24_APART, _HOUR_24)
    end = 0
    for match in sorted((match for pattern in patterns for match in pattern.finditer(name)), key=lambda m: m.start()):
        if match.start() >= end:
            yield match
            end = match.end()


def _unmistakable(times: list[re.Match[str]]) -> list[re.Match[str]]:
    """The only unmistakable time in a name, such as ``11pm`` or ``23h00``; it need not be the start of the policy."""
    clear = [match for match in times if match.re is _CLOCK_12 or (match.re is _CLOCK_24 and match["between"])]
    return clear if len(clear) == 1 else []


def _start_of(match: re.Match[str]) -> int | None:
    """Start option that a time states; None if it is not on the half hour."""
    hour, minute = int(match["hour"]), match.groupdict().get("minute") or "00"
    if match.re is _CLOCK_12:
        hour = hour % 12 + (12 if Caseless(match["half"]) == "pm" else 0)
    return parse_start(f"{hour:02d}:{minute}") if minute in {"00", "30"} else None


def _spelled_like(match: re.Match[str], start: int) -> str:
    """A start in the notation of another time: 08:00 becomes ``8am`` if the other time is ``11pm``."""
    hour, minute = format_start(start).split(":")
    if match.re is _HOUR_24:
        return f"{hour}{match['between']}" + (minute if minute != "00" else "")
    if match.re is not _CLOCK_12:
        return f"{hour}{match['between']}{minute}"
    return _twelve_hours(match, int(hour), minute)


def _twelve_hours(match: re.Match[str], hour: int, minute: str) -> str:
    """A time with am or pm, in the notation of another one."""
    half = "pm" if hour >= 12 else "am"
    twelve = str(hour % 12 or 12).zfill(2 if match["hour"].startswith("0") else 1)
    minutes = f"{match['between'] or ''}{minute}" if match["minute"] or minute != "00" else ""
    return f"{twelve}{minutes}{match['gap']}{half.upper() if match['half'].isupper() else half}"


def _with_letter(name: str) -> str:
    """Name that begins with a letter."""
    return name if re.match("[a-zA-Z]", name) else f"policy-{name}"


def _fitted(marked: str, time: str, room: int) -> str:
    """Name with the time in its places, cut around the last of them to a number of characters."""
    before, _, after = marked.rpartition(_MARK)
    before = _with_letter(before.replace(_MARK, time))
    excess = max(0, len(before) + len(time) + len(after) - room)
    kept = max(0, len(after) - excess)
    excess -= len(after) - kept
    return f"{before[: len(before) - excess]}{time}{after[:kept]}"


def _twin_part(template: str, marked: str, twin: Policy) -> str:
    """Value of ``{twin}``: the twin's name without its time, or its own part if the template made that name."""
    hour, minute = format_start(twin.start).split(":")
    pattern = re.escape(_with_values(template, r"{twin}", hour, minute, twin)).replace(re.escape("{twin}"), "(.+)", 1)
    made = re.fullmatch(rf"(?i){pattern.replace(re.escape('{twin}'), '.+')}(?:-\d{{1,3}})?", _clean(twin.name))
    if made is not None and made.groups():
        return made[1]
    return re.sub(rf"[-_]?{_MARK}", "", marked).strip("-_") or "policy"


def _filled(template: str, part: str, twin: Policy, start: int, room: int) -> str:
    """Name by a template, with the twin's part cut so that the name has at most a number of characters."""
    hour, minute = format_start(start).split(":")
    part = _with_letter(part) if template.startswith("{twin}") else part
    rest = len(_with_values(template, "", hour, minute, twin))
    matches = max(1, template.count("{twin}"))
    return _with_values(template, part[: max(1, (room - rest) // matches)], hour, minute, twin)


def _with_values(template: str, part: str, hour: str, minute: str, twin: Policy) -> str:
    """Template with values in place of its placeholders."""
    values = {
        "frequency": twin.recurrence.frequency.value.lower(),
        "time": hour + minute,
        "hour": hour,
        "minute": minute,
        "twin": part,
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)

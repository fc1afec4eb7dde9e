"""Rules files: what is read, and what a planner is told about one that cannot be."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimizer.config import parse_rules, read_rules
from optimizer.errors import ConfigError
from optimizer.model.rule_windows import DateRange, Window
from optimizer.model.rules import PolicyLimits, Prices, Rule, Rules, Threshold
from optimizer.model.selectors import Selector

RULE = '[[rule]]\nname = "nights"\n'

BAD = {
    # settings
    "unknown key": ("max_move = 3", ["max_move = 3", "did you mean max_moves?"]),
    "unknown table": ("[treshold]\ncpu_percent = 90", ["treshold = { cpu_percent = 90 }", "did you mean threshold?"]),
    "nothing near": ("xyzzy = 1", ["unknown key 'xyzzy'", "allowed: threshold, prices, policies", "rename or"]),
    "share for percent": ("threshold = { cpu_percent = 0.9 }", ["threshold > cpu_percent", "in percent", "write 90"]),
    "share of one": ("threshold = { memory_percent = 1 }", ["threshold > memory_percent", "write 100 for 100 %"]),
    "threshold of zero": ("threshold = { cpu_percent = 0 }", ["cpu_percent = 0", "allowed: more than 0"]),
    "threshold too high": ("threshold = { cpu_percent = 140 }", ["cpu_percent = 140", "allowed: 100 or less"]),
    "threshold not a number": ("threshold = { cpu_percent = nan }", ["cpu_percent = nan", "allowed:"]),
    "text in a number": ('threshold = { cpu_percent = "90" }', ['cpu_percent = "90"', "a number, without quotes"]),
    "unknown statistic": ('threshold = { statistic = "mean" }', ['"mean"', 'allowed: "average" or "maximum"']),
    "negative price": ("prices = { vault_peak = -0.5 }", ["prices > vault_peak = -0.5", "allowed: 0 or more"]),
    "a price of pair-slots": (
        "prices = { overlap = 0.02 }",
        ["prices: 'overlap'", "write snapshot_overlap = 0.0145 instead of overlap = 0.02", "multiply by 5 / 6.9"],
    ),
    "endless price": ("prices = { move = inf }", ["prices > move = inf", "finite", "allowed: 0 or more"]),
    "truth for a number": ("max_moves = true", ["max_moves = true", "a whole number, without quotes"]),
    "half a move": ("max_moves = 2.5", ["max_moves = 2.5", "a whole number"]),
    "no day": ("budget_days = 0", ["budget_days = 0", "allowed: 1 or more"]),
    "half a write": ("max_policy_writes = 1.5", ["max_policy_writes = 1.5", "a whole number"]),
    "days that are no number": ('[prices]\nrecent_days = "60"', ['recent_days = "60"', "a whole number"]),
    "fewer than no moves": ("max_moves = -1", ["max_moves = -1", "allowed: 0 or more"]),
    "word for a truth": ('policies = { edit = "yes" }', ['policies > edit = "yes"', "true or false, without quotes"]),
    "no writes": ("policies = { max_writes_per_day = 0 }", ["max_writes_per_day = 0", "allowed: 1 or more"]),
    "unknown scope": ('policies = { scope = "tenant" }', ['"tenant"', 'allowed: "vault" or "subscription"']),
    "unknown placeholder": (
        'policies = { name = "{twn}-{time}" }',
        ["policies > name", "'{twn}-{time}' has the placeholder {twn}", "allowed: {twin}, {time}, {hour}"],
    ),
    "name without a time": (
        'policies = { name = "{twin}-{hour}" }',
        ["'{twin}-{hour}' does not state the time", "add {time}, or {hour} and {minute}"],
    ),
    "name with a space": (
        'policies = { name = "{twin} {time}" }',
        ["'{twin} {time}' contains ' '", "letters from a to z, digits, '-', '_' and '!'"],
    ),
    "name with an open brace": ('policies = { name = "{twin-{time}" }', ["contains '{'"]),
    "name that begins with a digit": (
        'policies = { name = "{time}-{twin}" }',
        ["does not begin with a letter", "begin it with a letter, {twin} or {frequency}"],
    ),
    "long name": (
        f'policies = {{ name = "{"x" * 101}-{{time}}" }}',
        ["has 102 characters beside its placeholders", "allowed: 100"],
    ),
    "number for a name": ("policies = { name = 3 }", ["policies > name = 3", "text in quotes"]),
    "number for a table": ("prices = 3", ["prices = 3", "a table, as { key = value }"]),
    "unknown source": ('service_from = ["tags:app"]', ["service_from[0]", "'tags:app'", "allowed: tag:NAME"]),
    "tag without name": ('service_from = ["tag:"]', ["service_from[0]", "'tag:'", "allowed: tag:NAME"]),
    "number for a source": ("service_from = [3]", ["service_from[0] = 3", "text in quotes"]),
    "source without brackets": ('service_from = "scale_set"', ['service_from = "scale_set"', "a list, as [ ... ]"]),
    # rules
    "single brackets": ('[rule]\nname = "a"\npin = true', ["rule = {", "one [[rule]] (two brackets)"]),
    "rule without name": ("[[rule]]\npin = true", ["rule[0]", "'name' is missing", "add name ="]),
    "empty name": ('[[rule]]\nname = ""\npin = true', ['rule[0] > name = ""', "is empty"]),
    "rule without demand": (RULE, ['rule "nights"', "demands nothing", "give it allow, forbid"]),
    "name used twice": (RULE + "pin = true\n" + RULE + "pin = true", ["two rules are called 'nights'", "must differ"]),
    "name of a limit": (
        '[[rule]]\nname = "max_risk_increase"\npin = true',
        ["a rule is called 'max_risk_increase', which is a limit of its own", "give the rule another name"],
    ),
    "per without cap": (RULE + 'pin = true\nper = "vault"', ['rule "nights"', "'per' without 'max_concurrent'"]),
    "unknown per": (RULE + 'max_concurrent = 2\nper = "host"', ['"host"', 'allowed: "service" or "vault"']),
    "cap of zero": (RULE + "max_concurrent = 0", ['rule "nights" > max_concurrent = 0', "allowed: 1 or more"]),
    "order of one": (RULE + 'order = ["db-*"]', ['rule "nights"', "'order' needs at least two sets", "has 1"]),
    "separate from nothing": (RULE + "separate = []", ["'separate' needs at least two sets of VMs and has 0"]),
    "set written twice": (RULE + 'order = ["a", "b", "a"]', ["same set twice in 'order', as number 1 and 3"]),
    "order as text": (RULE + 'order = "db-*"', ['> order: "db-*" is not a list', "a list of sets of VMs"]),
    "separate as text": (
        RULE + 'separate = "db-*"',
        ['rule "nights" > separate', '"db-*" is not allowed', "allowed: true", "a list of at least two sets"],
    ),
    "number in a set": (RULE + 'separate = ["a", 3]', ["> separate[1]: 3 is not a set of VMs", "a table of criteria"]),
    "empty pattern": (RULE + 'order = ["a", ""]', ['> order[1] = ""', "is empty"]),
    "unknown key in a set": (RULE + 'order = ["a", { nam = "b" }]', ["> order[1] > nam", "did you mean name?"]),
    "unknown system in a set": (RULE + 'separate = ["a", { os = "Mac" }]', ["> separate[1] > os", '"Windows" or']),
    "except as text": (RULE + 'except = "db-*"', ['> except: "db-*" is not a list', "a list of sets of VMs"]),
    "list as a pattern": (
        RULE + 'where = { service = ["a", "b"] }',
        ['> where > service: ["a", "b"] is a list', "one pattern in quotes", "write a rule for each"],
    ),
    "list as a tag": (
        RULE + 'where = { tag = { tier = ["db"] } }',
        ['> where > tag > tier: ["db"] is a list', "one pattern in quotes"],
    ),
    "list as a system": (
        RULE + 'where = { os = ["Windows", "Linux"] }',
        ['> where > os: ["Windows", "Linux"] is a list', "'os', a rule is for both"],
    ),
    "number as a frequency": (
        RULE + "where = { frequency = 3 }",
        ["> where > frequency: 3 is not a frequency", '"Daily", "Weekly" or "Hourly", or a list of these'],
    ),
    "pattern as criteria": (
        RULE + 'where = "sql-*"',
        ['> where: "sql-*" is not a table of criteria', '{ name = "sql-*" }'],
    ),
    "list in a set of an order": (
        RULE + 'order = ["a", { name = ["b", "c"] }]',
        ['> order[1] > name: ["b", "c"] is a list', "one pattern in quotes"],
    ),
    "list as a set": (
        RULE + 'separate = ["a", ["b", "c"]]',
        ['> separate[1]: ["b", "c"] is not a set of VMs', "several patterns do not make one set"],
    ),
    "number in except": (RULE + "except = [3]", ["> except[0]: 3 is not a set of VMs", "a table of criteria"]),
    "empty pattern in except": (RULE + 'except = [""]', ['> except[0] = ""', "is empty"]),
    "unknown key in except": (RULE + 'except = [{ nam = "b" }]', ["> except[0] > nam", "did you mean name?"]),
    "set written twice in except": (RULE + 'except = ["a", "a"]', ["same set twice in 'except', as number 1 and 2"]),
    "except by its name in Python": (RULE + 'exempt = ["a"]', ["unknown key 'exempt'", "did you mean except"]),
    "except on top": ('except = ["a"]', ["'except' does not belong here; write it in a [[rule]]"]),
    "nothing but except": ('[[rule]]\nname = "n"\nexcept = ["a"]', ['rules.toml: rule "n" demands nothing']),
    "where in a set": (RULE + 'order = ["a", { where = { name = "b" } }]', ["'where' does not belong here"]),
    "cap and order in one": (
        RULE + 'max_concurrent = 2\norder = ["a", "b"]',
        ["has both 'max_concurrent' and 'order'", "write two rules"],
    ),
    "cap and separate in one": (RULE + "max_concurrent = 2\nseparate = true", ["'max_concurrent' and 'separate'"]),
    "order on top": ('order = ["a", "b"]', ["'order' does not belong here; write it in a [[rule]]"]),
    "setting below a rule": (RULE + "pin = true\nmax_moves = 3", ["max_moves = 3", "does not belong", "top of the"]),
    "rule key on top": ("pin = true", ["pin = true", "does not belong here; write it in a [[rule]]"]),
    "selector key in a rule": (RULE + 'pin = true\nresource_group = "x"', ["where = { ... }"]),
    "one for true": (RULE + "pin = 1", ['rule "nights" > pin = 1', "true or false"]),
    # selectors
    "unknown selector": (RULE + "pin = true\nwhere = { tags = { a = 'b' } }", ["where > tags", "you mean tag?"]),
    "number for a tag": (RULE + "pin = true\nwhere = { tag = { a = 3 } }", ["where > tag > a = 3", "text in quotes"]),
    "tag as text": (RULE + "pin = true\nwhere = { tag = 'db' }", ['where > tag = "db"', "a table, as {"]),
    "unknown frequency": (
        RULE + "pin = true\nwhere = { frequency = 'Monthly' }",
        ["where > frequency", '"Daily", "Weekly" or "Hourly"'],
    ),
    "unknown system": (RULE + "pin = true\nwhere = { os = 'Plan 9' }", ["where > os", '"Windows" or "Linux"']),
    # windows
    "time in words": (RULE + 'allow = [{ from = "8pm", to = "06:00" }]', ["allow[0] > from", "'8pm'", "HH:MM"]),
    "time beyond the day": (RULE + 'allow = [{ from = "20:00", to = "24:30" }]', ["allow[0] > to", "'24:30'"]),
    "bare time": (RULE + 'allow = [{ from = 20:00:00, to = "06:00" }]', ["allow[0] > from", "in quotes", '"20:00"']),
    "number for a time": (RULE + "allow = [{ from = 20, to = 6 }]", ["allow[0]", "from = 20 is no time", '"20:00"']),
    "no length": (RULE + 'forbid = [{ from = "06:00", to = "06:00" }]', ["forbid[0]", "06:00 to 06:00", "no length"]),
    "midnight to midnight": (RULE + 'forbid = [{ from = "24:00", to = "00:00" }]', ["forbid[0]", "no length"]),
    "begins at 24:00": (RULE + 'forbid = [{ from = "24:00", to = "06:00" }]', ["forbid[0]", "write 00:00"]),
    "no end": (RULE + 'allow = [{ from = "20:00" }]', ["allow[0]", "'to' is missing", 'add to = "06:00"']),
    "other words": (
        RULE + 'allow = [{ start = "20:00", to = "06:00" }]',
        ["allow[0]", "'from' is missing", "allowed: from, to, days, dates, zone"],
    ),
    "window without list": (RULE + 'allow = { from = "20:00", to = "06:00" }', ["allow = {", "a list, as [ ... ]"]),
    "short weekday": (
        RULE + 'allow = [{ from = "20:00", to = "06:00", days = ["Mon"] }]',
        ["allow[0] > days[0]", "'Mon' is not a weekday", "allowed: Monday"],
    ),
    "numbered weekday": (RULE + 'allow = [{ from = "20:00", to = "06:00", days = [1] }]', ["days = [1]", "Monday"]),
    "window too short": (
        RULE + 'allow = [{ from = "23:00", to = "00:00" }]',
        [
            'rule "nights" > allow: the window from 23:00 to 00:00 lasts 1 h, and no backup fits',
            "a start window needs 2 h 15 min, 2 h in which Azure may start it and 15 min for the snapshot",
            'make one longer, as { from = "23:00", to = "01:15" } or later, or take the rule out',
        ],
    ),
    "windows too short": (
        RULE + 'allow = [{ from = "20:00", to = "22:14" }, { from = "22:15", to = "22:30" }]',
        ["the windows from 20:00 to 22:14 and from 22:15 to 22:30 last 2 h 14 min at most without a break"],
    ),
    "no days": (RULE + 'allow = [{ from = "20:00", to = "06:00", days = [] }]', ["allow[0]", "leave the key out"]),
    "date with time": (
        RULE + 'forbid = [{ from = "20:00", to = "06:00", dates = [2026-12-24T00:00:00] }]',
        ["forbid[0] > dates[0]", "2026-12-24 00:00:00", "YYYY-MM-DD"],
    ),
    "number for a date": (
        RULE + 'forbid = [{ from = "20:00", to = "06:00", dates = [86400] }]',
        ["forbid[0] > dates[0]", "'86400' is not a date"],
    ),
    "no such date": (
        RULE + 'forbid = [{ from = "20:00", to = "06:00", dates = ["2026-02-30"] }]',
        ["forbid[0] > dates[0]: '2026-02-30' is not in the calendar (day is out of range", "allowed: YYYY-MM-DD"],
    ),
    "dates backwards": (
        RULE + 'forbid = [{ from = "20:00", to = "06:00" }, { from = "2026-12-31", to = "2026-12-01" }]',
        [
            'rule "nights" > forbid[1]: from 2026-12-31 to 2026-12-01 are dates',
            "of two dates the first must not be after the last",
            'as { from = "20:00", to = "06:00", dates = [2026-12-31, 2027-01-01] }',
            "over New Year, freeze = [{ from = 2026-12-18, to = 2027-01-04 }]",
        ],
    ),
    "bare dates backwards": (
        RULE + "forbid = [{ from = 2026-12-31, to = 2026-12-01 }]",
        ["forbid[0]: from 2026-12-31 to 2026-12-01 are dates", "the first must not be after the last"],
    ),
    "date for a time": (
        RULE + 'allow = [{ from = 2026-12-01, to = "06:00" }]',
        ["allow[0]: 2026-12-01 is a date, and a window lasts from one time of day to another; write times"],
    ),
    "unknown zone": (
        RULE + 'allow = [{ from = "20:00", to = "06:00", zone = "Europe/Berlinn" }]',
        ["allow[0] > zone", "'Europe/Berlinn' is not a time zone", "did you mean 'Europe/Berlin'"],
    ),
    "number for a zone": (RULE + 'allow = [{ from = "20:00", to = "06:00", zone = 1 }]', ["zone = 1", "in quotes"]),
    # freezes and recovery points
    "freeze without list": (RULE + "freeze = 2026-12-24", ["freeze = 2026-12-24", "a list, as [ ... ]"]),
    "freeze on no day of the calendar": (
        RULE + 'freeze = ["2026-13-01"]',
        ["freeze[0]: '2026-13-01' is not in the calendar (month must be in 1..12); allowed: YYYY-MM-DD"],
    ),
    "freeze until no day of the calendar": (
        RULE + 'freeze = [{ from = "2026-02-01", to = "2026-02-30" }]',
        ["freeze[0] > to: '2026-02-30' is not in the calendar"],
    ),
    "one set to separate": (RULE + 'separate = ["a"]', ['rule "nights": \'separate\' needs at least two sets']),
    "freeze of no day": (RULE + "freeze = []", ['rule "nights"', "demands nothing"]),
    "number for a day": (RULE + "freeze = [24]", ["freeze[0]: '24' is not a date", "2026-12-24"]),
    "day with time": (RULE + "freeze = [2026-12-24T00:00:00]", ["freeze[0]", "YYYY-MM-DD without a time of day"]),
    "range backwards": (
        RULE + "freeze = [{ from = 2027-01-06, to = 2026-12-24 }]",
        [
            'rule "nights" > freeze[0]: the range from 2027-01-06 to 2026-12-24 ends before it begins',
            "the first day must not be after the last; swap the two, or give the later year to the last day",
            "of a period over New Year, as freeze = [{ from = 2026-12-18, to = 2027-01-04 }]",
        ],
    ),
    "range without end": (
        RULE + "freeze = [{ from = 2026-12-24 }]",
        ["freeze[0]: 'to' is missing", "add to = 2027-01-06"],
    ),
    "range in other words": (
        RULE + "freeze = [{ from = 2026-12-24, until = 2027-01-06 }]",
        ["freeze[0]", "until", "allowed: from, to"],
    ),
    "hours in quotes": (RULE + 'rpo_hours = "36"', ['rpo_hours = "36"', "a number, without quotes"]),
    "no hours": (RULE + "rpo_hours = 0", ["rpo_hours = 0", "allowed: more than 0"]),
    "more than a year": (RULE + "rpo_hours = 9000", ["rpo_hours = 9000", "allowed: 8784 or less"]),
    "hours on top": ("rpo_hours = 36", ["does not belong here; write it in a [[rule]]"]),
    # TOML itself
    "unclosed text": ('max_moves = 3\n[[rule]]\nname = "a\n', ["is not TOML", "line 3", "correct that line"]),
    "key twice": ("max_moves = 3\nmax_moves = 4\n", ["is not TOML", "line 2", "no key occurs twice"]),
}  # fmt: skip


def said_of(path: Path) -> str:
    """Return what a planner is told about a rules file that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        read_rules(path)
    message = str(caught.value)
    assert all(line.startswith(f"{path}: ") for line in message.splitlines())
    return message


@pytest.mark.parametrize(("text", "parts"), BAD.values(), ids=BAD)
def test_a_bad_rules_file_is_answered_in_its_own_words(tmp_path: Path, text: str, parts: list[str]) -> None:
    """The message names the file, the key as written, the value, what is allowed and what to do."""
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    message = said_of(path)
    assert [part for part in parts if part not in message] == [], message


JOINED = {
    "long enough": ["20:00-22:15"],
    "touching": ["20:00-21:00", "21:00-22:15"],
    "over midnight": ["23:00-24:00", "00:00-01:15"],
    "over the week's end": ["23:00-24:00 Sunday", "00:00-01:15 Monday"],
    "overlapping": ["20:00-22:00", "21:00-22:15"],
    "perhaps joined by zones": ["20:00-21:00 UTC", "22:00-23:15"],
}
APART = {
    "days apart": ["23:00-24:00 Sunday", "00:00-01:15 Tuesday"],
    "short in two zones": ["20:00-21:00 UTC", "22:00-23:14"],
    "a gap": ["20:00-21:00", "21:01-22:15"],
}


@pytest.mark.parametrize(("name", "windows"), [*JOINED.items(), *APART.items()])
def test_only_windows_that_no_start_window_can_fit_are_refused(name: str, windows: list[str]) -> None:
    """What touches counts as one, over midnight and the week's end too; zones may join windows, which then pass."""
    written = []
    for window in windows:
        times, _, place = window.partition(" ")
        begin, end = times.split("-")
        more = {"": "", "UTC": ', zone = "UTC"'}.get(place, f', days = ["{place}"]')
        written.append(f'{{ from = "{begin}", to = "{end}"{more} }}')
    text = f"{RULE}allow = [{', '.join(written)}]"
    if name in JOINED:
        assert len(parse_rules(text, "rules.toml").rule[0].allow) == len(windows)
    else:
        with pytest.raises(ConfigError, match=r"at most without a break, and no backup fits"):
            parse_rules(text, "rules.toml")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes give two lines, each with its own rule."""
    path = tmp_path / "rules.toml"
    path.write_text(RULE + 'max_concurrent = 0\n[[rule]]\nname = "days"\npin = 3', encoding="utf-8")
    first, second = said_of(path).splitlines()
    assert 'rule "nights" > max_concurrent = 0' in first
    assert 'rule "days" > pin = 3' in second


def test_a_flood_of_mistakes_is_cut(tmp_path: Path) -> None:
    """After twenty mistakes the rest is counted."""
    path = tmp_path / "rules.toml"
    path.write_text("".join(f"wrong_{n} = {n}\n" for n in range(25)), encoding="utf-8")
    lines = said_of(path).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 5 more")


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    """A value of thousands of characters does not flood the terminal."""
    path = tmp_path / "rules.toml"
    path.write_text(f'prices = "{"x" * 5000}"', encoding="utf-8")
    assert len(said_of(path)) < 500


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is said, with what to do."""
    assert "this rules file does not exist; pass the path of one" in said_of(tmp_path / "none.toml")


def test_a_folder_is_no_rules_file(tmp_path: Path) -> None:
    """A folder in place of the file is said."""
    assert "is a folder; pass the rules file in it" in said_of(tmp_path)


def test_a_path_through_a_file_cannot_be_read(tmp_path: Path) -> None:
    """Whatever else the system refuses is passed on with its reason."""
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be read (Not a directory)" in said_of(tmp_path / "file" / "rules.toml")


@pytest.mark.parametrize("content", ["max_moves = 3".encode("utf-16"), b"# ok\n# caf\xe9 in Latin-1\n"])
def test_other_encodings_are_named(tmp_path: Path, content: bytes) -> None:
    """UTF-16 and Latin-1 are refused with the first byte that is not UTF-8 and its line."""
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    message = said_of(path)
    assert "is not UTF-8 (byte 0x" in message
    assert f"line {content.count(b'# ') or 1})" in message
    assert "save the file as UTF-8" in message


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    """A file as Windows editors save it is read."""
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xef\xbb\xbfmax_moves = 3\r\n[prices]\r\nmove = 1\r\n")
    rules = read_rules(path)
    assert (rules.max_moves, rules.prices.move) == (3, 1.0)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    """An empty rules file demands nothing beyond the defaults."""
    path = tmp_path / "rules.toml"
    path.write_text("", encoding="utf-8")
    assert read_rules(path) == Rules()


def test_the_file_of_the_design_is_read(tmp_path: Path) -> None:
    """Every kind of setting ends where it belongs, whatever the case of weekdays and systems."""
    path = tmp_path / "rules.toml"
    path.write_text(
        """
        max_moves = 10
        max_risk_increase = 0
        service_from = ["tag:app", "scale_set"]
        threshold = { cpu_percent = 85, memory_percent = 95.5, statistic = "maximum" }
        prices = { snapshot_overlap = 0.02, vault_peak = 0.01, policy_write = 0.1, move = 1 }
        policies = { edit = false, max_writes_per_day = 20, scope = "subscription" }
        [[rule]]
        name = "databases at night only"
        where = { tag = { tier = "db" }, name = "sql-*", os = "linux" }
        allow = [{ from = "20:00", to = "24:00", days = ["monday", "FRIDAY"], zone = "Europe/Berlin" }]
        max_concurrent = 2
        freeze = [2026-11-27, { from = 2026-12-18, to = "2027-01-04" }]
        rpo_hours = 36
        """,
        encoding="utf-8",
    )
    window = Window.model_validate({"start": 1200, "end": 1440, "days": (0, 4), "zone": "Europe/Berlin"})
    assert read_rules(path) == Rules(
        max_moves=10,
        max_risk_increase=0.0,
        service_from=("tag:app", "scale_set"),
        threshold=Threshold(cpu_percent=85.0, memory_percent=95.5, statistic="maximum"),
        prices=Prices(snapshot_overlap=0.02, vault_peak=0.01, policy_write=0.1, move=1.0),
        policies=PolicyLimits(edit=False, max_writes_per_day=20, scope="subscription"),
        rule=(
            Rule(
                name="databases at night only",
                where=Selector(tag={"tier": "db"}, name="sql-*", os="Linux"),
                allow=(window,),
                max_concurrent=2,
                freeze=(
                    DateRange(first=date(2026, 11, 27), last=date(2026, 11, 27)),
                    DateRange(first=date(2026, 12, 18), last=date(2027, 1, 4)),
                ),
                rpo_hours=36.0,
            ),
        ),
    )


@pytest.mark.parametrize("name", ["minimal", "defaults", "business-hours", "regulated", "app-tiers"])
def test_the_sample_rules_are_read(root: Path, name: str) -> None:
    """Each sample in ``data/rules`` is a rules file that works."""
    rules = read_rules(root / "data" / "rules" / f"{name}.toml")
    assert (rules == Rules()) == (name == "defaults")


def test_every_sample_is_tested(root: Path) -> None:
    """No sample is forgotten by the test above."""
    names = {path.stem for path in (root / "data" / "rules").iterdir()}
    assert names == {"minimal", "defaults", "business-hours", "regulated", "app-tiers"}


def test_the_sample_of_defaults_is_complete(root: Path) -> None:
    """``defaults.toml`` shows every setting, so that nothing has to be looked up in the code."""
    text = (root / "data" / "rules" / "defaults.toml").read_text(encoding="utf-8")
    settings = [name for model in (Rules, Threshold, Prices, PolicyLimits) for name in model.model_fields]
    assert [name for name in settings if name != "rule" and name not in text] == []

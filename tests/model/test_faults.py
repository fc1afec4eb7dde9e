"""No text of pydantic reaches a user: every fault of a file is told with place, value and what is allowed."""

from __future__ import annotations

import json
import math
import tomllib
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import core_schema

from optimizer.config import parse_rules, validate_rules
from optimizer.documents.plan_document import PlanDocument
from optimizer.documents.rollback_file import RollbackDocument
from optimizer.errors import ConfigError
from optimizer.estate.document import EstateDocument
from optimizer.journal import Record
from optimizer.model.faults import ANYTHING_ELSE, describe_faults, expectation
from optimizer.model.rules import Rules
from tests.report.small_estate import make_inventory, make_plan, make_risk

KINDS: tuple[str, ...] = typing.get_args(core_schema.ErrorType)

CONTEXT: dict[str, Any] = {
    "error": "line 1 column 2", "gt": 0, "ge": 0, "lt": 1, "le": 1, "multiple_of": 2, "field_type": "List",
    "min_length": 2, "max_length": 3, "actual_length": 1, "pattern": "^a$", "expected": "'a' or 'b'",
    "discriminator": "'kind'", "tag": "x", "expected_tags": "'a', 'b'",
}  # fmt: skip

RAW = ("Input should", "should have at least", "should match", "after validation", "Field required", "Extra inputs")
"""Beginnings of what pydantic says."""

RULES = """
max_moves = 3
max_risk_increase = 0.1
budget_days = 2
service_from = ["tag:app", "resource_group"]
threshold = { cpu_percent = 90, statistic = "average", agentless = false }
prices = { snapshot_overlap = 0.02, move = 0.1, recent_days = 60 }
policies = { edit = true, max_vms_per_policy = 90, scope = "vault" }
working_hours = { from = "08:00", to = "18:00", days = ["Monday"] }

[[rule]]
name = "nights"
where = { tag = { tier = "db" }, os = "Linux", frequency = ["Daily"] }
except = ["web-*", { service = "shop" }]
allow = [{ from = "20:00", to = "06:00", days = ["Monday"], dates = [2026-12-24], zone = "UTC" }]
freeze = [{ from = 2026-12-24, to = 2027-01-06 }, 2027-02-01]
rpo_hours = 48
weight = 2

[[rule]]
name = "order"
order = ["sql*", { service = "web" }]
within = 4
per = "service"

[[rule]]
name = "apart"
separate = ["sql*", "web*"]
pin = false
"""

RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="record")])

ESTATE = {
    "schema_version": 1, "as_of": "2026-03-01T00:00:00Z", "created_at": "2026-03-01T00:00:00Z",
    "source": "demo", "missing_vms": {"b": "gone"}, "services": {"a": "shop"},
    "load_metadata": {"columns": ["cpu_percent"], "bin_minutes": 5, "zone": "UTC"},
    "vms": [{"id": "a"}],
    "jobs": [{"path": "jobs/part-000.parquet", "rows": 1, "bytes": 2, "sha256": "0" * 64}],
}  # fmt: skip
RUN = {
    "record": "run", "schema_version": 1, "run": 1, "command": "apply", "at": "2026-03-01T00:00:00Z",
    "plan_fingerprint": "sha256:0", "plan": "plan.json", "who": "me", "program": "1",
}  # fmt: skip
PLAN = make_plan(make_inventory(), make_risk(make_inventory())).model_dump(mode="json")
DOCUMENTS: list[tuple[TypeAdapter[Any], Any]] = [
    (TypeAdapter(EstateDocument), ESTATE), (RECORD, RUN), (TypeAdapter(PlanDocument), PLAN),
]  # fmt: skip


JUNK = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        3.5,
        math.nan,
        math.inf,
        -math.inf,
        10**30,
        "",
        "junk",
        "25:99",
        [],
        ["Mon"],
        [[]],
        {},
        {"a": 1},
    ]
)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, the whole left out."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def with_junk(document: Any, path: tuple[Any, ...], junk: object, how: str) -> Any:
    """The document with one value replaced or left out, or with a key that is not known beside it."""
    changed = json.loads(json.dumps(document, default=lambda day: f"date:{day}"))
    inside = changed
    for part in path[:-1]:
        inside = inside[part]
    if how == "leave out":
        del inside[path[-1]]
    elif how == "add" and isinstance(inside, dict):
        inside["unheard_of"] = junk
    else:
        inside[path[-1]] = junk
    return _with_dates(changed)


def _with_dates(value: Any) -> Any:
    """Dates of TOML in place of their texts."""
    if isinstance(value, dict):
        return {key: _with_dates(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_dates(inner) for inner in value]
    return tomllib.loads(f"a = {value[5:]}")["a"] if isinstance(value, str) and value.startswith("date:") else value


def refusal(read: Callable[[], object], kind: type[Exception], tell: Callable[[Any], str]) -> str:
    """What a user is told; empty where nothing is wrong."""
    try:
        read()
    except kind as exc:
        return tell(exc)
    return ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("notation", ["TOML", "JSON"])
def test_every_kind_of_error_is_told_in_our_words(kind: str, notation: Any) -> None:
    """Whatever kind of error pydantic knows gets its own answer, of which no part is pydantic's."""
    said = expectation({"type": kind, "loc": ("a",), "msg": "", "input": "x", "ctx": CONTEXT}, notation)
    assert said.wrong
    assert not any(raw in str(said) for raw in RAW)


@settings(max_examples=400)
@given(st.data())
def test_wrong_rules_are_told_in_our_words(data: st.DataObject) -> None:
    """Any value of a rules file replaced by junk, left out, or joined by a key that is not known."""
    rules = tomllib.loads(RULES)
    path = data.draw(st.sampled_from(list(places(rules))))
    changed = with_junk(rules, path, data.draw(JUNK), data.draw(st.sampled_from(["replace", "leave out", "add"])))
    said = refusal(lambda: validate_rules(changed, "rules.toml"), ConfigError, str)
    assert not any(raw in said for raw in RAW), said
    assert ANYTHING_ELSE.wrong not in said
    assert all(line.startswith("rules.toml: ") for line in said.splitlines())


@pytest.mark.parametrize("model", [EstateDocument, PlanDocument, RollbackDocument, RECORD], ids=str)
@pytest.mark.parametrize("junk", [None, 3, "junk", [], [3], {}, {"schema_version": 1}, {"record": "junk"}])
def test_other_files_are_told_in_our_words(model: Any, junk: object) -> None:
    """A file that is something else is told what it lacks, whatever reads it."""
    reader = TypeAdapter(model) if isinstance(model, type) and issubclass(model, BaseModel) else model
    with pytest.raises(ValidationError) as caught:
        reader.validate_json(json.dumps(junk))
    said = describe_faults(caught.value, junk)
    assert not any(raw in said for raw in RAW), said


@settings(max_examples=300)
@given(st.data())
def test_damaged_documents_are_told_in_our_words(data: st.DataObject) -> None:
    """Any value of an estate or of a journal replaced by junk: place, value and what is allowed, and nothing raw."""
    reader, document = data.draw(st.sampled_from(DOCUMENTS))
    path = data.draw(st.sampled_from(list(places(document))))
    changed = with_junk(document, path, data.draw(JUNK), data.draw(st.sampled_from(["replace", "leave out", "add"])))
    content = json.dumps(changed).encode()
    said = refusal(lambda: reader.validate_json(content), ValidationError, lambda exc: describe_faults(exc, content))
    assert not any(raw in said for raw in RAW), said
    assert ANYTHING_ELSE.wrong not in said


def test_the_documents_are_whole() -> None:
    """What the tests damage can be read before."""
    assert validate_rules(tomllib.loads(RULES), "rules.toml") != Rules()
    for reader, document in DOCUMENTS:
        reader.validate_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("working_hours = { days = [] }", "working_hours > days = []: is empty; allowed: 1 entry or more; add one"),
        ('[[rule]]\nname = "a"\nweight = nan', 'rule "a" > weight = nan: is not a number; allowed: 0.1 to 100; '),
        ('[[rule]]\nname = "a"\nweight = inf', 'rule "a" > weight = inf: is infinite; allowed: 0.1 to 100; '),
        ("prices = { move = -inf }", "prices > move = -inf: is infinite; allowed: 0 or more; write a number"),
        ("threshold = { cpu_percent = nan }", "cpu_percent = nan: is not a number; allowed: more than 0, up to 100; "),
    ],
)
def test_values_that_were_told_badly(text: str, said: str) -> None:
    """Empty lists, and numbers that are none, have words of their own."""
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, "rules.toml")
    assert said in str(refused.value)


def test_the_name_of_a_branch_is_no_place() -> None:
    """A record called "run" has a key ``run``: the place is where the key stands, whatever pydantic puts before it."""
    content = json.dumps({**RUN, "run": "first"}).encode()
    with pytest.raises(ValidationError) as caught:
        RECORD.validate_json(content)
    assert describe_faults(caught.value, content) == (
        'run = "first": has the wrong type; allowed: a whole number, without quotes'
    )
    content = json.dumps({key: value for key, value in RUN.items() if key != "command"}).encode()
    with pytest.raises(ValidationError) as caught:
        RECORD.validate_json(content)
    assert describe_faults(caught.value, content) == "command is missing"


def test_what_follows_from_another_mistake_is_not_told() -> None:
    """A weekday that does not exist is one mistake: that the list is too short without it is not told as well."""
    with pytest.raises(ConfigError) as refused:
        parse_rules('working_hours = { days = ["Mon"] }', "rules.toml")
    assert len(str(refused.value).splitlines()) == 1
    assert "Monday" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value", "wrong", "allowed"),
    [
        (Annotated[str, Field(min_length=1)], "", "is empty", "any text"),
        (Annotated[str, Field(min_length=3)], "a", "has 1 character", "3 characters or more"),
        (Annotated[str, Field(max_length=1)], "ab", "has 2 characters", "1 character or fewer"),
        (Annotated[str, Field(max_length=1000)], "x" * 1001, "has 1,001 characters", "1,000 characters or fewer"),
        (Annotated[list[int], Field(min_length=1)], [], "is empty", "1 entry or more"),
        (Annotated[list[int], Field(max_length=2)], [1, 2, 3], "has 3 entries", "2 entries or fewer"),
        (Annotated[tuple[int, ...], Field(min_length=2)], [1], "has 1 entry", "2 entries or more"),
    ],
)
def test_lengths_are_counted_in_plain_words(kind: Any, value: object, wrong: str, allowed: str) -> None:
    """Characters of text and entries of lists, with the right plurals."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    told = expectation(caught.value.errors()[0], "JSON")
    assert (told.wrong, told.allowed) == (wrong, allowed)

"""Raw JSON is read defensively: what has the wrong type counts as absent, and no depth exhausts the stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.raw import (
    DEEPEST,
    TOO_LONG,
    arm_id,
    canonical_json,
    id_of,
    is_whole_number,
    mapping,
    objects,
    parse_json,
    parse_toml,
    properties_of,
    sequence,
    text,
    too_deep,
    word,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def nested(levels: int, *, objects_too: bool = False) -> Any:
    """A value with this many arrays or objects inside each other."""
    value: Any = []
    for level in range(levels - 1):
        value = {"a": value} if objects_too and level % 2 else [value]
    return value


@given(JSON)
def test_no_value_stops_a_reader(value: object) -> None:
    """Every accessor answers with its own type, whatever it is given."""
    assert isinstance(text(value), str)
    assert isinstance(word(value), str)
    assert isinstance(arm_id(value), str)
    assert isinstance(id_of(value), str)
    assert all(isinstance(part, dict) for part in objects(value))
    assert isinstance(sequence(value), list)
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert properties_of({"properties": value}) == mapping(value)
    assert properties_of(value) == mapping(mapping(value).get("properties"))


def test_objects_are_taken_out_of_an_array() -> None:
    """Elements that are no objects are skipped, and an object alone is no array."""
    assert objects([{"a": 1}, None, 3, {"b": 2}]) == [{"a": 1}, {"b": 2}]
    assert objects({"a": 1}) == []


def test_words_and_ids_are_compared_without_case() -> None:
    """A state or an id that Azure returns in other capitals is the same one."""
    assert word("Running") == "running"
    assert id_of({"id": "/subscriptions/A"}) == arm_id("/SUBSCRIPTIONS/a")
    assert id_of({"id": 7}) == ""


@pytest.mark.parametrize(("value", "whole"), [(3, True), (0, True), (True, False), (3.0, False), ("3", False)])
def test_true_is_no_number(value: object, whole: bool) -> None:
    """In Python, True is an integer; in a resource, it is not."""
    assert is_whole_number(value) is whole


@given(JSON)
def test_canonical_json_reads_back_and_ignores_the_order_of_keys(value: Any) -> None:
    """Equal values have one spelling."""
    spelled = canonical_json(value)
    assert json.loads(spelled) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == spelled


def test_canonical_json_has_no_spaces_and_no_escapes() -> None:
    """The bytes are UTF-8, so that a hash does not depend on a library's taste."""
    assert canonical_json({"b": ["ä", 1], "a": None}) == '{"a":null,"b":["ä",1]}'.encode()


@pytest.mark.parametrize("objects_too", [False, True])
def test_depth_is_counted_in_levels(objects_too: bool) -> None:
    """As many levels as allowed are fine, one more is too deep, in arrays and objects alike."""
    assert not too_deep(nested(DEEPEST, objects_too=objects_too))
    assert too_deep(nested(DEEPEST + 1, objects_too=objects_too))
    assert not too_deep("text", 1)
    assert not too_deep(nested(2), 2)
    assert too_deep(nested(3), 2)


@pytest.mark.parametrize("levels", [DEEPEST + 9, 100_000])
def test_json_that_is_too_deep_is_refused(levels: int) -> None:
    """Whether Python's parser gives up or not, the message is the same."""
    with pytest.raises(ValueError, match=r"^it is nested too deeply$"):
        parse_json("[" * levels + "]" * levels)


def test_a_resource_may_use_its_depth_inside_a_file() -> None:
    """The levels of the file around a resource do not count against it."""
    assert parse_json(json.dumps({"value": [nested(DEEPEST)]})) == {"value": [nested(DEEPEST)]}


def test_json_faults_are_in_plain_words() -> None:
    """A syntax error says where it is; a huge number is not explained by a setting of the interpreter."""
    with pytest.raises(ValueError, match="line 1 column 2"):
        parse_json("[")
    with pytest.raises(ValueError, match=rf"^{TOO_LONG}$"):
        parse_json("1" * 5000)


def test_toml_faults_are_in_plain_words() -> None:
    """The same for TOML: syntax, huge numbers and depth."""
    assert parse_toml("a = [1, 2]") == {"a": [1, 2]}
    with pytest.raises(ValueError, match="at end of document"):
        parse_toml("a = ")
    with pytest.raises(ValueError, match=rf"^{TOO_LONG}$"):
        parse_toml("a = " + "1" * 5000)
    with pytest.raises(ValueError, match=r"^it is nested too deeply$"):
        parse_toml("a = " + "[" * 100 + "]" * 100)

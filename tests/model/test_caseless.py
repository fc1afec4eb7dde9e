"""Text that is compared without case behaves like its lower-case spelling, and is written as it was."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter
from itertools import groupby

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import NOTHING, Caseless, key_of

TEXTS = st.text(alphabet="aAbB/-1\u00df\u0130\u0131\u03a3\u03c3\u03c2\u00c5\u00e5", max_size=5)
"""Short texts from few letters, so that many pairs differ only in case; some letters change their length with case."""


class Document(BaseModel):
    id: ArmId
    by_id: dict[ArmId, int]
    ids: tuple[Caseless, ...] = ()


@given(TEXTS, TEXTS)
@example("\u0130", "i\u0307")
@example("A\u03a3", "a\u03c2")
def test_two_texts_compare_like_their_lower_case(one: str, other: str) -> None:
    """Equality, hash and order are those of the lower-case texts."""
    a, b = Caseless(one), Caseless(other)
    assert (a == b, a != b, a < b, a <= b, a > b, a >= b) == (
        one.lower() == other.lower(),
        one.lower() != other.lower(),
        one.lower() < other.lower(),
        one.lower() <= other.lower(),
        one.lower() > other.lower(),
        one.lower() >= other.lower(),
    )
    assert a != b or hash(a) == hash(b)


@given(TEXTS, TEXTS)
def test_a_plain_text_compares_without_case_on_either_side(one: str, other: str) -> None:
    """It does not matter which side is caseless, and an id compares with any other caseless text."""
    expected = one.lower() == other.lower()
    assert (Caseless(one) == other, other == Caseless(one), ArmId(one) == Caseless(other)) == (expected,) * 3
    assert (Caseless(one) != other, other != Caseless(one)) == (not expected,) * 2
    assert (other < Caseless(one)) == (other.lower() < one.lower())
    assert Caseless(one) != 1


@given(st.lists(TEXTS))
def test_dicts_and_sets_hold_each_text_once(texts: list[str]) -> None:
    """A dict, a set and a counter of caseless texts are those of the lower-case texts."""
    lower = [text.lower() for text in texts]
    caseless = [Caseless(text) for text in texts]
    assert set(caseless) == set(lower)
    assert dict(zip(caseless, texts, strict=True)) == dict(zip(lower, texts, strict=True))
    assert Counter(caseless) == Counter(lower)
    assert [len(list(group)) for _, group in groupby(caseless)] == [len(list(group)) for _, group in groupby(lower)]


@given(TEXTS, st.lists(TEXTS))
def test_lower_case_text_finds_a_caseless_key_and_is_found_by_one(wanted: str, texts: list[str]) -> None:
    """Mixing with plain lower-case text is safe in both directions, in dicts and sets."""
    is_there = wanted.lower() in [text.lower() for text in texts]
    assert (wanted.lower() in {Caseless(text): 1 for text in texts}) == is_there
    assert (Caseless(wanted) in {text.lower(): 1 for text in texts}) == is_there
    assert (Caseless(wanted) in {text.lower() for text in texts}) == is_there
    assert (wanted.lower() in {Caseless(text) for text in texts}) == is_there


def test_plain_text_in_mixed_case_finds_no_key() -> None:
    """The known trap: the hash of plain text has its case, although ``==`` ignores it. mypy refuses such a key."""
    assert Caseless("VM-1") == "VM-1"
    caseless, plain = {Caseless("VM-1"): 1}, {"VM-1": 1}
    assert "VM-1" not in caseless
    assert Caseless("VM-1") not in plain
    assert ArmId("vm-1") in caseless


@given(st.lists(TEXTS))
def test_sorting_ignores_case_and_keeps_the_order_of_equals(texts: list[str]) -> None:
    """A list with caseless text sorts like its lower-case text, also if plain text is among it."""
    mixed = [Caseless(text) if number % 2 else text for number, text in enumerate(texts)]
    ordered = [str(text) for text in sorted(map(Caseless, texts))]
    assert ordered == sorted(texts, key=str.lower)
    if all(isinstance(text, Caseless) or text == text.lower() for text in mixed):
        assert [str(text) for text in sorted(mixed)] == ordered


@given(TEXTS)
def test_text_is_shown_and_joined_as_it_was_written(text: str) -> None:
    """Formatting, joining, slicing and conversion see the original spelling and give plain text."""
    caseless = Caseless(text)
    several = [caseless, "b"]
    assert (str(caseless), f"{caseless}", f"{caseless:>9}", ", ".join(several)) == (
        text,
        text,
        f"{text:>9}",
        f"{text}, b",
    )
    assert repr(caseless) == repr(text)
    assert (caseless[:2], caseless + "X", len(caseless)) == (text[:2], text + "X", len(text))
    assert (caseless.key, key_of(caseless), key_of(text)) == (text.lower(),) * 3
    assert type(str(caseless)) is str


@given(TEXTS, TEXTS)
def test_json_keeps_the_spelling(text: str, other: str) -> None:
    """``json`` and pydantic write keys and values as they were and read them back; the schema is that of text."""
    written = json.dumps({Caseless(text): Caseless(other)})
    assert written == json.dumps({text: other})
    document = Document(id=text, by_id={other: 1}, ids=(text, other))  # type: ignore[arg-type]
    again = Document.model_validate_json(document.model_dump_json())
    assert json.loads(document.model_dump_json()) == {"id": text, "by_id": {other: 1}, "ids": [text, other]}
    assert (type(again.id), type(next(iter(again.by_id))), type(again.ids[0])) == (ArmId, ArmId, Caseless)
    dumped = document.model_dump(mode="json")
    assert {type(dumped["id"]), *map(type, dumped["by_id"]), *map(type, dumped["ids"])} == {str}


def test_the_json_schema_is_that_of_plain_text() -> None:
    """Files keep their schemas when a field becomes an id."""
    properties = Document.model_json_schema()["properties"]
    assert properties["id"] == {"title": "Id", "type": "string"}
    assert properties["by_id"]["additionalProperties"] == {"type": "integer"}


@given(TEXTS)
def test_copies_and_pickles_are_equal_and_keep_the_spelling(text: str) -> None:
    """Deep copies and other processes get the same class with the same spelling."""
    for again in (copy.deepcopy(ArmId(text)), copy.copy(ArmId(text)), pickle.loads(pickle.dumps(ArmId(text)))):  # noqa: S301 - own data
        assert (type(again), str(again), again.key) == (ArmId, text, text.lower())


def test_polars_and_numpy_see_the_spelling() -> None:
    """Columns and arrays hold plain text as it was written, so their comparisons must be given keys."""
    ids = [ArmId("/A/B"), ArmId("/a/c")]
    frame = pl.DataFrame({"vm": ids})
    assert frame["vm"].to_list() == ["/A/B", "/a/c"]
    assert pl.DataFrame([{"vm": ids[0]}])["vm"].to_list() == ["/A/B"]
    assert frame["vm"].is_in(["/a/b"]).to_list() == [False, False]
    assert frame["vm"].str.to_lowercase().is_in([vm.key for vm in ids]).all()
    assert np.array(ids).tolist() == ["/A/B", "/a/c"]
    assert np.unique(np.array([*ids, "/a/b"])).tolist() == ["/A/B", "/a/b", "/a/c"]


def test_a_caseless_text_is_made_once() -> None:
    """Wrapping again costs nothing, and a plain caseless text becomes an id."""
    name = Caseless("VM-1")
    assert Caseless(name) is name
    assert type(ArmId(name)) is ArmId
    assert Caseless() == NOTHING
    assert not NOTHING


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("SQL-01", "sql-*", True),
        ("sql-01", "SQL-0?", True),
        ("web-01", "sql-*", False),
        ("[Prod] sql", "[prod]*", True),
        ("p", "[prod]", False),
        ("sql", "SQL", True),
    ],
)
def test_patterns_ignore_case(text: str, pattern: str, *, expected: bool) -> None:
    """``*`` and ``?`` are wildcards, and brackets stand for themselves."""
    assert Caseless(text).is_like(pattern) is expected

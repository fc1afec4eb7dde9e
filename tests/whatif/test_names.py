"""Names in a question: found regardless of case, otherwise with suggestions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import ConfigError
from optimizer.whatif.names import NAMES_LISTED, no_such_name, resolve_names

VAULTS = ["vault-neu", "vault-weu", "Archive"]


@pytest.mark.parametrize("wanted", ["vault-weu", "VAULT-WEU", "Vault-Weu"])
def test_a_name_is_found_in_any_case(wanted: str) -> None:
    """The name is returned as it exists, not as it was written."""
    assert resolve_names("vault", wanted, VAULTS) == "vault-weu"


@given(st.lists(st.text(st.characters(max_codepoint=127), min_size=1), min_size=1, unique_by=str.casefold))
def test_every_existing_name_is_found(known: list[str]) -> None:
    """Whatever the names are, each one resolves to itself."""
    assert [resolve_names("vault", name, known) for name in known] == known


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("weu", "did you mean 'vault-weu'?"),
        ("ARCH", "did you mean 'Archive'?"),
        ("vault", "did you mean 'vault-neu' or 'vault-weu'?"),
        ("valt-weu", "did you mean 'vault-weu'"),
        ("backup", "allowed: 'vault-neu', 'vault-weu', 'Archive'"),
    ],
)
def test_an_unknown_name_has_suggestions(wanted: str, hint: str) -> None:
    """Names that contain the text come first, then similar ones; without any, those that exist are listed."""
    with pytest.raises(ConfigError) as caught:
        resolve_names("vault", wanted, VAULTS)
    assert str(caught.value).startswith(f"there is no vault {wanted!r}; {hint}")


def test_a_part_of_a_name_is_a_suggestion_and_no_match() -> None:
    """A name that only begins like the text is not taken for it, even if it is the only one."""
    with pytest.raises(ConfigError):
        resolve_names("rule", "night", ["night shift"])


def test_a_long_list_is_cut() -> None:
    """Ten names are listed, and the number of the others."""
    known = [f"x{number:02d}" for number in range(NAMES_LISTED + 3)]
    message = no_such_name("service", "backup", known)
    assert message.endswith("'x09' and 3 more")
    assert "'x10'" not in message


def test_without_names_that_is_the_answer() -> None:
    """A list of nothing is no help."""
    assert no_such_name("rule", "nights", []) == "there is no rule 'nights'; there are no rules"

"""Text that Azure compares without regard to case: ids, names, tags and states.

A :class:`Caseless` is a ``str`` and is shown, joined, formatted and written to JSON exactly as it was written. Only
comparing differs: ``==``, ``<``, ``hash``, and with them dicts, sets, ``sorted`` and ``groupby``, ignore case.

A plain ``str`` next to a caseless one
--------------------------------------
``==`` ignores case if either side is caseless. A dict or set looks at the hash first, and the hash of a plain ``str``
depends on its case. So a plain ``str`` finds a caseless key, and the other way round, only if it is in lower case.
A plain ``str`` in mixed case finds nothing. Three things keep such a ``str`` out of the core:

* everything that reads data makes caseless text: :func:`optimizer.model.raw.id_of` and ``word_of``, the fields of the
  documents (pydantic), and the fields of the model (``hold``);
* mappings are typed ``Mapping[ArmId, ...]``, so that mypy refuses a plain ``str`` as a key;
* ``str(text)``, slices and methods such as ``partition`` return plain ``str``. Wrap the result again before comparing.

Raw resources hold plain ``str``, as they were read: some encoders of JSON refuse subclasses. Polars and numpy see the
text as it was written, so give them ``key`` where they compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Caseless(str):
    """A ``str`` that is equal to, ordered with and hashed like any other spelling of itself.

    Parameters
    ----------
    text
        The text. A caseless text of the same class is returned as it is.
    """

    __slots__ = ("key",)

    key: str
    """The text in lower case: for prefixes, digests, queries and files that hold lower-case text."""

    def __new__(cls, text: str = "") -> Self:
        """Make the text, unless it is caseless already."""
        if type(text) is cls:
            return text
        self = super().__new__(cls, text)
        self.key = text.lower()
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Caseless):
            return self.key == other.key
        return self.key == other.lower() if isinstance(other, str) else NotImplemented

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: object) -> bool:
        return self.key < key_of(other) if isinstance(other, str) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.key <= key_of(other) if isinstance(other, str) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.key > key_of(other) if isinstance(other, str) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.key >= key_of(other) if isinstance(other, str) else NotImplemented

    def is_like(self, pattern: str) -> bool:
        """Whether the text matches a pattern with ``*`` and ``?``.

        ``[`` has no special meaning, because tags such as ``[prod]`` are common.
        """
        return fnmatchcase(self.key, key_of(pattern).replace("[", "[[]"))

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


NOTHING = Caseless()
"""Empty text."""


def key_of(text: str) -> str:
    """The text in lower case, as ``Caseless(text).key``."""
    return text.key if isinstance(text, Caseless) else text.lower()


def hold(owner: object, kind: type[Caseless], names: Iterable[str]) -> None:
    """Turn fields of a frozen dataclass into caseless text; call it from ``__post_init__``.

    Parameters
    ----------
    owner
        The new instance.
    kind
        Class of the fields.
    names
        Names of the fields, which contain text.
    """
    for name in names:
        object.__setattr__(owner, name, kind(getattr(owner, name)))

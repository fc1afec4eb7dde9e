"""Names that a what-if question mentions: found regardless of case, or with suggestions of what may be meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from optimizer.errors import ConfigError
from optimizer.model.caseless import Caseless

NAMES_LISTED = 10
"""Maximum number of existing names that a message lists."""


def resolve_names(kind: str, wanted: str, known: Sequence[str]) -> str:
    """Find the known name that is meant, regardless of case.

    Parameters
    ----------
    kind
        What has the name, such as ``vault``, for the message.
    wanted
        Name as it was written.
    known
        Names that exist.

    Raises
    ------
    ConfigError
        There is no such name; the message suggests similar names, or lists those that exist.
    """
    spelling = {Caseless(name): name for name in known}
    if Caseless(wanted) in spelling:
        return spelling[Caseless(wanted)]
    raise ConfigError(no_such_name(kind, wanted, known))


def no_such_name(kind: str, wanted: str, known: Sequence[str]) -> str:
    """Message that there is no such name, with similar names or some that exist.

    Parameters
    ----------
    kind, wanted, known
        See :func:`resolve_names`.
    """
    near = [name for name in known if Caseless(wanted).key in Caseless(name).key][:3]
    near = near or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _existing(kind, known)
    return f"there is no {kind} {wanted!r}; {hint}"


def _existing(kind: str, known: Sequence[str]) -> str:
    if not known:
        return f"there are no {kind}s"
    more = f" and {len(known) - NAMES_LISTED} more" if len(known) > NAMES_LISTED else ""
    return f"allowed: {', '.join(map(repr, known[:NAMES_LISTED]))}{more}"

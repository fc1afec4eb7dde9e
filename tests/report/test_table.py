"""Tables before they are laid out: what columns show, and how figures line up."""

from __future__ import annotations

from optimizer.report.table import Column, Table, count, figure, number, prose, text

VAULTS = (("west", 1200, 17.84, 0.29), ("east", 7, 0.0, 0.0))
Vault = tuple[str, int, float, float]
COLUMNS: tuple[Column[Vault], ...] = (
    text("vault", lambda vault: vault[0], share=1),
    count("VMs", lambda vault: vault[1]),
    figure("at risk", lambda vault: vault[2], scale="risk"),
    figure("then", lambda vault: vault[3], scale="risk"),
)


def test_columns_of_one_scale_have_the_same_decimals() -> None:
    """0.0 is not shown beside 0.00, because it would look like a change."""
    assert Table.of("Vaults", COLUMNS, VAULTS).cells == [("west", "1,200", "17.8", "0.3"), ("east", "7", "0.0", "0.0")]


def test_columns_of_their_own_have_their_own_decimals() -> None:
    """Without a scale, each column of figures is as exact as its largest value allows."""
    columns: tuple[Column[Vault], ...] = (
        figure("at risk", lambda vault: vault[2]),
        figure("then", lambda vault: vault[3]),
    )
    assert Table.of("Vaults", columns, VAULTS).cells == [("17.8", "0.29"), ("0.0", "0.00")]


def test_only_the_first_rows_are_formatted() -> None:
    """Rows that are left out count in the total, and their figures do not take decimals from the others."""
    table = Table.of("Vaults", COLUMNS, tuple(reversed(VAULTS)), most=1)
    assert table.cells == [("east", "7", "0.00", "0.00")]
    assert table.total == 2


def test_a_table_without_rows_has_no_cells() -> None:
    """The columns stay, so that the table can still be drawn."""
    table = Table.of("Vaults", COLUMNS, ())
    assert (table.cells, table.total, table.titles) == ([], 0, ("vault", "VMs", "at risk", "then"))


def test_the_layout_of_each_kind_of_column() -> None:
    """Numbers are on the right and never shortened; names have shares; sentences are wrapped."""
    kinds: dict[str, Column[str]] = {
        "text": text("t", str, share=2),
        "prose": prose("p", str, share=3),
        "number": number("n", str),
        "count": count("c", len),
        "figure": figure("f", len),
    }
    layout = {name: (column.right, column.share, column.prose) for name, column in kinds.items()}
    assert layout == {
        "text": (False, 2, False),
        "prose": (False, 3, True),
        "number": (True, 0, False),
        "count": (True, 0, False),
        "figure": (True, 0, False),
    }


def test_styles_follow_the_rows_that_are_shown() -> None:
    """A style is asked for each shown row."""
    table = Table.of("Vaults", COLUMNS, VAULTS, most=1, style=lambda vault: f"{vault[1]}")
    assert table.styles == ["1200"]

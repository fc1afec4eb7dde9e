"""Tables as HTML, for objects that show themselves in a notebook."""

from __future__ import annotations

from optimizer.model.html_table import html_table, html_view, name_of


def test_cells_are_text_and_numbers() -> None:
    """Numbers have separators and few decimals and stand on the right; names are never markup."""
    table = html_table(("name", "count", "share"), [("<b>", 1234, 0.125), ("x", None, 1234.56)])
    right = ' style="text-align: right"'
    assert f"<th>name</th><th{right}>count</th><th{right}>share</th>" in table
    assert f"<tr><td>&lt;b&gt;</td><td{right}>1,234</td><td{right}>0.12</td></tr>" in table
    assert f"<tr><td>x</td><td{right}></td><td{right}>1,234.6</td></tr>" in table
    assert html_table(("held",), [(True,)]).count("yes") == 1


def test_a_table_of_the_first_rows_says_so() -> None:
    """Whoever sees ten of thirty services knows that there are more."""
    assert "<p>The first 1 of 1,200.</p>" in html_table(("a",), [("x",)], total=1200)
    assert "The first" not in html_table(("a",), [("x",)], total=1)


def test_a_view_has_a_title_sentences_tables_and_folded_notes() -> None:
    """Text is escaped; what is empty is left out."""
    view = html_view("a & b", ["x < y"], "<table></table>", notes=["one", "two"])
    assert view.startswith("<div><strong>a &amp; b</strong><p>x &lt; y</p><table></table>")
    assert "<details><summary>Notes (2)</summary><ul><li>one</li><li>two</li></ul></details>" in view
    assert html_view("", []) == "<div></div>"


def test_names_of_arm_ids() -> None:
    """An ARM id is shown by its last part."""
    assert (name_of("/subscriptions/x/web-1"), name_of("web-1")) == ("web-1", "web-1")

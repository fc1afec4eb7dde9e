"""Sizes of the pictures that a browser draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LAYERS = 2
"""Number of canvases that Bokeh lays over each other in one picture."""

_SIZES = """
() => {
  const found = [];
  const visit = (node) => {
    if (node.tagName === "CANVAS" && node.width && node.height) {
      const { width, height } = node.getBoundingClientRect();
      if (width && height) found.push([width, height]);
    }
    if (node.shadowRoot) visit(node.shadowRoot);
    for (const child of node.children ?? []) visit(child);
  };
  visit(document.body);
  return found;
}
"""


def picture_sizes(browser: Browser, file: Path, pictures: int, width: int = 1000) -> list[tuple[float, float]]:
    """Width and height of every canvas of a page of the given width, once it has drawn a number of pictures."""
    page = browser.new_context(offline=True, viewport={"width": width, "height": 800}).new_page()
    page.goto(file.as_uri())
    page.wait_for_function(f"({_SIZES})().length >= {LAYERS * pictures}")
    page.wait_for_timeout(100)
    found = page.evaluate(_SIZES)
    page.context.close()
    return [(one[0], one[1]) for one in found]

"""What a person sees of a report in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.releases.reports import HOSTILE, facts, whole
from tests.releases.tab import Colour, Tab, new_tab
from watership.releases.reporting.forms.html import page
from watership.releases.reporting.report import ReportFacts
from watership.testing.servers import Chromium

BOXES = """[...document.querySelectorAll("svg")].map(each => {
  const box = each.getBoundingClientRect();
  return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height};
})"""
DEAD = """[...document.querySelectorAll("a")].map(each => each.getAttribute("href")).filter(
  each => each.startsWith("#") && !document.getElementById(each.slice(1)))"""

# By hue, in the light and in the dark: a line is smoothed at its edges, so that hardly a pixel has its very colour.
HUES: dict[str, Callable[[int, int, int], bool]] = {
    "blue": lambda red, green, blue: blue > red + 60 and blue > green + 40,
    "green": lambda red, green, blue: green > red + 50 and green > blue + 10,
}


@pytest.fixture(scope="module")
def tab(chromium: Chromium) -> Iterator[Tab]:
    with new_tab(chromium) as opened:
        yield opened


def shown(tab: Tab, folder: Path, report: ReportFacts) -> Tab:
    file = folder / "report.html"
    file.write_text(page(report))
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(file.as_uri())
    return tab


def of_hue(pixels: list[Colour]) -> dict[str, int]:
    """How many pixels have the hue of each place."""
    return {name: sum(has(*pixel) for pixel in pixels) for name, has in HUES.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_lines_of_both_charts_are_seen(tab: Tab, tmp_path: Path, scheme: str) -> None:
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    shown(tab, tmp_path, facts())
    boxes = tab.ask(BOXES)
    assert len(boxes) == 2
    for box in boxes:
        assert box["width"] > 300 and box["height"] > 80
        pixels = tab.picture(box)
        assert len(set(pixels)) > 20, "a picture without lines and words has few colours"
        assert all(seen > 200 for seen in of_hue(pixels).values()), of_hue(pixels)
    tab.call("Emulation.setEmulatedMedia", features=[])


def test_a_chart_without_data_has_no_line(tab: Tab, tmp_path: Path) -> None:
    blank = tuple(msgspec.structs.replace(each, error_rate=None, latency_p95=None) for each in facts().blue)
    shown(tab, tmp_path, msgspec.structs.replace(facts(), blue=blank, green=()))
    assert len(tab.ask(BOXES)) == 2
    for box in tab.ask(BOXES):
        assert of_hue(tab.picture(box)) == {"blue": 0, "green": 0}


def test_a_browser_finds_no_dead_link_asks_for_nothing_and_has_no_complaint(tab: Tab, tmp_path: Path) -> None:
    shown(tab, tmp_path, whole(HOSTILE + "x" * 500))
    assert tab.ask(DEAD) == []
    assert tab.requests == [(tmp_path / "report.html").as_uri()]
    assert tab.complaints == []
    assert tab.ask("document.scripts.length") == 0
    assert tab.ask("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"

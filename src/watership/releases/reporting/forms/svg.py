"""A chart as SVG: within the page, whose colours it takes, or alone, with colours of its own for paper."""

from __future__ import annotations

from watership.releases.reporting.chart import HEIGHT, WIDTH, Drawing
from watership.releases.reporting.forms.templates import template


def svg(drawing: Drawing, *, alone: bool = False) -> str:
    """The picture; every text of it is escaped."""
    return template("chart.svg.j2").render(drawing=drawing, alone=alone, width=WIDTH, height=HEIGHT)

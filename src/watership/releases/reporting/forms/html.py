"""A report as one page for a browser: self-contained, printable, without scripts."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from watership.releases.reporting.chart import Drawing
from watership.releases.reporting.forms.page import Block
from watership.releases.reporting.forms.svg import svg
from watership.releases.reporting.forms.telling import page_of
from watership.releases.reporting.forms.templates import template
from watership.releases.reporting.report import ReportFacts


def page(report: ReportFacts) -> str:
    """The report as one HTML document; every text of it is escaped."""
    return template("report.html.j2").render(page=page_of(report), svg=_inline, beside=beside, kind=_kind)


def _kind(block: Block) -> str:
    return str(block.__struct_config__.tag)


def beside(path: str) -> str:
    """A link to a file beside the page. Its name is only ever a path: `javascript:…` is a file of that name."""
    return f"./{quote(path)}"


def _inline(drawing: Drawing) -> Markup:
    # Its own template escaped it already.
    return Markup(svg(drawing))  # noqa: S704 - see above

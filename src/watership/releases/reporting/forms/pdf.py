"""A report as a PDF: the same page as data, set by Typst, which needs no other program and no network."""

from __future__ import annotations

from importlib import resources

import msgspec

from watership.errors import Unavailable
from watership.releases.reporting.forms.page import Block, Page, Picture
from watership.releases.reporting.forms.svg import svg
from watership.releases.reporting.forms.telling import page_of
from watership.releases.reporting.report import ReportFacts

LEGEND = "blue is solid, green is dashed; upright lines are steps of next's weight"


def document(report: ReportFacts) -> bytes:
    """The report as a PDF, the same bytes for the same facts. Raises Unavailable without the package that sets it."""
    try:
        import typst
    except ImportError as missing:
        raise Unavailable(
            "A report as PDF needs the package typst, which is not installed.",
            fix="pip install 'watership[report]', or choose another form: --to html",
        ) from missing
    source = (resources.files("watership.releases") / "templates" / "report.typ").read_bytes()
    data = _data(page_of(report)).decode()
    written = None if report.written_at is None else int(report.written_at.timestamp())
    return typst.compile(source, format="pdf", sys_inputs={"page": data}, timestamp=written)


def _data(page: Page) -> bytes:
    sections = [
        {"id": each.id, "title": each.title, "blocks": [_block(block) for block in each.blocks]}
        for each in page.sections
    ]
    return msgspec.json.encode(
        {"title": page.title, "outcome": page.outcome, "lead": page.lead, "sections": sections}
    )


def _block(block: Block) -> object:
    if not isinstance(block, Picture):
        return block
    chart = block.drawing.chart
    return {
        "block": "picture",
        "svg": svg(block.drawing, alone=True),
        "caption": f"{chart.title}, {chart.unit}; {LEGEND}",
    }

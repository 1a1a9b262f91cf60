"""The forms of a report: the same facts as a page, a text, a document for paper, and data."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from watership.releases.reporting.report import ReportFacts

Form = Literal["html", "md", "json", "pdf"]

FORMS: Final[tuple[Form, ...]] = ("html", "md", "json", "pdf")


def rendered(report: ReportFacts, form: Form) -> bytes:
    """A report in one of its forms. Raises Unavailable for a PDF where the package that sets it is missing."""
    from watership.releases.reporting.forms import html, markdown, pdf

    match form:
        case "html":
            return html.page(report).encode()
        case "md":
            return markdown.text(report).encode()
        case "pdf":
            return pdf.document(report)
        case "json":
            return msgspec.json.format(msgspec.json.encode(report)) + b"\n"

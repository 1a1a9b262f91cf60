"""A report as Markdown, for a ticket or a repository: the same sections, with every chart as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watership.releases.reporting.forms.html import beside
from watership.releases.reporting.forms.page import (
    Block,
    Cell,
    Figures,
    Heading,
    Line,
    Page,
    Paragraph,
    Picture,
    Table,
    Words,
)
from watership.releases.reporting.forms.telling import page_of
from watership.releases.reporting.report import ReportFacts

MARKUP = re.compile(r"([\\`*_\[\]<>|~&$])")
BEGINS = re.compile(r"^(\s*|\s*\d+(?=[.)](?:\s|$)))([#+\-=>.)])")
"""What makes a line a heading, a list or a quotation."""


def text(report: ReportFacts) -> str:
    """The report as Markdown; no text of it is markup."""
    return "\n\n".join(_page(page_of(report))) + "\n"


def _page(page: Page) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    yield f"**{_escaped(page.outcome.text)}**"
    for each in page.lead:
        yield _paragraph(each.line)
    for section in page.sections:
        yield f"## {section.title}"
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(line=line):
            yield _paragraph(line)
        case Heading(text=said):
            yield f"### {_escaped(said)}"
        case Figures(figures=figures):
            yield "\n".join(f"- {_escaped(each.name)}: {_escaped(each.value)}" for each in figures)
        case Table():
            yield from _table(block)
        case Picture():
            yield from _table(block.table)


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield _paragraph((Words(table.caption),))
    rows = [_row(_escaped(column.title) or " " for column in table.columns)]
    rows.append(_row("---:" if column.number else "---" for column in table.columns))
    rows += [_row(_cell(cell) for cell in row.cells) for row in table.rows]
    yield "\n".join(rows)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return "; ".join(said for line in cell if (said := _line(line)))


def _paragraph(line: Line) -> str:
    return BEGINS.sub(r"\1\\\2", _line(line)) or " "


def _line(line: Line) -> str:
    return "".join(_words(each) for each in line).strip()


def _words(words: Words) -> str:
    said = _escaped(words.text)
    if words.code and "`" not in words.text and "|" not in words.text and words.text.strip():
        said = f"`{' '.join(words.text.split())}`"
    return f"[{said}]({beside(words.file)})" if words.file else said


def _escaped(said: str) -> str:
    """Text on one line that Markdown takes for nothing but text."""
    return MARKUP.sub(r"\\\1", " ".join(said.splitlines()))

"""A page is what a report says before it has a form: sections of paragraphs, figures, tables and charts."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from watership.releases.reporting.chart import Drawing
from watership.releases.reporting.report import Figure

Tone = Literal["", "quiet", "failed", "inconclusive", "blue", "green", "rolled_back", "stopped"]


class Words(Struct, frozen=True):
    """Text, never markup. `to` is the id of something on the page, `file` a path beside the report."""

    text: str
    tone: Tone = ""
    code: bool = False
    to: str = ""
    file: str = ""


Line = tuple[Words, ...]
Cell = tuple[Line, ...]


class Paragraph(Struct, frozen=True, tag_field="block", tag="paragraph"):
    line: Line


class Heading(Struct, frozen=True, tag_field="block", tag="heading"):
    text: str
    id: str = ""


class Figures(Struct, frozen=True, tag_field="block", tag="figures"):
    figures: tuple[Figure, ...]


class Column(Struct, frozen=True):
    """`share` is its part of the width, where columns have shares; numbers stand to the right."""

    title: str
    number: bool = False
    share: int = 0


class Row(Struct, frozen=True):
    cells: tuple[Cell, ...]
    id: str = ""


class Table(Struct, frozen=True, tag_field="block", tag="table"):
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""


class Picture(Struct, frozen=True, tag_field="block", tag="picture"):
    """A chart, and the table of the same numbers."""

    drawing: Drawing
    table: Table


Block = Paragraph | Heading | Figures | Table | Picture


class Section(Struct, frozen=True):
    id: str
    title: str
    blocks: tuple[Block, ...]


class Page(Struct, frozen=True, kw_only=True):
    title: str
    outcome: Words
    lead: tuple[Paragraph, ...]
    sections: tuple[Section, ...]

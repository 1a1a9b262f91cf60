"""An outline is a Markdown document by its headings and, under each, by its lines in bold.

`**Timeline:**` begins a group; the lists and fences after it belong to it until the next bold line or heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

_BOLD = re.compile(r"\*\*(?P<label>.+?)\*\*\s*(?P<rest>.*)")
_BOX = re.compile(r"\[[ xX]*\]\s+")
_WORDS = re.compile(r"[^a-z0-9]+")


class Line(Struct, frozen=True):
    """Text with the line it stands on, counted from 1. `box` means that it can be ticked."""

    text: str
    number: int
    box: bool = False


class Fence(Struct, frozen=True):
    """A block of code or of text that is to be taken as it stands."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class Group(Struct, frozen=True, kw_only=True):
    """What stands under one bold line; under a heading, what stands before the first has the label ''."""

    label: str
    line: int
    rest: str = ""
    entries: tuple[Line, ...] = ()
    fences: tuple[Fence, ...] = ()
    prose: tuple[Line, ...] = ()


class Part(Struct, frozen=True, kw_only=True):
    """A heading and its groups, without the headings below it."""

    title: str
    level: int
    line: int
    groups: tuple[Group, ...]


class Outline(Struct, frozen=True):
    """The parts in the order of the document."""

    parts: tuple[Part, ...]

    def under(self, title: str) -> tuple[Part, ...]:
        """The part of this title and all below it; none where no heading reads so."""
        wanted = plain(title)
        for index, part in enumerate(self.parts):
            if plain(part.title) == wanted:
                return self.parts[index : self._end(index)]
        return ()

    def _end(self, begin: int) -> int:
        level = self.parts[begin].level
        below = range(begin + 1, len(self.parts))
        return next((each for each in below if self.parts[each].level <= level), len(self.parts))


def plain(title: str) -> str:
    """A title by its letters and digits alone: `Roles & Duties:` and `ROLES AND DUTIES` are the same."""
    return _WORDS.sub(" ", title.casefold().replace("&", " and ")).strip()


def outline(text: str) -> Outline:
    """The outline of a Markdown document."""
    draft = _Draft()
    # Inline markup is not read: the words are wanted as they were typed.
    tokens = MarkdownIt().disable("inline").parse(text)
    for index, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                draft.heading(tokens[index + 1].content, int(token.tag[1:]), _first_line(token))
            case "inline" if tokens[index - 1].type == "paragraph_open":
                draft.lines(_lines(token), entry=_listed(tokens, index))
            case "fence" | "code_block" if token.level == 0:
                first = _first_line(token) + (token.type == "fence")
                draft.fence(Fence(tuple(_numbered(token.content.splitlines(), first))))
    return Outline(tuple(draft.parts()))


class _Draft:
    """Parts and groups while they are read."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, int, int, list[_Open]]] = [("", 0, 1, [_Open("", 1, "")])]

    def heading(self, title: str, level: int, line: int) -> None:
        self._parts.append((title, level, line, [_Open("", line, "")]))

    def lines(self, lines: Sequence[Line], *, entry: bool) -> None:
        """A paragraph. A bold line begins a group, also where a missing blank line made it part of a list."""
        for index, line in enumerate(lines):
            if entry and index == 0:
                box = _BOX.match(line.text)
                text = line.text[box.end() :] if box else line.text
                self._open.entries.append(Line(text, line.number, bool(box)))
            elif bold := _BOLD.fullmatch(line.text):
                label = bold["label"].removesuffix(":")
                self._parts[-1][3].append(_Open(label, line.number, bold["rest"]))
            elif entry and self._open.entries:
                last = self._open.entries[-1]
                self._open.entries[-1] = Line(f"{last.text} {line.text}", last.number, last.box)
            else:
                self._open.prose.append(line)

    def fence(self, fence: Fence) -> None:
        self._open.fences.append(fence)

    @property
    def _open(self) -> _Open:
        return self._parts[-1][3][-1]

    def parts(self) -> Iterator[Part]:
        for title, level, line, groups in self._parts:
            yield Part(title=title, level=level, line=line, groups=tuple(each.closed() for each in groups))


class _Open:
    """A group while it is read."""

    def __init__(self, label: str, line: int, rest: str) -> None:
        self.label, self.line, self.rest = label, line, rest
        self.entries: list[Line] = []
        self.fences: list[Fence] = []
        self.prose: list[Line] = []

    def closed(self) -> Group:
        return Group(
            label=self.label,
            line=self.line,
            rest=self.rest,
            entries=tuple(self.entries),
            fences=tuple(self.fences),
            prose=tuple(self.prose),
        )


def _listed(tokens: Sequence[Token], index: int) -> bool:
    """Whether the paragraph of this inline token is the first of a list's item."""
    return index >= 2 and tokens[index - 2].type == "list_item_open"


def _lines(token: Token) -> list[Line]:
    return list(_numbered(token.content.splitlines(), _first_line(token)))


def _numbered(lines: Sequence[str], first: int) -> Iterator[Line]:
    return (Line(text, first + index) for index, text in enumerate(lines))


def _first_line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1

"""A message's Markdown, written the way each kind of receiver reads it: plain text, HTML, Slack's own marks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

SLACK_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Marks(Struct, frozen=True, kw_only=True):
    """How a medium writes what Markdown marks."""

    strong: str = ""
    emphasis: str = ""
    code: str = ""
    bullet: str = "- "
    heading: str = ""
    slack: bool = False

    def words(self, text: str) -> str:
        """Text that means nothing but itself there."""
        return "".join(SLACK_SPECIAL.get(letter, letter) for letter in text) if self.slack else text

    def link(self, text: str, url: str) -> str:
        if self.slack:
            return f"<{url}|{text}>"
        return text if text == url else f"{text} ({url})"


PLAIN = Marks()
SLACK = Marks(strong="*", emphasis="_", code="`", bullet="• ", heading="*", slack=True)


@cache
def _reader() -> MarkdownIt:
    """CommonMark without raw HTML, so that nothing that is inserted becomes a tag."""
    return MarkdownIt("commonmark", {"html": False})


def html(text: str) -> str:
    """A page's body."""
    made: str = _reader().render(text)
    return made


def plain(text: str) -> str:
    return _written(text, PLAIN)


def slack(text: str) -> str:
    return _written(text, SLACK)


def _written(text: str, marks: Marks) -> str:
    lines: list[str] = []
    depth, bullet, heading = 0, "", False
    numbers: list[int] = []
    for token in _reader().parse(text):
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
                numbers.append(0 if token.type.startswith("bullet") else 1)
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
                numbers.pop()
                lines += [""] if depth == 0 else []
            case "list_item_open":
                indent = "  " * (depth - 1)
                bullet = indent + (f"{numbers[-1]}. " if numbers[-1] else marks.bullet)
                numbers[-1] += 1 if numbers[-1] else 0
            case "heading_open":
                heading = True
            case "heading_close":
                heading = False
            case "inline":
                words = _inline(token.children or [], marks)
                words = f"{marks.heading}{words}{marks.heading}" if heading else words
                lines += [f"{bullet}{words}"] + ([] if depth else [""])
                bullet = ""
            case "fence" | "code_block":
                lines += [marks.words(line) for line in token.content.rstrip("\n").split("\n")] + [""]
            case "hr":
                lines += ["---", ""]
    return "\n".join(lines).strip() + "\n"


def _inline(tokens: Sequence[Token], marks: Marks) -> str:
    words, links = "", [("", 0)]
    for token in tokens:
        match token.type:
            case "text":
                words += marks.words(token.content)
            case "code_inline":
                words += f"{marks.code}{marks.words(token.content)}{marks.code}"
            case "softbreak" | "hardbreak":
                words += "\n"
            case "strong_open" | "strong_close":
                words += marks.strong
            case "em_open" | "em_close":
                words += marks.emphasis
            case "link_open":
                links.append((str(token.attrs.get("href", "")), len(words)))
            case "link_close":
                url, start = links.pop()
                words = words[:start] + marks.link(words[start:], url)
    return words

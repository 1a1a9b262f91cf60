"""The page as its readers see it: chapters of numbered statements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
PERCENTAGE = re.compile(r"\d[\d,]*(?:\.\d+)? %")
VALUE = re.compile(r"\d[\d,]*(?:\.\d+)? (?:%|\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """The `number`-th statement of the page, standing on `line` of its text."""

    number: int
    line: int
    chapter: str
    text: str


@cache
def statements() -> tuple[Statement, ...]:
    return tuple(_read(resources.files("watership.demo").joinpath("texts/go-live.md").read_text("utf-8")))


def _read(text: str) -> Iterator[Statement]:
    chapter, number = "", 0
    for line, words in enumerate(text.splitlines(), start=1):
        if words.startswith("## "):
            chapter = words.removeprefix("## ")
        elif words.startswith("- "):
            number += 1
            yield Statement(number, line, chapter, words.removeprefix("- "))


def chapters() -> list[str]:
    return list(dict.fromkeys(each.chapter for each in statements()))


def of(chapter: str) -> list[Statement]:
    return [each for each in statements() if each.chapter == chapter]


def lines_with(word: str, within: list[str]) -> list[int]:
    """The lines of some chapters on which a word stands, spelt just so."""
    return [each.line for each in statements() if each.chapter in within and word in each.text]


def count(kind: str, chapter: str) -> int:
    """How many numbers, or percentages, a chapter states."""
    pattern = PERCENTAGE if kind == "percentages" else NUMBER
    return sum(len(pattern.findall(each.text)) for each in of(chapter))


def stated(subject: str) -> list[tuple[int, str]]:
    """The line of each statement about a subject, and the first value that it gives."""
    return [
        (each.line, found[0])
        for each in statements()
        if subject in each.text and (found := VALUE.search(each.text))
    ]


def summary(chapter: str) -> tuple[int, int, str]:
    """How many statements a chapter makes, the line of the longest one, and a digest of its text."""
    there = of(chapter)
    longest = max(there, key=lambda each: (len(each.text), -each.line))
    text = "\n".join(each.text for each in there)
    return len(there), longest.line, hashlib.sha256(text.encode()).hexdigest()[:16]

"""What every answer of the demo's builds must be, worked out by other means than theirs.

Plain loops over the page's raw lines; none of the builds' code is used, so that a fault there cannot hide here.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

VERSIONS = ("2.0.5", "2.1.0", "2.2.0")


@cache
def _page() -> list[str]:
    return resources.files("watership.demo").joinpath("texts/go-live.md").read_text("utf-8").split("\n")


@cache
def _chapters() -> dict[str, list[tuple[int, str]]]:
    """Chapter → (line, statement) in the order of the page."""
    chapters: dict[str, list[tuple[int, str]]] = {}
    title = ""
    for index, line in enumerate(_page()):
        if line[:3] == "## ":
            title = line[3:]
            chapters[title] = []
        elif line[:2] == "- ":
            chapters[title].append((index + 1, line[2:]))
    return chapters


@cache
def facts() -> tuple[tuple[int, str, str], ...]:
    """(line, chapter, text) of every statement; the first one is number 1."""
    return tuple(
        (line, title, text) for title, statements in _chapters().items() for line, text in statements
    )


def fact(version: str, number: int) -> dict[str, Any]:
    """What GET /facts/{number} answers."""
    line, chapter, text = facts()[number - 1]
    answer: dict[str, Any] = {
        "version": version,
        "n": number,
        "line": line,
        "chapter": chapter,
        "text": text,
    }
    if version != "2.0.5":
        answer["words"] = text.count(" ") + 1
    if version == "2.2.0":
        answer["measure"] = _measure(text)
    return answer


def _measure(text: str) -> dict[str, Any] | None:
    """Where 2.2.0 can answer at all, which it cannot for fractions."""
    value = _first_value(text)
    if value is None:
        return None
    number, unit = value.split(" ")
    known = {
        "%": "percent",
        "hours": "h",
        "minutes": "min",
        "seconds": "s",
        "milliseconds": "ms",
        "times": "x",
    }
    return {"value": round(float(number.replace(",", ""))), "unit": known.get(unit, unit)}


def result(version: str, agent: str, given: Mapping[str, Any], *, granted: bool = True) -> Any:
    """What a run of `agent` ends with."""
    match agent:
        case "find":
            return _find(version, given["word"])
        case "count":
            return _count(version, given["kind"])
        case "cross_check":
            return _cross_check(version, given["subject"])
        case "digest":
            return _digest(version, given["chapter"])
        case "register":
            return _register(version, given["word"])
        case "review":
            return _review(version, given["prompt"], granted=granted)
        case _:
            raise ValueError(f"nothing is expected of {agent}")


def _find(version: str, word: str) -> dict[str, Any]:
    lines = _lines(version, word)
    found = {"version": version, "word": word, "lines": lines}
    return found if version == "2.0.5" else {**found, "chapters": _titles(lines)}


def _lines(version: str, word: str) -> list[int]:
    lines = []
    for line, _, text in facts():
        there = word in text if version == "2.0.5" else word.lower() in text.lower()
        if there:
            lines.append(line)
    return lines


def _titles(lines: list[int]) -> list[str]:
    titles: list[str] = []
    for line, title, _ in facts():
        if line in lines and title not in titles:
            titles.append(title)
    return titles


def _count(version: str, kind: str) -> dict[str, Any]:
    counts = {
        title: sum(_numbers(text, percentages=kind == "percentages") for _, text in statements)
        for title, statements in _chapters().items()
    }
    counted = {"version": version, "kind": kind, "chapters": counts, "total": sum(counts.values())}
    if version == "2.0.5":
        return counted
    most = next(title for title, number in counts.items() if number == max(counts.values()))
    return {**counted, "most": most}


def _numbers(text: str, *, percentages: bool) -> int:
    """Numbers are read letter by letter: digits, with commas and at most one point inside."""
    count, position = 0, 0
    while position < len(text):
        if text[position] not in string.digits:
            position += 1
            continue
        position = _end(text, position)
        if not percentages or text[position : position + 2] == " %":
            count += 1
    return count


def _end(text: str, position: int) -> int:
    """Where the number that begins at `position` ends."""
    while position < len(text) and text[position] in string.digits + ",":
        position += 1
    if text[position : position + 1] == "." and text[position + 1 : position + 2].isdigit():
        position += 1
        while position < len(text) and text[position] in string.digits:
            position += 1
    return position


def _first_value(text: str) -> str | None:
    """The first number that a percent sign or a word follows, with it."""
    position = 0
    while position < len(text):
        if text[position] in string.digits:
            end = _end(text, position)
            rest = text[end + 1 :]
            if text[end : end + 1] == " " and rest and (rest[0] == "%" or rest[0].isalnum()):
                return f"{text[position:end]} {_word(rest)}"
            position = end
        else:
            position += 1
    return None


def _word(rest: str) -> str:
    if rest[0] == "%":
        return "%"
    word = ""
    for letter in rest:
        if not (letter.isalnum() or letter == "_"):
            break
        word += letter
    return word


def _cross_check(version: str, subject: str) -> dict[str, Any]:
    values = [
        value for _, _, text in facts() if subject in text and (value := _first_value(text)) is not None
    ]
    agree = all(value == values[0] for value in values)
    return {"version": version, "subject": subject, "values": values, "agree": agree}


def _digest(version: str, chapter: str) -> dict[str, Any]:
    statements = _chapters()[chapter]
    longest = statements[0]
    for each in statements:
        if len(each[1]) > len(longest[1]):
            longest = each
    whole = hashlib.sha256("\n".join(text for _, text in statements).encode())
    return {
        "version": version,
        "chapter": chapter,
        "statements": len(statements),
        "longest": longest[0],
        "text": whole.hexdigest()[:16],
        "unchanged": True,
    }


def _register(version: str, word: str) -> dict[str, Any]:
    lines = _lines(version, word)
    kept: dict[str, Any] = {"version": version, "word": word, "recorded": len(lines)}
    if version != "2.0.5":
        kept["chapters"] = len(_titles(lines))
    if version == "2.2.0":
        kept["share"] = round(len(lines) / len(facts()), 4)
    return kept


def _review(version: str, prompt: str, *, granted: bool) -> str:
    word = prompt.removeprefix("review ")
    lines = len(_lines(version, word))
    percentages = _count(version, "percentages")["chapters"]["Cutover"]
    verdict = "approved" if granted else "sent back"
    said = f"{version}: '{word}' stands on {lines} lines; the cutover states {percentages} percentages"
    return f"{said}; {verdict}: compared with the page."

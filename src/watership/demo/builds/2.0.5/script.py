"""What the reviewer's model says: a script, so that the demo needs no network and costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from watership.testing.scripted import Calls, prompt, results, scripted

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

VERSION = "2.0.5"
CHAPTER = "Cutover"


def _look(messages: Sequence[ModelMessage]) -> Calls:
    """First both tools at once."""
    word = prompt(messages).removeprefix("review ")
    return [("find_word", {"word": word}), ("count_percentages", {"chapter": CHAPTER})]


def _finding(messages: Sequence[ModelMessage]) -> str:
    word = prompt(messages).removeprefix("review ")
    (lines,), (percentages,) = results(messages, "find_word"), results(messages, "count_percentages")
    return f"'{word}' stands on {len(lines)} lines; the cutover states {percentages} percentages"


def _ask(messages: Sequence[ModelMessage]) -> Calls:
    """Then a person, before anything is concluded."""
    return [("ask_approval", {"question": "Is this finding right?", "details": _finding(messages)})]


def _conclude(messages: Sequence[ModelMessage]) -> str:
    (answer,) = results(messages, "ask_approval")
    verdict = "approved" if answer["granted"] else "sent back"
    return f"{VERSION}: {_finding(messages)}; {verdict}: {answer['note']}."


reviewer = scripted([_look, _ask, _conclude])

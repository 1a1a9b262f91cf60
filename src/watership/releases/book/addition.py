"""An addition is a point with a check of its own: its function, its test, and one line in the checklist's file.

Everything else in that file stays as it was, down to the comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import yaml
from msgspec import Struct

from watership.errors import BadInput, Conflict, NotFound
from watership.releases.book.code import FOLDER
from watership.releases.book.shelf import Source
from watership.releases.readiness.checklist import ChecklistItem, Section

NAME: Final = re.compile(r"[a-z]+([.-][a-z]+)*")
"""Of what is to be added, before it is a kind."""

FUNCTION: Final = '''\
"""{title}: what has to be so, and why."""

from __future__ import annotations

from watership.releases.checks import Finding, Scene, check, inconclusive


@check("{kind}", good_for="4h", fix="Say here what mends it.")
async def {function}(scene: Scene) -> Finding:
    """Say here, in a sentence, when it passes."""
    # Look at a system of systems.yaml: answer = await scene.json("search", "/_cluster/health")
    # Then return passed(words) or failed(words), which stand beside inconclusive, with what was found. To raise is to
    # be inconclusive. What a runbook may say is a parameter with its type: (scene: Scene, *, below: float = 0.8).
    return inconclusive("Nobody has written this check yet.")
'''

TEST: Final = '''\
"""{title}: what passes, what fails, and what cannot be known."""

from __future__ import annotations

from pathlib import Path

from watership.testing.checks import measured, scene

RUNBOOK = Path(__file__).parents[1]


def test_nothing_is_known_until_the_check_is_written(tmp_path: Path) -> None:
    got = measured(RUNBOOK, "{kind}", scene(tmp_path))
    assert got.verdict.value == "inconclusive", got.evidence
    # Then three tests: one in which it passes, one in which it fails, one in which nobody answers.
    # watership.testing.standin.StandIn answers HTTP as you tell it to: scene(tmp_path, search=standin.url)
'''


class Addition(Struct, frozen=True, kw_only=True):
    """What is written: new files, and a new text of the file that holds the item; by path within the folder."""

    kind: str
    point: str
    function: str
    test: str
    checklist: str
    texts: dict[str, str]


def kind_of(name: str) -> str:
    """The kind of check that a name means: redis-memory-limit is redis.memory_limit. Raises BadInput."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"A check cannot be named {name!r}.", fix="Use small letters, with dashes or dots: redis-memory."
        )
    return (name if "." in name else name.replace("-", ".", 1)).replace("-", "_")


def added(source: Source, name: str, *, section: str, item: str, text: str = "") -> Addition:
    """A point with a check of that name, in an item of a section. Raises NotFound, Conflict, BadInput."""
    kind = kind_of(name)
    home = _item(source, section, item)
    point = re.sub(r"[._]", "-", kind)
    if point in {each.id for each in home.points}:
        raise Conflict(
            f"The item '{home.id}' has a point '{point}' already.", fix="Name the check otherwise."
        )
    stem = kind.replace(".", "_")
    title = stem.replace("_", " ").capitalize()
    # A string of JSON is one of YAML too.
    line = f"{{ id: {point}, text: {json.dumps(text or title, ensure_ascii=False)}, check: {kind} }}"
    path, whole = _lengthened(source, section, home.id, line)
    function, test = f"{FOLDER}/{stem}.py", f"tests/test_{stem}.py"
    return Addition(
        kind=kind,
        point=f"{home.id}/{point}",
        function=function,
        test=test,
        checklist=path,
        texts={
            function: FUNCTION.format(title=title, kind=kind, function=stem),
            test: TEST.format(title=title, kind=kind),
            path: whole,
        },
    )


def _item(source: Source, letter: str, word: str) -> ChecklistItem:
    section = next((each for each in source.runbook.checklist if each.section == letter), None)
    if section is None:
        there = ", ".join(each.section for each in source.runbook.checklist) or "none"
        raise NotFound(f"The checklist has no section '{letter}'.", fix=f"It has: {there}.")
    return _named(section, word)


def _named(section: Section, word: str) -> ChecklistItem:
    for item in section.items:
        if word in (item.id, str(item.number)):
            return item
    there = ", ".join(item.id for item in section.items)
    raise NotFound(f"Section {section.section} has no item '{word}'.", fix=f"It has: {there}.")


def _lengthened(source: Source, letter: str, item: str, line: str) -> tuple[str, str]:
    """The file in which an item stands, and its text with one more point."""
    for path, content in source.files.items():
        if not path.endswith((".md", ".py")):
            text = content.decode()
            for points in _points(yaml.compose(text, Loader=yaml.SafeLoader), letter, item):
                return path, _inserted(text, points, line)
    raise BadInput(f"The item '{item}' is not written where it could be lengthened.")


def _points(root: yaml.Node | None, letter: str, item: str) -> Iterator[yaml.SequenceNode]:
    """The list of an item's points, in a file of a section or in the runbook's own."""
    sections = [root, *_items(_of(root, "checklist"))]
    for section in sections:
        if _says(_of(section, "section"), letter):
            for each in _items(_of(section, "items")):
                points = _of(each, "points")
                if _says(_of(each, "id"), item) and isinstance(points, yaml.SequenceNode):
                    yield points


def _of(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _says(node: yaml.Node | None, word: str) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == word


def _inserted(text: str, points: yaml.SequenceNode, line: str) -> str:
    if points.flow_style:
        at = points.value[-1].end_mark.index
        return f"{text[:at]}, {line}{text[at:]}"
    last = _last(points.value[-1]).end_mark
    # After the whole line, with whatever remark stands there; a text of several lines ends where the next begins.
    end = text.find("\n", last.index) + 1 if last.column else last.index
    before = text[:end] if end else f"{text}\n"
    return f"{before}{' ' * points.start_mark.column}- {line}\n{text[len(before) :]}"


def _last(node: yaml.Node) -> yaml.Node:
    """The last thing that is written of a node: a block of YAML ends only where the next one begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last(last[1] if isinstance(node, yaml.MappingNode) else last)
    return node

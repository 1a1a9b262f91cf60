"""A place is where in a runbook's files something stands, so that a remark can name the line."""

from __future__ import annotations

from msgspec import Struct

from watership.releases.book.document import Keyed, Listed, Node, Scalar, tree
from watership.releases.book.shelf import Source

Step = str | int


class Place(Struct, frozen=True):
    """A file and a line of it, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Places:
    """Finds the place of a part of a runbook by its path: `("phases", 2, "items", 0, "at")`."""

    def __init__(self, source: Source) -> None:
        # Templates are words, and checks are Python; only the rest is YAML.
        documents = {name: text for name, text in source.files.items() if not name.endswith((".md", ".py"))}
        roots = {name: tree(content, source=name) for name, content in documents.items()}
        self._book, *included = roots
        self._roots = roots
        self._homes: dict[str, str] = {}
        self._comms = ""
        sections = _count(_child(roots[self._book], "checklist"))
        self._sections: list[tuple[str, tuple[Step, ...]]] = [
            (self._book, ("checklist", index)) for index in range(sections)
        ]
        for name in included:
            root = roots[name]
            if isinstance(root, Keyed) and "section" in root.items:
                self._sections.append((name, ()))
            elif isinstance(root, Keyed) and "channels" in root.items:
                self._comms = name
            elif isinstance(root, Keyed):
                self._homes |= dict.fromkeys(root.items, name)

    def of(self, *path: Step) -> Place:
        """The place of what the path leads to, or of the last part on the way that is written down."""
        file, line, _, _ = self._found(path)
        return Place(file, line)

    def text(self, *path: Step) -> str | None:
        """The single value that the path leads to, as it is written down."""
        _, _, node, whole = self._found(path)
        return node.text if whole and isinstance(node, Scalar) else None

    def _found(self, path: tuple[Step, ...]) -> tuple[str, int, Node, bool]:
        """The file, the line and the node of the last part of a path that is there, and whether that is all of it."""
        file, rest = self._home(path)
        node, line = self._roots[file], 1
        for step in rest:
            if isinstance(node, Keyed) and isinstance(step, str) and step in node.items:
                # A key's own line: its value may begin further down.
                line, node = node.key_lines[step], node.items[step]
            elif isinstance(node, Listed) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                return file, line, node, False
        return file, line, node, True

    def _home(self, path: tuple[Step, ...]) -> tuple[str, tuple[Step, ...]]:
        match path:
            case ("checklist", int(index), *rest) if index < len(self._sections):
                file, before = self._sections[index]
                return file, (*before, *rest)
            case ("comms", *rest) if self._comms:
                return self._comms, tuple(rest)
            case (str(first), *_) if first in self._homes and first not in ("schema", "name", "title"):
                return self._homes[first], path
            case _:
                return self._book, path


def _child(node: Node, key: str) -> Node | None:
    return node.items.get(key) if isinstance(node, Keyed) else None


def _count(node: Node | None) -> int:
    match node:
        case Listed(items=items):
            return len(items)
        case None | Keyed() | Scalar():
            return 0

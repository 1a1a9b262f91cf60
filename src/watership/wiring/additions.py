"""A check of one's own is begun: its files are written where they belong, if the runbook can be read with them."""

from __future__ import annotations

from pathlib import Path

from watership.adapters.files.replace import replace_file
from watership.errors import Conflict
from watership.releases.book.addition import Addition, added, kind_of
from watership.releases.book.shelf import read
from watership.wiring.kinds import of_source


def begun(folder: Path, name: str, *, section: str, item: str, text: str = "") -> Addition:
    """Write a check's function, its test and its point into a runbook's folder; the point last of all.

    Raises Conflict for what is there already, NotFound, BadInput, DocumentError.
    """
    source = read(folder)
    if (kind := kind_of(name)) in of_source(source):
        raise Conflict(f"There is a check {kind} already.", fix=f"watership check explain {kind}")
    made = added(source, name, section=section, item=item, text=text)
    if there := next((path for path in (made.function, made.test) if (folder / path).exists()), None):
        raise Conflict(f"{folder / there} is there already.", fix="Name the check otherwise.")
    contents = {path: words.encode() for path, words in made.texts.items()}
    of_source(read(folder, instead=contents))  # nothing is written that would not be read again
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        replace_file(folder / path, content)
    return made

"""What is staged lies ready for next: variables of its environment, with values, and secrets by reference."""

from __future__ import annotations

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.documents import PLACEHOLDER, marks
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.variables import assignments
from watership.releases.measurement import Finding, failed, found

UNFILLED = ("changeme", "change_me", "<", "${", "example.com")
"""What a value begins with, or holds, that nobody has filled in."""


@check("staged.variables", good_for="24h", fix="Fill in the variables, and stage the file again.")
async def variables(scene: Scene, *, path: str, names: str) -> Finding:
    """The file at `path`, of lines NAME=value, has each of `names` (commas between) once, with a value that somebody
    filled in."""
    wanted = listed(names)
    if not wanted:
        raise BadInput("No variable is named.")
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    pairs = assignments(document.content.decode(errors="replace"))
    wrong = []
    for name in wanted:
        values = [value for key, value in pairs if key == name]
        if len(values) != 1:
            wrong.append(f"{name} stands there {len(values)} times" if values else f"{name} is missing")
        elif not values[0]:
            wrong.append(f"{name} is empty")
        elif PLACEHOLDER.search(values[0]) or any(each in values[0].casefold() for each in UNFILLED):
            wrong.append(f"{name} is not filled in")
    return found(
        not wrong, f"{path}: {'; '.join(wrong) or f'{len(wanted)} variables are staged'}.", **marks(document)
    )

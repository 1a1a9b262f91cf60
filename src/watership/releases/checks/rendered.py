"""What people hold in their hands was made of the runbook that was planned: printed from another, it misleads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from watership.errors import BadInput
from watership.releases.book.shelf import Source, find
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, inconclusive, passed

OWN: Final = "runbooks"
"""The folder of a project's own runbooks, each in a folder of its name."""


@check("runbook.rendered", good_for="48h", fix="watership runbook render --to checklist|cutover > FILE")
async def rendered(scene: Scene, *, path: str, form: str, runbook: str = "") -> Finding:
    """The file at `path` is, to the byte, what the planned runbook renders as `form` (md, checklist, cutover).

    `runbook`: its folder; unless given, what is planned is looked for in runbooks/NAME, then among those shipped.
    """
    # Papers tell of every check, so that they cannot be imported before all of them are.
    from watership.releases.book.paper import PAPERS

    if form not in PAPERS:
        raise BadInput(f"A runbook is not rendered as '{form}'.", fix=f"Say one of: {', '.join(PAPERS)}.")
    source = _planned(scene, runbook)
    if source is None:
        return inconclusive(
            f"The runbook {runbook or scene.plan.runbook} here is not the one that was planned."
        )
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    wanted = PAPERS[form](source).splitlines()
    there = document.content.decode(errors="replace").splitlines()
    if there != wanted:
        pairs = enumerate(zip(there, wanted, strict=False), 1)
        line = next(
            (number for number, (ours, theirs) in pairs if ours != theirs), min(len(there), len(wanted)) + 1
        )
        return failed(f"{path} is not what the runbook says, from line {line} on.")
    return passed(f"{path} is what the planned runbook renders, {len(wanted)} lines.", **marks(document))


def _planned(scene: Scene, runbook: str) -> Source | None:
    """The runbook whose bytes are those that were planned; None where it is not here."""
    name = scene.plan.runbook
    own = f"{OWN}/{name}"
    there = [runbook] if runbook else [own, name] if Path(own).exists() else [name]
    sources = (find(each) for each in there)
    return next((each for each in sources if each.sha256 == scene.plan.runbook_sha256), None)

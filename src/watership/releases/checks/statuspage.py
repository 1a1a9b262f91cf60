"""The status page shows how things are to everybody, and may be written by us."""

from __future__ import annotations

from msgspec import Struct, field

from watership.releases.book.quantity import listed
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding


class _Component(Struct):
    name: str
    status: str


class _Page(Struct):
    name: str


class _Status(Struct):
    indicator: str
    description: str = ""


class _Summary(Struct):
    page: _Page
    status: _Status
    components: list[_Component] = field(default_factory=list)


@check(
    "statuspage.managed",
    adapted=True,
    good_for="24h",
    fix="Make the component, and a key that may manage the page.",
)
async def managed(scene: Scene, *, of: str, components: str) -> Finding:
    """The API lets us in to the page (fact `page`), and it has each of `components` (names, commas between)."""
    path = f"/v1/pages/{scene.fact(of, 'page')}/components"
    there = {each.name for each in shaped(of, await scene.json(of, path), list[_Component])}
    wrong = [f"the page has no component '{name}'" for name in listed(components) if name not in there]
    return judged(wrong, f"The page is ours to manage, with {components}.", components=len(there))


@check(
    "statuspage.shows",
    adapted=True,
    good_for="4h",
    fix="Resolve what stands on the page, or wait until it is.",
)
async def shows(scene: Scene, *, of: str) -> Finding:
    """The public page answers, and says that all of its components are operational."""
    told = shaped(of, await scene.json(of, "/api/v2/summary.json"), _Summary)
    wrong = [] if told.status.indicator == "none" else [f"the page says: {told.status.description}"]
    wrong += [f"{each.name} is {each.status}" for each in told.components if each.status != "operational"]
    wrong += [] if told.components else ["the page has no component"]
    return judged(wrong, f"{told.page.name}: {told.status.description}.", components=len(told.components))

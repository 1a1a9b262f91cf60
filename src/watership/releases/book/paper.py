"""Paper is what people read and print of a runbook: made from its files, so that the two cannot drift apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from watership.errors import BadInput
from watership.releases.book.procedure import FAILURES, holders, procedure, schedule, watched, window
from watership.releases.book.quantity import spoken, written
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.releases.judging.gate import guarantee
from watership.releases.readiness.checklist import items_of, points_of

URGENCIES: Final = (
    ("roll_back", "Critical (taken back at once, by itself)"),
    ("page", "High (people are paged, and offered a rollback)"),
    ("investigate", "Medium (to be investigated)"),
)
POWERS: Final = {
    "roll_back_on_criteria": "On the criteria",
    "roll_back_by_decision": "By decision",
}
MAY: Final = {
    "go_no_go": "decide GO or NO-GO",
    "waive": "waive points of the checklist",
    "roll_back_on_criteria": "order a rollback on the criteria",
    "roll_back_by_decision": "order a rollback by decision",
}


def document(source: Source) -> str:
    """The whole runbook for people, in Markdown; `runbook import` reads it again."""
    book = source.runbook
    points = [point for _, point in points_of(book.checklist)]
    return _rendered(
        "runbook.md.j2",
        source,
        failures=FAILURES,
        gate=guarantee(book.gate),
        watch=watched(book),
        schedule=schedule(source),
        urgencies=URGENCIES,
        powers=POWERS,
        may=MAY,
        items=sum(1 for _ in items_of(book.checklist)),
        points=len(points),
        measured=sum(point.check is not None for point in points),
        attested=sum(point.check is None for point in points),
    )


def checklist(source: Source) -> str:
    """The checklist to print: boxes, owners, when they are due, who signs; in Markdown. Raises BadInput without one."""
    if not source.runbook.checklist:
        raise BadInput(f"The runbook {source.runbook.name} has no checklist.", fix="Include its files.")
    return _rendered("checklist.md.j2", source)


def cutover(source: Source) -> str:
    """The procedures of the cutover and of the way back, in Markdown. Raises BadInput where nothing is shifted."""
    found = procedure(source)
    if found is None:
        raise BadInput(
            f"The runbook {source.runbook.name} shifts no traffic.", fix="Add an item 'do: shift'."
        )
    return _rendered("cutover.md.j2", source, cut=found)


PAPERS: Final[dict[str, Callable[[Source], str]]] = {
    "md": document,
    "checklist": checklist,
    "cutover": cutover,
}
"""What can be made of a runbook, in Markdown."""


def page(markdown: str) -> str:
    """Markdown as one self-contained HTML page, to read and to print. Markup in the runbook's own texts is escaped."""
    title = markdown.partition("\n")[0].removeprefix("# ")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown.replace("[ ]", "☐"))
    body = body.replace("<li>☐", '<li class="box">☐')
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    # Markdown's renderer has escaped it.
    return _PAGES.get_template("page.html.j2").render(title=title, body=Markup(body))  # noqa: S704


def _rendered(template: str, source: Source, **more: object) -> str:
    text = _TEXTS.get_template(template).render(book=source.runbook, sha256=source.sha256, **more)
    return f"{text.strip()}\n"


def _seat(name: str, book: Runbook) -> str:
    """The title of a role, an authority, a contact or an approval."""
    titles = {contact.seat: contact.title for contact in book.contacts}
    titles |= dict(book.signoffs.titles)
    titles |= {each.id: each.title for each in book.authorities} | {
        role.id: role.title for role in book.roles
    }
    return titles.get(name, name.replace("_", " "))


def _contact(seat: str, book: Runbook) -> str:
    """The title of who is called."""
    return next((each.title for each in book.contacts if each.seat == seat), seat)


def _cell(text: str) -> str:
    """Text that stays in its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _environment(*, escapes: bool) -> Environment:
    return Environment(
        loader=PackageLoader("watership.releases", "templates"),
        autoescape=escapes,  # noqa: S701 - Markdown is text; what makes a page of it escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_PAGES: Final = _environment(escapes=True)
_TEXTS: Final = _environment(escapes=False)
_TEXTS.filters.update(
    seat=_seat,
    cell=_cell,
    contact=_contact,
    spoken=spoken,
    window=window,
    holders=lambda power, book: holders(book, power),
    offset=lambda seconds: written("offset", seconds),
    duration=lambda seconds: written("duration", seconds),
)

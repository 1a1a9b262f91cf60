"""The release's ticket in Jira tells who approved and who decided; what is known to be wrong stands in the notes."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from watership.errors import Unavailable
from watership.releases.checks.decisions import decided, signoffs
from watership.releases.checks.documents import section_of
from watership.releases.checks.faults import judged
from watership.releases.checks.jira import MOST, SEARCH
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found, inconclusive
from watership.releases.readiness.signoff import missing

TELL: Final = "watership notify send approvals"


class _Comment(Struct):
    body: Any = None
    """Text (REST v2), or a document (v3)."""


class _Comments(Struct):
    comments: list[_Comment]


class _Issue(Struct):
    key: str


class _Issues(Struct):
    issues: list[_Issue] = field(default_factory=list)
    isLast: bool = True  # noqa: N815 - as Jira spells it


@check("jira.approvals", adapted=True, good_for="10m", fix=TELL)  # soon asked again: others approve meanwhile
async def approvals(scene: Scene, *, of: str) -> Finding:
    """A comment of the release's ticket (fact `ticket`) names each role that has approved, with its person. Whether all
    have is another question."""
    plan = scene.plan
    lacking = {each.role for each in missing(plan, await signoffs(scene), scene.now())}
    given = [each for each in await signoffs(scene) if each.role not in lacking]
    if not given:
        return inconclusive("No approval is given: there is nothing to document.")
    comments = await _comments(scene, of)
    wrong = [
        f"the approval of {each.person} as {each.role} does not stand there"
        for each in given
        if not any(each.person in text and _named(scene, each.role, text) for text in comments)
    ]
    return judged(wrong, f"{scene.fact(of, 'ticket')} names {len(given)} approvals.", approvals=len(given))


@check("jira.decision", adapted=True, good_for="24h", fix="Comment the ticket: GO by NAME, and when.")
async def decision(scene: Scene, *, of: str) -> Finding:
    """A comment of the release's ticket says GO, of this version, by who decided."""
    last, version = await decided(scene), scene.plan.next.build.version
    if last is None:
        return inconclusive("Nobody has decided: there is nothing to file.")
    word = re.compile(r"(?<![\w-])GO\b" if last.decision == "go" else r"\bNO-GO\b")
    there = [
        text
        for text in await _comments(scene, of)
        if word.search(text) and last.person in text and version in text
    ]
    ticket = scene.fact(of, "ticket")
    words = f"{ticket} {'says' if there else 'does not say'} what {last.person} decided about {version}."
    return found(bool(there), words, ticket=ticket)


@check(
    "jira.noted",
    adapted=True,
    good_for="24h",
    fix="Name the issue in the section, with what one can do about it.",
)
async def noted(scene: Scene, *, of: str, jql: str, path: str, section: str) -> Finding:
    """Each issue that the search `jql` finds (`{version}` is the release's) is named by its key in that section."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    body = section_of(document.content.decode(errors="replace"), section)
    if not body:
        return failed(f"{path} has no section '{section}' that says something.")
    query = jql.replace("{version}", scene.plan.next.build.version)
    asked = {"jql": query, "maxResults": MOST, "fields": ["summary"]}
    answer = await scene.ask("POST", of, SEARCH, body=asked)
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status}: {excerpt(answer.body)}")
    try:
        told = msgspec.json.decode(answer.body, type=_Issues)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered what is no result of a search: {error}.") from error
    if not told.isLast:
        return inconclusive(f"More than {MOST} issues are found by: {query}")
    wrong = [
        f"{each.key} does not stand there"
        for each in told.issues
        if not re.search(rf"\b{re.escape(each.key)}\b", body)
    ]
    return judged(
        wrong, f"{path}, '{section}' names {len(told.issues)} known issues.", issues=len(told.issues)
    )


async def _comments(scene: Scene, of: str) -> list[str]:
    """The comments of the release's ticket, as text."""
    ticket = quote(scene.fact(of, "ticket"), safe="")
    told = await scene.json(of, f"/rest/api/3/issue/{ticket}/comment?orderBy=-created&maxResults=100")
    return ["\n".join(_texts(each.body)) for each in shaped(of, told, _Comments).comments]


def _texts(body: object) -> list[str]:
    """The texts of a comment, whether it is one or a document of nodes."""
    if isinstance(body, str):
        return [body]
    if isinstance(body, list):
        return [text for each in body for text in _texts(each)]
    if not isinstance(body, dict):
        return []
    own = [body["text"]] if isinstance(body.get("text"), str) else []
    # A paragraph's pieces are one line, whatever is bold in it.
    inner = _texts(body.get("content"))
    return [*own, "".join(inner)] if body.get("type") == "paragraph" else own + inner


def _named(scene: Scene, role: str, text: str) -> bool:
    """Whether a role stands in a text, by its id or its title."""
    title = scene.plan.signoffs.titles.get(role, role)
    return any(name.casefold() in text.casefold() for name in (role, title))

"""A template says what is known, as plain words, and is refused before anybody needs it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from msgspec.structs import replace

from tests.releases.notices.scenes import COMMS, NOON, comms, running, shipped
from tests.releases.plans import a_plan
from watership.errors import BadInput
from watership.releases.book.document import DocumentError, parse
from watership.releases.notices.comms import Comms
from watership.releases.notices.lint import Problem, check_comms, check_template, example
from watership.releases.notices.notice import TEXT_CHARS, Issue, Kind, Notice
from watership.releases.notices.situation import planned
from watership.releases.notices.template import compose, unrendered
from watership.releases.notices.writing import html, plain, slack
from watership.releases.plan import access

HOSTILE = "<!channel> [click](http://evil.example) **bold** <script>x</script>\n# Heading {{ 7*7 }}"


def text(body: str, subject: str = "s") -> str:
    return f'---\nsubject: "{subject}"\n---\n{body}'


def notice(kind: Kind = "status", issue: Issue | None = None) -> Notice:
    return Notice(id="n/1", kind=kind, template="t.md", to=("ops",), at=NOON, thread="n/1", issue=issue)


def test_every_template_that_is_shipped_is_in_order_and_covers_each_kind() -> None:
    assert check_comms(comms()) == {}
    assert {sending.kind for sending in comms().send} == {
        "announce", "status", "approval", "issue", "rollback", "success", "incident",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("one\n{{ relase.version }}", Problem(5, "'relase' is not known here")),
        ("{{ release.verison }}", Problem(4, "situation has no 'verison'")),
        ("{% for p in release.phases %}\n{{ p.nam }}{% endfor %}", Problem(5, "phasesight has no 'nam'")),
        ("{% if false %}\n{{ release.downtime }}{% endif %}", Problem(5, "situation has no 'downtime'")),
        ("{% set w = release.window %}{{ w.start }}", Problem(4, "window has no 'start'")),
        ("{{ release.began }}", Problem(4, "A value is not known")),
        ("{{ release.next.rate }}", Problem(4, "'None' has no attribute 'rate'")),
        ("\n{{ issue.title }}", Problem(5, "'None' has no attribute 'title'")),
        ("{{ release.began | utcc }}", Problem(4, "No filter named 'utcc'")),
        ("{% if %}", Problem(4, "Expected an expression")),
        ("{{ release.__class__ }}", Problem(4, "situation has no '__class__'")),
        ("{{ ''.__class__.__mro__ }}", Problem(4, "access to attribute '__class__'")),
    ],
)
def test_a_template_that_names_what_is_not_known_is_refused_with_the_line(
    body: str, problem: Problem
) -> None:
    found = check_template(text(body), "status")
    assert [(each.line, each.text[: len(problem.text)]) for each in found][:1] == [
        (problem.line, problem.text)
    ]


@pytest.mark.parametrize(
    ("whole", "line"),
    [
        ("no subject", 1),
        ("---\nsubjekt: x\n---\n", 2),
        ("---\nsubject: x\nmore: y\n---\n", 3),
        (text("", "{{ x }}"), 2),
    ],
)
def test_a_template_without_a_subject_is_none(whole: str, line: int) -> None:
    assert [problem.line for problem in check_template(whole)] == [line]


def test_what_is_inserted_stays_words_in_every_medium() -> None:
    issue = Issue(key="k", priority="HIGH", title=HOSTILE)
    got = compose(
        notice("issue", issue=issue), running(), text("- {{ issue.title }}", "{{ issue.title }}"), NOON
    )
    words = " ".join(HOSTILE.split())
    assert plain(got.text) == f"- {words}\n"
    assert (
        "<script>" not in html(got.text) and "href" not in html(got.text) and "<strong>" not in html(got.text)
    )
    assert slack(got.text).startswith("• &lt;!channel&gt; [click]")
    assert "\n" not in got.subject


def test_a_template_that_fails_when_it_is_needed_leaves_nobody_without_the_news() -> None:
    issue = Issue(key="k", priority="CRITICAL", title="It burns", symptoms=("smoke",))
    with pytest.raises(DocumentError, match=r"t\.md:5: "):
        compose(notice(), running(), text("\n{{ release.rollback.reason }}"), NOON)
    got = unrendered(notice("issue", issue=issue), running(), NOON, "t.md:5: boom")
    assert plain(got.text).splitlines()[:2] == ["It burns", ""]
    assert "Reads and writes are served throughout." in plain(got.text) and "boom" in plain(got.text)


def test_a_message_that_is_too_long_is_cut_and_says_so() -> None:
    got = compose(notice(), running(), text("x" * 20_000), NOON)
    assert len(got.text) == TEXT_CHARS and got.text.endswith("(The rest was cut.)")


@pytest.mark.parametrize("pausing", [frozenset[str](), frozenset({"add_topic"})])
@pytest.mark.parametrize("name", ["announce", "status", "success"])
def test_what_a_message_says_of_access_is_the_plans_own_word(pausing: frozenset[str], name: str) -> None:
    plan = a_plan(pauses_writes=pausing)
    got = compose(notice(), planned(plan, (), NOON), shipped(f"comms/{name}.md"), NOON)
    assert access(plan) in plain(got.text)
    assert ("writes are held while add_topic runs" in plain(got.text)) == bool(pausing)
    assert "0 minutes" not in got.text


def test_a_rehearsal_is_called_one() -> None:
    got = compose(notice(), running(rehearsal=True), text("x", "{{ release.version }}"), NOON)
    assert got.subject == "[REHEARSAL] 2.1.0"


def test_what_was_not_measured_is_called_so() -> None:
    got = compose(notice(), running(next=None, live=None), shipped("comms/status.md"), NOON)
    assert plain(got.text).count("not measured") == 2
    full = compose(notice(), running(), shipped("comms/status.md"), NOON)
    assert "0.02 % of 10000 requests in 60 s, 95 % within 145ms" in plain(full.text)


@dataclass(frozen=True)
class Wrong:
    text: str
    line: int
    problem: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(COMMS.replace("[mail, ops]", "[mial]", 1), 1, "goes to 'mial', which is no channel"),
        Wrong(COMMS.replace("[ops, mail] }\n  - { on: incident", "[pager] }\n  - { on: incident"), 1, "a pager"),
        Wrong(COMMS.replace("every: 15m, while: running", "every: 15m"), 10, "needs `while: running`"),
        Wrong(COMMS.replace("every: 15m", "every: 15s"), 10, "more than anybody reads"),
        Wrong(COMMS.replace("on: T-24h", "on: T-24x"), 7, "is not a duration"),
        Wrong(COMMS.replace("on: T-24h", "on: tomorrow"), 7, "out of bounds"),
        Wrong(COMMS.replace("env:SLACK", "https://hooks.example.com/secret"), 3, "out of bounds"),
        Wrong(COMMS.replace("kind: slack", "kind: slakc"), 3, "did you mean 'slack'?"),
        Wrong(COMMS.replace("- { on: issue,", "- { on: incident,"), 1, "Nobody would be told of a status"),
        Wrong(COMMS.replace("id: pager", "id: ops"), 1, "stands there twice"),
    ],
)  # fmt: skip
def test_comms_that_do_not_fit_together_are_refused(wrong: Wrong) -> None:
    with pytest.raises(DocumentError, match="document:") as caught:
        parse(wrong.text, Comms)
    assert wrong.problem in caught.value.problem
    assert wrong.line <= caught.value.line <= wrong.line + 1


def test_comms_are_part_of_a_plan_with_their_words_and_without_a_secret() -> None:
    whole = msgspec.json.encode(comms())
    assert msgspec.json.decode(whole, type=Comms) == comms()
    assert b"release.headline" in whole and b"env:SLACK" in whole
    told = "channels: [{ id: w, kind: webhook, secret: env:W, url: 'https://u:pass@example.com/x' }]"
    with pytest.raises(BadInput, match="holds a password"):
        parse(told, Comms)


def test_a_password_is_not_sent_in_the_clear_to_another_machine() -> None:
    mail = "id: m, kind: email, host: h.example, security: none, sender: a@b.c, to: [a@b.c], user: u"
    with pytest.raises(BadInput, match="unencrypted"):
        parse(f"channels: [{{ {mail}, password: env:P }}]", Comms)


def test_the_example_says_that_it_is_one() -> None:
    assert example().name.endswith("example")
    assert replace(example(), stage="rolled_back").over

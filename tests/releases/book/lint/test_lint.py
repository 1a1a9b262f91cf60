"""A lint names the file and the line, and says nothing of a runbook that is in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.releases.book.lint.books import FILES, changed, remarks
from watership.releases.book.document import DocumentError
from watership.releases.book.lint import linted
from watership.releases.book.lint.place import Place, Places
from watership.releases.book.shelf import names, read, shipped
from watership.releases.checks import CHECKS

BOOK, TEAM, LIST = "runbook.yaml", "team.yaml", "checklist/a.yaml"


def line(file: str, text: str, *changes: tuple[str, str, str]) -> int:
    """Where a text stands in a changed file."""
    content = FILES[file]
    for name, was, becomes in changes:
        content = content.replace(was, becomes) if name == file else content
    return next(number for number, each in enumerate(content.splitlines(), 1) if text in each)


def test_a_runbook_in_order_is_left_in_peace(tmp_path: Path) -> None:
    assert remarks(tmp_path) == []
    assert remarks(tmp_path, per_second=200) == []


DISK = "check: disk.free, parameters: { used_below: 90% }"

CASES: list[tuple[str, tuple[str, str, str], tuple[str, str, str], str]] = [
    # rule, what is changed, where the remark is to stand (file, text of the line) and how much it matters, its words
    (
        "unknown-check",
        (BOOK, "check: disk.free", "check: disk.fre"),
        (BOOK, "disk.fre", "error"),
        "did you mean 'disk.free'?",
    ),
    (
        "unknown-check",
        (LIST, "check: disk.free", "check: weather"),
        (LIST, "weather", "error"),
        "no check is of the kind 'weather'",
    ),
    (
        "bad-parameter",
        (LIST, "{ used_below: 90% }", "{ used_belo: 90%, used_below: 90% }"),
        (LIST, "used_belo:", "error"),
        "Did you mean 'used_below'?",
    ),
    (
        "bad-parameter",
        (BOOK, "used_below: 90%", "used_below: much"),
        (BOOK, "used_below: much", "error"),
        "'used_below' is 'much', but must be a number",
    ),
    (
        "bad-parameter",
        (LIST, DISK, 'check: alerts.tuned, parameters: { of: it, that: "" }'),
        (LIST, "that:", "error"),
        "'that' names nothing",
    ),
    (
        "unbounded",
        (LIST, DISK, "check: sql.figure, parameters: { of: it, query: SELECT 1 }"),
        (LIST, "check: sql.figure", "error"),
        "the check sql.figure has no bound: say below or at_least",
    ),
    (
        "unbounded",
        (BOOK, "check: disk.free, at: T-30m, title: Room, parameters: { used_below: 90% }",
         "check: machine.figure, at: T-30m, title: Room, parameters: { figure: cpu }"),
        (BOOK, "check: machine.figure", "error"),
        "it is for baselines, and judges nothing",
    ),
    (
        "missing-parameter",
        (LIST, ", parameters: { used_below: 90% }", ""),
        (LIST, "id: disk", "error"),
        "needs 'used_below'",
    ),
    (
        # The seed's "error rate > 5 %" against its "> 10 % for 2 min".
        "overlap",
        (BOOK, "above: 5%, up_to: 10%", "above: 5%"),
        (BOOK, "above: 5%", "warning"),
        "overlap: one value calls for both",
    ),
    (
        "hidden-fuse",
        (BOOK, "above: 5%, up_to: 10%, window: 5m, then: page", "above: 5%, window: 60s, then: roll_back"),
        (BOOK, "above: 10%", "warning"),
        "is never the first to blow: 'error rate above 5 % for 1m'",
    ),
    (
        "empty-band",
        (BOOK, "up_to: 10%", "up_to: 5%"),
        (BOOK, "up_to: 5%", "warning"),
        "can never blow",
    ),
    (
        "window",
        (BOOK, "of: cpu, above: 95%, window: 60s", "of: cpu, above: 95%, window: 5m"),
        (BOOK, "of: cpu", "warning"),
        "cannot blow within the soak 'soak' (2m at 50 %): its window is 5m, and no arm of the gate watches cpu",
    ),
    (
        "window",
        (BOOK, "above: 10%, window: 60s", "above: 10%, window: 3m"),
        (BOOK, "above: 10%", "note"),
        "there the gate watches errors",
    ),
    (
        "blind-soak",
        (BOOK, "      - { do: shift, id: half, at: T+1m, weight: 50%, title: Half }\n", ""),
        (BOOK, "do: soak", "warning"),
        "judges nothing",
    ),
    (
        "unreached-gate",
        (BOOK, "      - { do: soak, id: soak, at: T+2m, length: 2m, give_up: 10m, title: Soak }\n", ""),
        (BOOK, "gate:", "warning"),
        "the gate is never asked",
    ),
    (
        "unreached-gate",
        (BOOK, "expires: 24h", "at_start: false, expires: 24h"),
        (BOOK, "signoffs:", "warning"),
        "no phase has the check signoffs.complete",
    ),
    (
        "after-its-phase",
        (BOOK, "at: T+4m", "at: T+40m"),
        (BOOK, "at: T+40m", "warning"),
        "'full' is due at T+40m; its phase 'cutover' is over at T+20m",
    ),
    (
        "out-of-order",
        (BOOK, "at: T+4m", "at: T+1m"),
        (BOOK, "id: full", "warning"),
        "what comes before it is due later",
    ),
    ("out-of-order", (BOOK, "at: T-30m", "at: T-2h"), (BOOK, "T-2h", "warning"), "its phase begins at T-1h"),
    ("over-budget", (BOOK, "give_up: 10m", "give_up: 30m"), (BOOK, "give_up", "warning"), "the budget of 'cutover'"),
    (
        "unreached-item",
        (LIST, "by: T-30m", "by: T+10m"),
        (LIST, "T+10m", "warning"),
        "'room' is due at T+10m, and no phase asks for what is due then",
    ),
    (
        "unreached-gate",
        (BOOK, "      - { do: check, id: go, check: gate.decided, at: T-10m, title: GO }\n", ""),
        (BOOK, "go_no_go:", "warning"),
        "no phase has the check gate.decided",
    ),
    (
        "empty-gate",
        (BOOK, "by: T-30m", "by: T-2h"),
        (BOOK, "check: checklist.complete", "error"),
        "'all' asks for what is due by T-2h, and nothing of the checklist is",
    ),
    (
        "empty-gate",
        (BOOK, "go_no_go:\n  - { id: all, text: Everything is done, judged_by: checklist }\n", ""),
        (BOOK, "check: gate.decided", "error"),
        "'go' asks for a GO, and no condition of one is stated",
    ),
    (
        "bad-parameter",
        (BOOK, "by: T-30m", "by: noon"),
        (BOOK, "by: noon", "error"),
        "'noon' is not an offset",
    ),
    ("out-of-order", (LIST, "by: T-30m", "by: T-48h"), (LIST, "T-48h", "warning"), "the first phase begins at T-1h"),
    ("empty-seat", (TEAM, "person: Ada, ", ""), (TEAM, "seat: lead", "warning"), "nobody sits on the seat 'lead'"),
    ("unreachable-seat", (TEAM, ', slack: "@ada"', ""), (TEAM, "seat: lead", "warning"), "fewer than two ways"),
    (
        "empty-seat",
        (BOOK, "escalate_to: technical_lead", "escalate_to: technical_led"),
        (BOOK, "technical_led", "warning"),
        "'technical_led', which is no seat",
    ),
    (
        "no-decider",
        (TEAM, "go_no_go, ", ""),
        (BOOK, "go_no_go:", "warning"),
        "no role may decide GO or NO-GO",
    ),
    (
        "no-decider",
        (TEAM, ", roll_back_on_criteria", ""),
        (TEAM, "roles:", "warning"),
        "nobody may order a rollback",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "change", "where", "words"),
    CASES,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES, 1)],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, rule: str, change: tuple[str, str, str], where: tuple[str, str, str], words: str
) -> None:
    found = [each for each in remarks(tmp_path, change) if each.rule == rule]
    assert len(found) == 1, [str(each) for each in remarks(tmp_path, change)]
    file, text, weight = where
    assert (found[0].file, found[0].line) == (file, line(file, text, change)), found
    assert found[0].weight == weight
    assert words in found[0].words


def test_a_fuse_that_is_watched_by_nothing_long_enough_is_dead(tmp_path: Path) -> None:
    changes = [
        (BOOK, "length: 24h", "length: 10m"),
        (BOOK, "window: 5m, then: page", "window: 20m, then: page"),
    ]
    (dead,) = [each for each in remarks(tmp_path, *changes) if each.rule == "dead-fuse"]
    assert "nothing is watched for longer than 10m" in dead.words


def test_a_share_is_raised_only_after_it_was_judged(tmp_path: Path) -> None:
    first = "      - { do: shift, id: half, at: T+1m, weight: 50%, title: Half }\n"
    more = first.replace("half", "tenth").replace("50%", "10%")
    (unjudged,) = [
        each for each in remarks(tmp_path, (BOOK, first, more + first)) if each.rule == "unjudged-shift"
    ]
    assert "'half' raises next's share, and no soak judged it before" in unjudged.words


def test_nobody_asks_next_before_it_is_deployed(tmp_path: Path) -> None:
    deploy = "      - { do: deploy, id: deploy, at: T+0m, title: Deploy }\n"
    half = "      - { do: shift, id: half, at: T+1m, weight: 50%, title: Half }\n"
    deployed = (BOOK, half, deploy + half)
    asks = (
        LIST,
        "check: disk.free, parameters: { used_below: 90% }",
        "check: http.health, parameters: { of: next }",
    )
    (early,) = remarks(tmp_path, deployed, asks)
    assert (early.rule, early.file, early.line) == ("too-early", LIST, line(LIST, "http.health", asks))
    assert early.words == "http.health asks next at T-30m; it is deployed at T+0m"
    of_live = (LIST, asks[1], asks[2].replace("next", "live"))
    assert remarks(tmp_path, deployed, of_live) == []


def test_a_go_waits_for_nothing_that_is_due_after_it(tmp_path: Path) -> None:
    named = (BOOK, "judged_by: checklist", "judged_by: items, items: [room]")
    assert remarks(tmp_path, named) == []
    later = [(LIST, "by: T-30m", "by: T-5m"), (BOOK, "by: T-30m", "by: T-5m")]
    (early,) = remarks(tmp_path, named, *later)
    assert (early.rule, early.line) == ("out-of-order", line(BOOK, "id: all, text", named))
    assert "GO is decided at T-10m, and asks for 'room', which is due at T-5m" in early.words


def test_an_item_that_is_due_after_the_decision_is_asked_for_by_name(tmp_path: Path) -> None:
    later = (LIST, "by: T-30m", "by: T+10m")
    team = (BOOK, "judged_by: checklist", "judged_by: team")
    assert "unreached-item" in [each.rule for each in remarks(tmp_path, later, team)]
    assert remarks(tmp_path, later, team, (BOOK, "by: T-30m", "by: T+15m")) == []


def test_a_condition_over_a_checklist_of_which_nothing_is_due_is_never_met(tmp_path: Path) -> None:
    later = [(LIST, "by: T-30m", "by: T+10m"), (BOOK, "by: T-30m", "by: T+15m")]
    (empty,) = remarks(tmp_path, *later)
    assert (empty.rule, empty.weight, empty.line) == ("empty-gate", "error", line(BOOK, "id: all, text"))


@pytest.mark.parametrize(
    ("per_second", "rule", "words"),
    [
        (0.5, "blind-soak", "gives up after 10m"),
        (40, "short-soak", "is too short for a regression of 1 % at 40 requests per second: it goes on for"),
        (200, None, ""),
    ],
)
def test_a_soak_is_measured_against_the_traffic(
    tmp_path: Path, per_second: float, rule: str | None, words: str
) -> None:
    found = [each for each in remarks(tmp_path, per_second=per_second) if each.rule.endswith("soak")]
    assert [each.rule for each in found] == ([rule] if rule else [])
    assert all(words in each.words and each.line == line(BOOK, "do: soak") for each in found)


def test_a_fuse_needs_its_samples_within_its_window(tmp_path: Path) -> None:
    starved = [each for each in remarks(tmp_path, per_second=1) if each.rule == "starved-fuse"]
    assert [each.line for each in starved] == [line(BOOK, "above: 10%, window: 60s")]
    assert "sees 30 requests in its window" in starved[0].words


def test_a_comparison_with_a_live_that_gets_nothing_is_blind(tmp_path: Path) -> None:
    changes = [
        (BOOK, "weight: 50%", "weight: 100%"),
        (BOOK, ", { against: limit, of: slow, limit: 5%, sees: 15% }", ""),
    ]
    (blind,) = [each for each in remarks(tmp_path, *changes) if each.rule == "blind-soak"]
    assert "compares with a live that gets no traffic" in blind.words


def test_what_the_loader_refuses_has_its_line_too(tmp_path: Path) -> None:
    with pytest.raises(
        DocumentError, match=r"checklist/a\.yaml:9: unknown key 'ownr' — did you mean 'owner'\?"
    ):
        read(changed(tmp_path, (LIST, "owner: lead", "ownr: lead")))


def test_a_place_is_the_last_part_of_a_path_that_is_written_down(tmp_path: Path) -> None:
    places = Places(read(changed(tmp_path)))
    assert places.of("phases", 1, "items", 0, "owner") == Place(BOOK, line(BOOK, "id: half"))
    assert places.of("contacts", 0) == Place(TEAM, line(TEAM, "seat: lead"))
    assert places.of("checklist", 0, "items", 0, "points", 1, "attest") == Place(LIST, line(LIST, "id: rack"))
    assert places.of("escalation") == Place(BOOK, 1)


@pytest.mark.parametrize("name", names())
def test_a_shipped_runbook_has_no_errors(name: str) -> None:
    assert [str(each) for each in linted(shipped(name), CHECKS) if each.weight == "error"] == []


def test_a_fuse_needs_a_source_and_a_feed_a_fuse(tmp_path: Path) -> None:
    fuse = "  - { watches: event, of: out_of_memory, then: roll_back }\n"
    feeds = """\
feeds:
  - { tells: alert, of: feature_failure, labels: { severity: warning } }
  - { tells: figure, of: cpu, query: 'max(cpu{slot="$slot"})', sampled: 'min(timestamp(cpu))' }
"""
    alerting = fuse + "  - { watches: event, of: warning_alert, then: investigate }\n" + feeds
    said = {
        each.rule: (each.weight, each.line, each.words) for each in remarks(tmp_path, (BOOK, fuse, alerting))
    }
    start = line(BOOK, "- { watches: event, of: out_of_memory", (BOOK, fuse, alerting))

    assert said["unfed-fuse"] == (
        "warning",
        start + 1,
        "'warning alert' can never blow: nothing shows warning_alert by itself, and no feed tells it",
    )
    assert said["idle-feed"][:2] == ("note", start + 3) and "feature_failure" in said["idle-feed"][2]
    assert said["uneven-feed"][:2] == ("warning", start + 4) and "'sampled' of cpu" in said["uneven-feed"][2]

    fed = alerting.replace("of: feature_failure", "of: warning_alert").replace("(cpu)", '(cpu{slot="$slot"})')
    assert "feed" not in " ".join(each.rule for each in remarks(tmp_path, (BOOK, fuse, fed)))


def test_a_figure_is_told_by_one_feed_and_a_feed_by_its_own_fields(tmp_path: Path) -> None:
    def refused(*feeds: str) -> str:
        folder = changed(tmp_path, (BOOK, "checklist/a.yaml]", "checklist/a.yaml, feeds.yaml]"))
        lines = "".join(f"  - {{ {each} }}\n" for each in feeds)
        (folder / "feeds.yaml").write_text(f"schema: watership/feeds/v1\nfeeds:\n{lines}")
        with pytest.raises(DocumentError) as error:
            read(folder)
        return str(error.value)

    alert = "tells: alert, of: warning_alert, labels: { severity: warning }"
    assert "The feed of 'warning_alert' stands there twice" in refused(alert, alert)
    assert "feeds.yaml:3" in refused("tells: alert, of: warning_alert, labels: {}")
    assert "feeds.yaml:3" in refused("tells: figure, of: cpu, query: up")
    assert "feeds.yaml:3" in refused("tells: figure, of: warp, query: up, sampled: up")

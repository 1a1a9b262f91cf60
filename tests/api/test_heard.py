"""What a follower is told of speech: nothing twice, nothing stale, and what is left out as a gap."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from watership.agents.speech import Said
from watership.api.heard import Discard, Gap, Heard, Token, Told
from watership.durable.events import AnyEvent, Entry, Failure, Restarted, StepDone, StepRetried
from watership.durable.ids import Key, RunId, WorkerId

KEY = Key("asker/0/1/model/0")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(offset: int, text: str, *, epoch: int = 1, attempt: int = 1) -> Said:
    return Said(KEY, epoch, attempt, offset, text)


def hear(heard: Heard, *pieces: Said, patient: bool = False) -> list[Told]:
    return [told for piece in pieces for told in heard.hear(piece, patient=patient)]


def entry(event: AnyEvent, epoch: int = 1) -> Entry:
    return Entry(run_id=RunId("run"), seq=1, epoch=epoch, at=NOW, event=event)


def texts(told: list[Told]) -> list[str]:
    return [each.text for each in told if isinstance(each, Token)]


DONE = StepDone(key=KEY, name="model", identity="i", value=msgspec.Raw(b"1"))
RETRIED = StepRetried(key=KEY, name="model", identity="i", failure=Failure("E", "e"), attempt=1, due=NOW)
RESTARTED = Restarted(key=Key(""), worker=WorkerId("w"))


def test_what_is_told_from_the_beginning_again_is_news_only_from_where_it_was_heard() -> None:
    heard = Heard()
    assert texts(hear(heard, said(0, "Owls "), said(5, "are "), said(0, "Owls are birds"))) == [
        "Owls ",
        "are ",
        "birds",
    ]


def test_what_was_missed_is_told_as_a_gap_with_its_size() -> None:
    heard = Heard()
    told = hear(heard, said(0, "Owls "), said(9, "birds"))
    assert told[1:] == [
        Gap(key=KEY, epoch=1, attempt=1, offset=9, missed=4),
        Token(key=KEY, epoch=1, attempt=1, offset=9, text="birds"),
    ]


def test_who_has_asked_for_the_beginning_is_told_of_no_gap_before_it_comes() -> None:
    heard = Heard()
    assert hear(heard, said(5, "are "), patient=True) == []
    assert texts(hear(heard, said(0, "Owls are "), said(9, "birds"))) == ["Owls are ", "birds"]


def test_a_later_owner_makes_an_answer_void_and_the_former_one_is_not_heard_any_more() -> None:
    heard = Heard()
    hear(heard, said(0, "Owls "))
    assert heard.read(entry(RESTARTED, epoch=2)) == [Discard(key=KEY, epoch=1, attempt=1)]
    assert hear(heard, said(5, "are ")) == []
    assert not heard.is_new(said(5, "are "))
    assert heard.is_new(said(0, "Owls", epoch=2))


def test_a_call_that_failed_makes_its_answer_void() -> None:
    heard = Heard()
    hear(heard, said(0, "Owls "))
    assert heard.read(entry(RETRIED)) == [Discard(key=KEY, epoch=1, attempt=1)]
    assert hear(heard, said(5, "late")) == []
    assert texts(hear(heard, said(0, "Owls", attempt=2))) == ["Owls"]


def test_an_answer_that_is_in_the_journal_is_ended_and_not_void() -> None:
    heard = Heard()
    hear(heard, said(0, "Owls "))
    assert heard.read(entry(DONE)) == []
    assert hear(heard, said(5, "late")) == []


def test_an_answer_that_begins_again_before_the_journal_says_so_is_void_first() -> None:
    heard = Heard()
    hear(heard, said(0, "Owls "))
    told = hear(heard, said(0, "Herons", epoch=2))
    assert told[0] == Discard(key=KEY, epoch=1, attempt=1)
    assert texts(told) == ["Herons"]

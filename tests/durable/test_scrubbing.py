"""What is known as a secret is replaced in each of its spellings; what is none stays as it was."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from watership import Secret
from watership.durable.codec import encode
from watership.durable.program import FAILURE_TEXT, failure_of
from watership.durable.scrubbing import keep_out, scrub, scrub_value
from watership.errors import BadInput, Unencodable


def test_every_spelling_of_a_secret_is_replaced_and_the_longest_goes_first() -> None:
    keep_out("SHORT", "k7-one-two")
    keep_out("LONG", 'k7-one-two/three "four"')
    assert scrub('a k7-one-two/three "four" b') == "a [secret LONG] b"
    assert scrub("?key=k7-one-two%2Fthree%20%22four%22&") == "?key=[secret LONG]&"
    assert scrub("k7-one-two") == "[secret SHORT]"
    assert bytes(encode({"x": 'k7-one-two/three "four"'}, "a value")) == b'{"x":"[secret LONG]"}'
    assert scrub_value({"k7-one-two": ["k7-one-two", 7, None]}) == {
        "[secret SHORT]": ["[secret SHORT]", 7, None]
    }


def test_a_failure_is_scrubbed_before_it_is_cut() -> None:
    keep_out("CUT", "cut-in-the-middle")
    failure = failure_of(ValueError("x" * (FAILURE_TEXT - 5) + "cut-in-the-middle"))
    assert "cut-i" not in failure.message


def test_a_value_too_short_to_be_told_from_text_is_not_taken_for_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIN", "1234567")
    with pytest.raises(BadInput, match="fewer than 8"):
        Secret("PIN").reveal()
    assert scrub("1234567") == "1234567"


def test_a_secret_is_read_anew_and_each_value_that_was_seen_stays_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = Secret("TURNING")
    with pytest.raises(BadInput, match="nowhere"):
        secret.reveal()
    for value in ("before-the-change", "after-the-change"):
        monkeypatch.setenv("TURNING", value)
        assert secret.reveal() == value
    assert scrub("before-the-change after-the-change") == "[secret TURNING] [secret TURNING]"


def test_a_secret_itself_is_written_down_nowhere() -> None:
    secret = Secret("NEVER_WRITTEN")
    with pytest.raises(Unencodable):
        encode({"key": secret}, "a value")
    with pytest.raises(Unencodable):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
    assert f"{secret}" == "Secret('NEVER_WRITTEN')"

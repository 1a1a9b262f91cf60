"""What is said of whether a certificate was revoked, and by whom."""

from __future__ import annotations

import pytest

from watership.adapters.tls.revocation import ISSUER_UNKNOWN, listed, stapled
from watership.errors import BadInput
from watership.testing.servers.authority import Authority, Word


@pytest.mark.parametrize(
    ("word", "status", "wrong"),
    [
        ("good", "good", ""),
        ("deputy", "good", ""),
        ("revoked", "revoked", ""),
        ("another", "good", "it is about the serial"),
        ("forged", "good", "its signature is not that of the issuer"),
        ("pretender", "good", "may not sign such responses"),
    ],
)
def test_a_response_is_the_issuers_word_on_this_certificate_or_says_why_not(
    tls_authority: Authority, word: Word, status: str, wrong: str
) -> None:
    identity = tls_authority.issue()
    told = stapled(tls_authority.staple(identity, word), identity.leaf, tls_authority.intermediate)
    assert (told.status, wrong in told.wrong, bool(told.wrong)) == (status, True, bool(wrong))


def test_a_response_of_another_authority_and_what_is_none_say_nothing(tls_authority: Authority) -> None:
    identity, strange = tls_authority.issue(), Authority()
    told = stapled(strange.staple(identity), identity.leaf, tls_authority.intermediate)
    assert told.wrong == "it is about a certificate of another issuer"
    assert "cannot be read" in stapled(b"nothing", identity.leaf, tls_authority.intermediate).wrong
    assert stapled(tls_authority.staple(identity), identity.leaf, None).wrong == ISSUER_UNKNOWN


def test_a_list_is_the_issuers_and_names_who_is_revoked(tls_authority: Authority) -> None:
    one, other = tls_authority.issue(), tls_authority.issue()
    content, issuer = tls_authority.revoked(one), tls_authority.intermediate
    assert [listed(content, each.leaf, issuer).status for each in (one, other)] == ["revoked", "good"]
    assert listed(content, other.leaf, issuer).wrong == ""
    assert "signature" in listed(tls_authority.revoked(forged=True), one.leaf, issuer).wrong
    stranger = Authority().revoked()
    assert "signature" in listed(stranger, one.leaf, issuer).wrong
    assert listed(content, one.leaf, None).wrong == ISSUER_UNKNOWN
    with pytest.raises(BadInput, match="no list of revoked"):
        listed(b"<html>", one.leaf, issuer)

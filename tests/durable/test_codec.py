"""One canonical form: equal values give equal bytes, and what JSON cannot hold is named."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watership.durable.codec import PAYLOAD_LIMIT, decode, encode, fingerprint
from watership.errors import Unencodable

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json)
def test_what_is_encoded_comes_back(value: Any) -> None:
    assert decode(encode(value, "here")) == value


@given(st.dictionaries(st.text(), st.integers(-9, 9), min_size=2))
def test_the_order_of_a_dictionary_does_not_matter(value: dict[str, int]) -> None:
    turned = dict(reversed(value.items()))
    assert encode(value, "here") == encode(turned, "here")
    assert fingerprint(value, "here") == fingerprint(turned, "here")


@pytest.mark.parametrize("value", [object(), {"a": [object()]}, "x" * PAYLOAD_LIMIT])
def test_what_cannot_be_journaled_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(Unencodable, match="step 'a/0'"):
        encode(value, "step 'a/0'")


class Price(msgspec.Struct):
    cents: float
    about: msgspec.Raw = msgspec.Raw(b"null")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (math.nan, r"nan at \$"),
        ({"a": [None, 1.0, -math.inf]}, r"-inf at \$\.a\[2\]"),
        ([Price(1.0), (Price(math.inf),)], r"inf at \$\[1\]\[0\]\.cents"),
    ],
)
def test_a_number_that_is_none_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(Unencodable, match=rf"step 'a/0'.* {place}\."):
        encode(value, "step 'a/0'")


def test_what_is_null_stays_null() -> None:
    assert (
        bytes(encode({"a": None, "b": [Price(0.5)]}, "here"))
        == b'{"a":null,"b":[{"about":null,"cents":0.5}]}'
    )

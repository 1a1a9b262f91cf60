"""Shares are where a name is to lead, and how much of it: as a runbook writes them."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.book.quantity import listed

MOST_SHARE = 255
"""The largest weight that a record may have."""


def shares(to: str) -> Mapping[str, int]:
    """`192.0.2.7` or `one=75, other=25`: where a name is to lead, and how much of it. Raises BadInput."""
    found: dict[str, int] = {}
    for each in listed(to):
        value, given, share = (word.strip() for word in each.partition("="))
        if not value or value in found or bool(given) != bool(share) or not (share or "1").isdigit():
            raise BadInput(
                f"'{each}' is no place with a share.", fix='Write: to: "old=0, new=100", or an address.'
            )
        found[value] = int(share or 1)
    if not sum(found.values()) or max(found.values()) > MOST_SHARE:
        raise BadInput(f"'{to}' leads nowhere, or has a share above {MOST_SHARE}.")
    return found

"""A round trip of migrations, forward, backward and forward again, leads to the same schema each time."""

from __future__ import annotations

from collections.abc import Mapping

from watership.errors import BadInput


def require_alike(what: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Schemas as text by name, as a database tells them. Raises BadInput, `what` and the names that differ."""
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise BadInput(
            f"{what} at {', '.join(differing)}: {found.get(name, 'nothing')!r} "
            f"where {wanted.get(name, 'nothing')!r} was.",
            fix="Make the backward script undo the forward one exactly.",
        )

"""Secrets by reference: `env:NAME` is a variable of this process, `file:PATH` a file that only its owner reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from watership.durable.scrubbing import keep_out
from watership.errors import BadInput, Unavailable

MOST_BYTES: Final = 64 * 1024
"""Of a file. One that is longer is none: no secret is."""


class ReferredSecrets:
    """Reads secrets where references point. Paths are relative to `root`, or to somebody's home by `~`."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self._root = root
        self._variables = variables

    def read(self, reference: str) -> str:
        """The secret, without the end of its line. Raises Unavailable, naming the reference and never what it holds."""
        kind, _, where = reference.partition(":")
        match kind:
            case "env":
                secret = self._variable(where)
            case "file":
                secret = _file(self._root / Path(where).expanduser())
            case _:
                raise BadInput(
                    f"'{reference}' is no reference to a secret.", fix="Write env:NAME or file:PATH."
                )
        # From here on whoever writes it down by accident writes its reference instead.
        keep_out(reference, secret)
        return secret

    def _variable(self, name: str) -> str:
        value = self._variables.get(name, "").strip()
        if not value:
            raise Unavailable(f"The secret env:{name} is not set.", fix=f"export {name}=…")
        return value


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MOST_BYTES + 1)
        secret = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"The secret file {path} cannot be read: {error}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"Others than its owner may use the secret file {path}.", fix=f"chmod 600 {path}")
    if len(content) > MOST_BYTES:
        raise Unavailable(f"The secret file {path} is longer than {MOST_BYTES:,} bytes.")
    if not secret:
        raise Unavailable(f"The secret file {path} is empty.", fix=f"Write the secret into {path}.")
    return secret

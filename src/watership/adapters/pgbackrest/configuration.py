"""The configuration of pgBackRest, as far as it says whose the database is: pgBackRest wants to be that user."""

from __future__ import annotations

import configparser
import os
import pwd
from pathlib import Path
from typing import Final

from watership.adapters.pgbackrest.commands import Stanza
from watership.errors import BadInput, NotAllowed, NotFound

CONFIGS: Final = ("/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf")
"""Where pgBackRest looks by itself."""


def config_of(stanza: Stanza) -> Path:
    """The file that is read. Raises NotFound."""
    places = [stanza.config] if stanza.config else CONFIGS
    found = next((Path(each) for each in places if Path(each).is_file()), None)
    if found is None:
        raise NotFound(
            f"There is no {' and no '.join(places)}.", fix="Name pgBackRest's configuration: --config FILE"
        )
    return found


def data_of(stanza: Stanza) -> Path:
    """The folder of the server that the stanza backs up. Raises NotFound, BadInput."""
    path, found = config_of(stanza), configparser.ConfigParser(interpolation=None, strict=False)
    try:
        found.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as reason:
        raise BadInput(f"{path} cannot be read: {type(reason).__name__}.") from None
    data = found.get(stanza.name, "pg1-path", fallback="")
    if not data:
        raise NotFound(f"{path} does not say pg1-path for [{stanza.name}].", fix="Look at the stanza's name.")
    return Path(data)


def user_of(stanza: Stanza) -> str | None:
    """Whom to be: who owns the server's folder, where we are root; None: ourselves."""
    if os.geteuid() != 0:
        return None
    data = data_of(stanza)
    try:
        return pwd.getpwuid(data.stat().st_uid).pw_name
    except (OSError, KeyError):
        raise NotAllowed(
            f"{data} is not on this machine, so whose it is cannot be told, and pgBackRest is not run as root.",
            fix="Run this as the user of the database: sudo -u postgres watership …",
        ) from None

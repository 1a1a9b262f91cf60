"""Masking: what looks like a secret is not shown, whether this process knows it or not.

It is known by its place: the value of a name that speaks of one, what stands between a user and an @ in a URL, what
follows Bearer; and by the shapes that issuers give to theirs. A password alone in prose looks like any other word.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "[masked]"

_SPEAKING: Final = (
    "password|passwd|passphrase|pwd|secret|token|credential|dsn|(?:api|access|private)[_-]?key|(?<![a-z])key"
)

_NAME: Final = rf"(?<![\w.-])[\w.-]*?(?:{_SPEAKING})[\w.-]*"
"""A name that speaks of a secret; from its first letter, so that a long word is gone through once."""

_KNOWN: Final = r"(?!\[secret )"
"""What scrubbing has replaced says which secret it was, and stays."""

_SCHEME: Final = "(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,40}://"

_VALUE: Final = r""""[^"\n]*"?|'[^'\n]*'?|[^\s"']\S*"""

ASSIGNED: Final = re.compile(rf"(?P<name>{_NAME})(?P<sign>\s*=\s*){_KNOWN}(?P<value>{_VALUE})", re.IGNORECASE)
"""NAME=value."""

QUOTED: Final = re.compile(
    rf"""(?P<name>\\*["']{_NAME}\\*["'])(?P<sign>\s*:\s*){_KNOWN}"""
    r"""(?P<value>(?P<quote>\\*["'])(?:(?!(?P=quote))(?:\\.|.))*(?:(?P=quote))?|[^\s"'\\,}\]]+)""",
    re.IGNORECASE | re.DOTALL,
)
""""name": "value", of JSON, and of JSON within it."""

LINE: Final = re.compile(
    rf"(?P<name>(?<![\w.-])(?:[A-Z0-9_]*(?:PASSWORD|SECRET|TOKEN|KEY)[A-Z0-9_]*|(?i:passw(?:or)?d|passphrase)"
    rf"|(?i:[\w-]+-(?:token|key|secret))))(?P<sign>: ?){_KNOWN}(?P<value>{_VALUE})"
)
"""NAME: value, of a file of variables, and the headers of keys."""

AUTHORIZED: Final = re.compile(
    rf"(?P<name>(?<![\w-])(?:proxy-)?authorization|(?:set-)?cookie)(?P<sign>\s*:\s*){_KNOWN}"
    r"(?P<value>(?:[A-Za-z]+ )?\S+)",
    re.IGNORECASE,
)

CARRIED: Final = re.compile(
    rf"\b(?:(?P<bearer>Bearer) |(?P<scheme>Basic|ApiKey|OAuth) (?=\S*[\dA-Z=_])){_KNOWN}[^\s\"',;]+"
)
"""What goes with a request. A word in small letters after Basic is one of prose."""

USER: Final = re.compile(rf"""(?P<before>{_SCHEME}[^\s:/?#@"'<>]*:){_KNOWN}[^\s/?#"'<>]*@""", re.IGNORECASE)
"""user:password@ of a URL, however short the password is."""

ALONE: Final = re.compile(rf"""(?P<before>{_SCHEME})[^\s:/?#@"'<>]{{20,}}@""", re.IGNORECASE)
"""What stands there without a password, and is too long for a user: the key of a DSN."""

SHAPES: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JSON Web Token
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|xapp-|sk-|whsec_|hv[sb]\.|AIza)[\w./+=-]{8,}"
    r"|(?<=hooks\.slack\.com/services/)\S+",
    re.DOTALL,
)

_PLAIN: Final = re.compile(
    r"[\"']?(?:\d+(?:\.\d+)?%?|true|false|null|none|yes|no)?[\"']?[,;.)\]}]*", re.IGNORECASE
)
"""A count, or whether there is one: `tokens=350` is no secret."""

_PASS: Final = re.compile("passw|passphrase|pwd", re.IGNORECASE)


def masked(text: str) -> str:
    """`text` without what looks like a secret."""
    text = SHAPES.sub(MASK, text)
    text = USER.sub(rf"\g<before>{MASK}@", text)
    text = ALONE.sub(rf"\g<before>{MASK}@", text)
    text = CARRIED.sub(lambda found: f"{found['bearer'] or found['scheme']} {MASK}", text)
    for pattern in (AUTHORIZED, QUOTED, ASSIGNED, LINE):
        text = pattern.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if _PLAIN.fullmatch(value) and not (_PASS.search(name) and re.search(r"\d", value)):
        return found[0]
    return f"{name}{found['sign']}{MASK}"

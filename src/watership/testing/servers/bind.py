"""A private BIND: the authority of one zone, which takes updates that are signed with its key; or one beside it."""

from __future__ import annotations

import base64
import os
import pwd
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find, group_of

PLACES = ("/usr/sbin", "/opt/homebrew/opt/bind/sbin", "/usr/local/opt/bind/sbin")
KEY = "watership"
ALGORITHM = "hmac-sha256"
OWN_USER = "bind"
"""Of Debian's package; BIND needs no more than to write into its folder."""

AUTHORITATIVE = b"\x84\0"
"""How an answer is flagged that is no error, and the authority's own."""

SETTINGS = {"recursion": "no", "dnssec-validation": "no", "listen-on-v6": "{ none; }", "pid-file": "none"}
ZONE = """\
$TTL 300
@ IN SOA ns1 admin 1 3600 600 86400 30
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.1
{records}
"""


class BindServer(Server):
    """`named` for one zone. `records` are lines of the zone as it begins; `of`: it follows that primary.

    `conf` holds options, such as `recursion`. `secret` signs updates and transfers, with the key `watership`.
    """

    name = "bind"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        conf: Mapping[str, str] | None = None,
        zone: str = "example.test",
        records: Sequence[str] = (),
        of: BindServer | None = None,
    ) -> None:
        self.program = find("named", PLACES, package="bind9", formula="bind")
        super().__init__(folder, conf=SETTINGS | dict(conf or {}))
        self.port = free_port()
        self.zone = zone
        self.records = tuple(records)
        self.primary = of
        self.secret: str = of.secret if of else base64.b64encode(secrets.token_bytes(32)).decode()
        self.followers: list[BindServer] = []
        if of is not None:
            of.followers.append(self)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def user(self) -> str | None:
        """The package's own user when we are root, and there is one."""
        if os.geteuid() != 0 or OWN_USER not in {each.pw_name for each in pwd.getpwall()}:
            return None
        return OWN_USER

    def prepare(self) -> None:
        """Write the configuration; the zone itself only once, since updates change it."""
        start = self.folder / "zone.db"
        if self.primary is None and not start.exists():
            start.write_text(ZONE.format(records="\n".join(self.records)))
        (self.folder / "named.conf").write_text(self._configuration())
        if self.user is not None:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, pwd.getpwnam(self.user).pw_uid, group_of(self.user) or 0)

    def command(self) -> Sequence[str | Path]:
        return [self.program, "-g", "-n", "1", "-c", self.folder / "named.conf"]

    def answers(self) -> bool:
        """Whether it says, as its authority, where the zone begins: one that follows has fetched it then."""
        labels = b"".join(bytes([len(each)]) + each.encode() for each in self.zone.split("."))
        question = b"\0\0\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\6\0\1"
        said = answer(self.port, len(question).to_bytes(2, "big") + question, 10)
        flags, answers = said[4:6], said[8:10]
        return flags == AUTHORITATIVE and answers == b"\0\1"

    def _configuration(self) -> str:
        options = {
            "directory": f'"{self.folder}"',
            "listen-on": f"port {self.port} {{ {LOOPBACK}; }}",
            "session-keyfile": f'"{self.folder}/session.key"',
            "allow-transfer": f"{{ key {KEY}; }}",
            "notify": "explicit",
            "notify-delay": "0",
            "also-notify": "{ " + " ".join(f"{LOOPBACK} port {each.port};" for each in self.followers) + " }",
        }
        kind = (
            f"type primary; update-policy {{ grant {KEY} zonesub ANY; }};"
            if self.primary is None
            else f"type secondary; primaries {{ {LOOPBACK} port {self.primary.port} key {KEY}; }};"
        )
        return f"""\
options {{
{chr(10).join(f"    {name} {value};" for name, value in (options | self.conf).items())}
}};
controls {{ }};
key {KEY} {{ algorithm {ALGORITHM}; secret "{self.secret}"; }};
zone "{self.zone}" {{ {kind} file "{self.folder}/zone.db"; }};
"""

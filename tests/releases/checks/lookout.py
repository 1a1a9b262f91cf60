"""A host of a test, and the firewall before it: `python lookout.py RULES nc -z -v -w SECONDS HOST PORT`.

It knocks and says what nc of OpenBSD says. RULES is a file of lines `PORT drop` or `PORT reject`, for what the firewall
does not let through; nobody's own firewall is changed for a test.
"""

import socket
import sys
from pathlib import Path


def main(rules: str, *words: str) -> int:
    *_, host, port = words
    assert words[:4] == ("nc", "-z", "-v", "-w"), words
    does = dict(line.split() for line in Path(rules).read_text().splitlines()).get(port, "let through")
    place = f"connect to {host} port {port} (tcp)"
    if does == "drop":
        sys.stderr.write(f"nc: {place} timed out: Operation now in progress\n")
        return 1
    try:
        if does == "reject":
            raise ConnectionRefusedError
        socket.create_connection((host, int(port)), float(words[4])).close()
    except ConnectionRefusedError:
        sys.stderr.write(f"nc: {place} failed: Connection refused\n")
        return 1
    sys.stderr.write(f"Connection to {host} {port} port [tcp/*] succeeded!\n")
    return 0


def run(rules: Path) -> str:
    """The fact `run` of such a host."""
    return f"{sys.executable} -S -E {__file__} {rules}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

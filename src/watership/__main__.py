"""`python -m watership` and the command `watership`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit code says how it went (see `watership --help`)."""
    from watership.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

"""The embedded proxy as a process."""

from __future__ import annotations

import argparse
import sys

from watership.adapters.helm.process import main
from watership.adapters.proxy.server import EmbeddedProxy
from watership.adapters.structlog.observer import StructlogObserver


def front(options: argparse.Namespace) -> EmbeddedProxy:
    return EmbeddedProxy(
        options.state,
        listen=options.listen,
        control=options.control,
        observer=StructlogObserver(form="json"),
        grace_seconds=options.grace,
    )


if __name__ == "__main__":
    sys.exit(main("watership.adapters.proxy", str(__doc__), front))

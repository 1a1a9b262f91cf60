"""What the running processes say of the interpreter they run on, and what they show to whom they should not."""

from __future__ import annotations

import re

from watership.errors import Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found

PYTHON = re.compile(r'^python_info\{[^}]*\bversion="([0-9.]+)[^"]*"[^}]*\} 1(?:\.0)?$', re.MULTILINE)

TRACES = ("Traceback (most recent call last)", "werkzeug", "DebuggedApplication", "DEBUG = True")
"""What only a service shows that helps who debugs it."""

GONE = (401, 403, 404, 405)
"""How a page for debugging is answered that is not there, or not for everybody."""


@check("runtime.version", good_for="24h", fix="Deploy next on a Python that is maintained.")
async def version(scene: Scene, *, of: str, at_least: str = "3.11", path: str = "/metrics") -> Finding:
    """Every address of `of` runs on Python `at_least` or newer, as its own metric python_info says."""
    least = _numbers(at_least)
    told: dict[str, str] = {}
    for url in await scene.urls(of):
        answer = await scene.fetch(of, url + path)
        there = PYTHON.search(answer.body.decode(errors="replace"))
        if answer.status != 200 or there is None:
            raise Unavailable(
                f"{url}{path} answered {answer.status} and does not tell its Python (python_info)."
            )
        told[url] = there[1]
    old = [f"{url} runs on Python {number}" for url, number in told.items() if _numbers(number) < least]
    words = f"{len(told)} address(es) run on Python {', '.join(sorted(set(told.values())))}; {at_least} is wanted."
    return found(not old, f"{'; '.join(old)}; {at_least} is wanted." if old else words)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split(".") if word)


@check("runtime.no_debug", good_for="24h", fix="Turn debugging off, and deploy again.")
async def no_debug(scene: Scene, *, of: str, paths: str) -> Finding:
    """No address of `of` serves one of the `paths` (commas between) that only debugging has, or shows where its code
    failed to who asks for them."""
    wrong = []
    urls = await scene.urls(of)
    for url in urls:
        for path in listed(paths):
            answer = await scene.fetch(of, url + path)
            text = answer.body.decode(errors="replace")
            if answer.status not in GONE:
                wrong.append(f"{url}{path} answers {answer.status}")
            elif trace := next((each for each in TRACES if each in text), ""):
                wrong.append(f"{url}{path} shows '{trace}'")
    words = f"{len(urls)} address(es) serve none of {paths}, and show no trace of their code."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words)

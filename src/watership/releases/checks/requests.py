"""Requests over HTTP, to the release's own two sides and to any system that answers."""

from __future__ import annotations

import msgspec

from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, failed, found
from watership.releases.ports import ProbeAnswer


@check("http.answers", good_for="1h")
async def answers(
    scene: Scene,
    *,
    of: str,
    path: str = "/",
    status: str = "200",
    header: str = "",
    contains: str = "",
    equals: str = "",
    within: float = 5.0,
) -> Finding:
    """Every address of `of` (live, next, or a system) answers GET `path` with one of `status` (commas between).

    `header`: "Name" must be there, "Name: text" must contain the text. `contains`: the body does. `equals`:
    "a.b=value" of a JSON body, several with commas between.
    """
    wrong: list[str] = []
    urls = await scene.urls(of)
    for url in urls:
        answer = await scene.fetch(of, url + path, timeout=within)
        wrong += [f"{url}{path}: {words}" for words in faults(answer, status, header, contains, equals)]
    return found(
        not wrong, "; ".join(wrong) or f"{', '.join(each + path for each in urls)} answered as wanted."
    )


async def sent_to(scene: Scene, method: str, of: str, path: str, body: object = None) -> ProbeAnswer:
    """A request to the first address of `of`, with `body` as JSON and the headers of the system of that name."""
    system = scene.systems.get(of)
    headers = system.sent(scene.look.secrets) if system is not None else {}
    content = None if body is None else msgspec.json.encode(body)
    if content is not None:
        headers = {"content-type": "application/json", **headers}
    url = (await scene.urls(of))[0] + path
    return await scene.look.http.request(method, url, body=content, headers=headers)


def faults(answer: ProbeAnswer, status: str, header: str, contains: str, equals: str) -> list[str]:
    """What an answer lacks, in words."""
    if str(answer.status) not in listed(status):
        return [f"answered {answer.status}, not {status}: {excerpt(answer.body)}"]
    wrong = []
    if header:
        name, _, wanted = (part.strip() for part in header.partition(":"))
        value = answer.headers.get(name.lower())
        if value is None:
            wrong.append(f"has no header {name}")
        elif wanted.casefold() not in value.casefold():
            wrong.append(f"{name} is '{excerpt(value)}', which has no '{wanted}'")
    if contains and contains not in answer.body.decode(errors="replace"):
        wrong.append(f"does not contain '{contains}'")
    return wrong + [words for each in listed(equals) if (words := _unequal(answer, each)) is not None]


def _unequal(answer: ProbeAnswer, wanted: str) -> str | None:
    path, _, value = wanted.partition("=")
    try:
        there = at(msgspec.json.decode(answer.body), path)
    except msgspec.DecodeError:
        return "is no JSON"
    except LookupError:
        return f"has no '{path}'"
    shown = there if isinstance(there, str) else msgspec.json.encode(there).decode()
    return None if shown == value else f"'{path}' is {excerpt(shown)}, not {value}"


def at(value: object, path: str) -> object:
    """What stands in JSON at `a.b.0.c`. Raises LookupError."""
    for word in path.split("."):
        if isinstance(value, dict):
            value = value[word]
        elif isinstance(value, list) and word.isdigit():
            value = value[int(word)]
        else:
            raise LookupError(path)
    return value


@check("http.refuses", good_for="24h")
async def refuses(
    scene: Scene, *, of: str, path: str, method: str = "GET", status: str = "401,403"
) -> Finding:
    """Without our credentials every address of `of` refuses the request with one of `status`."""
    wrong = []
    urls = await scene.urls(of)
    for url in urls:
        answer = await scene.look.http.request(method, url + path)
        if str(answer.status) not in listed(status):
            wrong.append(f"{method} {url}{path} answered {answer.status}, not {status}")
    if wrong:
        return failed("; ".join(wrong) + ".")
    return found(True, f"{method} {path} was refused by {len(urls)} address(es).")

"""Egress is the way out for tools that are given a URL: judged, resolved, checked, and asked at that very address."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final
from urllib.parse import urljoin

import httpx2
import msgspec

from watership.agents.egress import EgressRules, Refused, Target
from watership.agents.permits import permits
from watership.errors import Unavailable

SECONDS: Final = 15.0
"""Of one exchange, redirects and all: a page that takes longer is of no use to a model that waits for it."""

ANSWER_BYTES: Final = 512 * 1024
"""Of an answer: a journal takes twice that of one value, and a model reads less."""

REDIRECTS: Final = 5
"""More of them are a circle."""

NAMED_ONCE: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that say where a request goes or ends; a caller that could set them would choose both."""

TO_ONE_HOST: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that are not carried over to another host."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses that a host stands for."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status. `url` is where the redirects led to."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


async def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses by the system's resolver. Raises Unavailable."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as reason:
        raise Unavailable(f"The host {host} cannot be found: {reason}.") from reason
    return [str(entry[4][0]) for entry in found]


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


class Egress:
    """Asks the hosts that it was given and no others; without one, nobody.

        web = Egress(["en.wikipedia.org"])

        @tool(effect="pure", reads="untrusted", acts=True)
        async def read_page(url: str) -> str:
            return (await web.get(url)).text

    A request goes to the address that was checked, whatever the name stands for a moment later. Each redirect is judged
    as a new URL. Raises Refused, with nothing sent; Unavailable for no answer, a late one or one too large.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        *,
        ports: Iterable[int] = (),
        inside: Iterable[str] = (),
        seconds: float = SECONDS,
        answer_bytes: int = ANSWER_BYTES,
        resolve: Resolve = resolved,
    ) -> None:
        """`ports`: beside 80 for http and 443 for https. `inside`: networks of one's own that may be reached."""
        self.rules = EgressRules(hosts=tuple(hosts), ports=frozenset(ports), inside=tuple(inside))
        self._seconds = seconds
        self._answer_bytes = answer_bytes
        self._resolve = resolve

    async def get(self, url: str, *, headers: Mapping[str, str] = {}) -> Page:
        return await self.request("GET", url, headers=headers)

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Page:
        """One exchange. Redirects are followed for GET and HEAD; for others the redirect is the answer."""
        if wrong := NAMED_ONCE & {name.lower() for name in headers}:
            raise Refused(f"The header {min(wrong)} is not the caller's to set.")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(method, url, body, dict(headers))
        except TimeoutError:
            raise Unavailable(f"{method} {url} took longer than {self._seconds:g} s.") from None

    async def _follow(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Page:
        for _ in range(1 + REDIRECTS):
            target = self.rules.target(url, permits().hosts)
            page = await self._ask(method, url, target, body, headers)
            onward = page.headers.get("location")
            if onward is None or not 300 <= page.status < 400 or method not in ("GET", "HEAD"):
                return page
            url = urljoin(url, onward)
            if self.rules.target(url, permits().hosts).authority != target.authority:
                headers = {name: value for name, value in headers.items() if name.lower() not in TO_ONE_HOST}
        raise Unavailable(f"{method} {url}: more than {REDIRECTS} redirects.")

    async def _ask(
        self, method: str, url: str, target: Target, body: bytes | None, headers: Mapping[str, str]
    ) -> Page:
        """Ask at the address that was checked, under the name that was asked for, by TLS as well."""
        there = [target.host] if target.is_address else await self._resolve(target.host, target.port)
        address = self.rules.check(target.host, there)
        bare = f"[{address}]" if ":" in address else address
        # No proxy of the environment: it would resolve the name anew. No connection is kept: each is checked by itself.
        client = httpx2.AsyncClient(timeout=self._seconds, trust_env=False, verify=_certificates())
        try:
            async with (
                client,
                client.stream(
                    method,
                    f"{target.scheme}://{bare}:{target.port}{target.path}",
                    content=body,
                    headers={"accept-encoding": "identity", **headers, "host": target.authority},
                    extensions={"sni_hostname": target.host},
                ) as response,
            ):
                return Page(
                    status=response.status_code,
                    url=url,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await self._read(url, response),
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(
                f"{method} {url} got no answer: {str(error) or type(error).__name__}."
            ) from error

    async def _read(self, url: str, response: httpx2.Response) -> bytes:
        """The body as it comes, packed or not: unpacking could make any size of it."""
        content = b""
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > self._answer_bytes:
                raise Unavailable(f"{url} answered with more than {self._answer_bytes:,} bytes.")
        return content

"""The way out for tools: whatever the URL, the name or the redirect, no packet leaves for where none may go."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest

from watership.adapters.http.egress import Egress
from watership.agents.egress import EgressRules, Refused, is_public
from watership.agents.permits import Permits, use_permits
from watership.errors import BadInput, Unavailable

LOOPBACK = ("127.0.0.1/32",)

# --- a trap at the level of connecting: the interpreter tells of every connection and every look-up ----------

_trapped: list[tuple[str, Any]] = []
_armed: list[bool] = []


def _hook(event: str, arguments: Any) -> None:
    if _armed and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        _trapped.append((event, arguments[1] if event == "socket.connect" else arguments[0]))


sys.addaudithook(_hook)


@contextmanager
def trap() -> Iterator[list[tuple[str, Any]]]:
    """What was connected to, or looked up, inside the block."""
    _trapped.clear()
    _armed.append(True)
    try:
        yield _trapped
    finally:
        _armed.clear()


class Names:
    """A resolver whose names change from one question to the next, as an attacker's do."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


# --- what is refused by the URL alone, or by what its host stands for ----------

INWARD = [
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./", "http://0/", "http://0.0.0.0/",
    "http://00.0.0.0/", "http://127.0.0.01/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/",
    "http://100.64.0.1/", "http://100.100.100.200/latest/meta-data/", "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/", "http://0xa9fea9fe/", "http://0xA9.0xFE.0xA9.0xFE/", "http://0251.0376.0251.0376/",
    "http://168.63.129.16/machine", "http://198.18.0.1/", "http://224.0.0.1/", "http://239.1.2.3/", "http://240.0.0.1/",
    "http://255.255.255.255/", "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[::ffff:169.254.169.254]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/", "http://[64:ff9b:1::a00:1]/", "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[fe80::1]/",
    "http://[fe80::1%25lo]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[fec0::1]/", "http://[ff02::1]/",
    "http://[2001:db8::1]/", "http://[100::1]/",
    "http://a@127.0.0.1/", "http://good.example@127.0.0.1/", "http://user:word@good.example/",
    "http://good.example\\@127.0.0.1/", "http://good.example#@127.0.0.1/x y", "http:///", "http://", "//127.0.0.1/",
    "/etc", "file:///etc/passwd", "ftp://good.example/", "gopher://127.0.0.1:6379/_FLUSHALL", "dict://127.0.0.1:11211/",
    "HTTP+UNIX://x/", "data:text/plain,x", "javascript:alert(1)", "http://good.example:22/", "https://good.example:6379/",
    "http://good.example:0/", "http://good.example:99999/", "http://good.example:8O/", "http://①②⑦.0.0.1/",
    "http://ｌocalhost/", "http://good.example\n.evil/", "http://good.example\t/", "http://[::1", "http://exa_mple/",
    "http://-a.example/", "http://a..example/", "http://%31%32%37.0.0.1/", "http://good.example/" + "x" * 2_048,
]  # fmt: skip


async def test_every_url_that_leads_inward_or_may_be_read_in_two_ways_is_refused_and_no_packet_leaves() -> (
    None
):
    web, refused = Egress(["*"], resolve=Names(["93.184.216.34"])), 0
    with trap() as trapped:
        for url in INWARD:
            with pytest.raises(Refused):
                await web.get(url)
            refused += 1
    assert refused == len(INWARD) >= 30
    assert trapped == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::1"],
        ["93.184.216.34", "::ffff:10.0.0.1"],
        ["fe80::1%lo"],
        ["64:ff9b::a9fe:a9fe"],
        [],
    ],
)
async def test_a_name_is_refused_if_any_of_its_addresses_is_not_public(addresses: list[str]) -> None:
    web = Egress(["good.example"], resolve=Names(addresses))
    with trap() as trapped, pytest.raises(Refused):
        await web.get("https://good.example/")
    assert trapped == []


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ([], "https://good.example/"),
        (["good.example"], "https://evil.example/"),
        (["good.example"], "https://good.example.evil.example/"),
        (["good.example"], "https://sub.good.example/"),
        (["*.good.example"], "https://good.example/"),
        (["*.good.example"], "https://evilgood.example/"),
    ],
)
async def test_a_host_that_is_not_named_is_not_even_looked_up(hosts: list[str], url: str) -> None:
    names = Names(["93.184.216.34"])
    with trap() as trapped, pytest.raises(Refused, match="not allowed"):
        await Egress(hosts, resolve=names).get(url)
    assert (names.asked, trapped) == ([], [])


async def test_what_whoever_runs_the_agents_permits_holds_besides() -> None:
    before = use_permits(Permits(hosts=("other.example", "*.good.example")))
    try:
        with trap() as trapped, pytest.raises(Refused, match="not allowed here"):
            await Egress(["*"], resolve=Names(["93.184.216.34"])).get("https://good.example/")
        assert trapped == []
        rules = EgressRules(hosts=("*",))
        assert rules.target("https://a.good.example/x?y=1", ("*.good.example",)).path == "/x?y=1"
    finally:
        use_permits(before)


def test_a_rule_that_names_nothing_is_refused() -> None:
    for wrong in ("http://good.example", "*good.example", "", "127.1"):
        with pytest.raises(BadInput):
            Egress([wrong])
    with pytest.raises(BadInput):
        Egress(["*"], inside=["here"])


def test_public_hosts_are_public() -> None:
    from ipaddress import ip_address

    for each in ("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"):
        assert is_public(ip_address(each))


# --- over a real connection ----------


class Site:
    """A real server that answers each path by a raw answer, and keeps what it was asked."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        path = head.split(" ")[1].strip("/").partition("?")[0]
        answer = self.answers.get(path, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        writer.write(answer.replace(b"PORT", str(self.port).encode()))
        with suppress(ConnectionError):  # it had enough
            await writer.drain()
            if path == "silent":
                await reader.read()
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Site]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.02)  # connections that were cut end in the loop's next rounds


def to(where: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode()


def out(site: Site, *names: Sequence[str], **facts: Any) -> Egress:
    usual: dict[str, Any] = {
        "ports": [site.port],
        "inside": LOOPBACK,
        "resolve": Names(*names or (["127.0.0.1"],)),
    }
    return Egress(["good.example", "other.example"], **(usual | facts))


async def test_the_request_goes_to_the_checked_address_under_the_hosts_own_name() -> None:
    async with Site().open() as site:
        with trap() as trapped:
            page = await out(site).get(f"http://good.example:{site.port}/a?b=c", headers={"x-key": "k"})
        assert (page.status, page.text) == (200, "hi")
        assert trapped == [("socket.connect", ("127.0.0.1", site.port))]
        assert f"host: good.example:{site.port}" in site.asked[0].lower() and "/a?b=c" in site.asked[0]


async def test_a_name_that_stands_for_something_else_a_moment_later_is_asked_at_the_address_that_was_checked() -> (
    None
):
    async with Site().open() as site:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        web = out(site, resolve=names)
        with trap() as trapped:
            assert (await web.get(f"http://good.example:{site.port}/")).text == "hi"
            # The next request looks it up again, and judges what it finds.
            with pytest.raises(Refused):
                await web.get(f"http://good.example:{site.port}/")
        assert names.asked == ["good.example", "good.example"]
        assert trapped == [("socket.connect", ("127.0.0.1", site.port))]


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:PORT/",
        "http://evil.example:PORT/",
        "//169.254.169.254/latest",
        "http://[::1]:PORT/",
        "http://2130706433:PORT/",
        "file:///etc/passwd",
        "http://good.example:22/",
        "http://a@good.example:PORT/",
    ],
)
async def test_a_redirect_is_judged_as_a_new_url(where: str) -> None:
    async with Site(go=to(where)).open() as site:
        with trap() as trapped, pytest.raises(Refused):
            await out(site).get(f"http://good.example:{site.port}/go")
        assert len(site.asked) == 1 and len(trapped) == 1


async def test_a_redirect_to_a_name_that_was_rebound_is_refused() -> None:
    async with Site(go=to("http://good.example:PORT/")).open() as site:
        web = out(site, ["127.0.0.1"], ["169.254.169.254"])
        with trap() as trapped, pytest.raises(Refused, match="not of the public net"):
            await web.get(f"http://good.example:{site.port}/go")
        assert len(trapped) == 1


async def test_redirects_are_followed_as_far_as_they_lead_somewhere_and_credentials_stay_at_home() -> None:
    async with Site(
        go=to("http://other.example:PORT/there"), round=to("/round"), rel=to("there")
    ).open() as site:
        base = f"http://good.example:{site.port}"
        page = await out(site).get(f"{base}/go", headers={"Authorization": "Bearer t", "x-plain": "p"})
        assert page.url == f"http://other.example:{site.port}/there"
        assert "Bearer t" in site.asked[0] and "Bearer t" not in site.asked[1] and "x-plain" in site.asked[1]
        assert (await out(site).get(f"{base}/rel")).url == f"{base}/there"
        assert (await out(site).request("POST", f"{base}/go", body=b"x")).status == 302
        with pytest.raises(Unavailable, match="redirects"):
            await out(site).get(f"{base}/round")


async def test_an_answer_that_is_too_large_too_late_or_none_is_no_answer() -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n" + b"x" * 99_999
    async with Site(large=endless, silent=b"", broken=b"nonsense\r\n\r\n").open() as site:
        base = f"http://good.example:{site.port}"
        with pytest.raises(Unavailable, match=r"more than 1,000 bytes"):
            await out(site, answer_bytes=1_000).get(f"{base}/large")
        with pytest.raises(Unavailable):
            await out(site, seconds=0.05).get(f"{base}/silent")
        with pytest.raises(Unavailable, match="no answer"):
            await out(site).get(f"{base}/broken")


async def test_tls_asks_for_the_host_by_its_name_although_it_connects_to_an_address() -> None:
    hellos: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(4_096))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    web = Egress(["good.example"], ports=[port], inside=LOOPBACK, resolve=Names(["127.0.0.1"]))
    with pytest.raises(Unavailable):
        await web.get(f"https://good.example:{port}/")
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.02)
    assert b"good.example" in hellos[0]


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
async def test_a_caller_does_not_say_by_headers_where_a_request_goes_or_ends(name: str) -> None:
    with trap() as trapped, pytest.raises(Refused):
        await Egress(["good.example"]).get("http://good.example/", headers={name: "evil.example"})
    assert trapped == []

"""AWS is asked by its Query API and by S3's listing: signed requests over HTTP, answered in XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, urlencode
from xml.etree.ElementTree import Element, ParseError, fromstring

import msgspec
from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.signature import Key, signed
from watership.releases.measurement import excerpt
from watership.releases.ports import ProbeAnswer

PAGES: Final = 100
"""Of a listing: 100,000 objects of S3. What has more is asked for too widely."""

FORM: Final[dict[str, str]] = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


class Service(Struct, frozen=True):
    """A service, as signatures call it, and the version of its API that we speak."""

    name: str
    version: str


async def queried(scene: Scene, of: str, service: Service, action: str, given: Mapping[str, str]) -> Element:
    """What the action of a service answers. Raises Unavailable in the service's own words when it refuses."""
    url = scene.address(of).rstrip("/") + "/"
    body = urlencode({"Action": action, "Version": service.version, **given}).encode()
    own = FORM | _session(scene, of)
    headers = signed(_key(scene, of, service.name), "POST", url, at=scene.sent_at(), headers=own, body=body)
    answer = await scene.look.http.request("POST", url, body=body, headers=headers)
    return _told(of, action, answer)


async def called(scene: Scene, of: str, service: Service, target: str, given: Mapping[str, str]) -> object:
    """What a service that speaks JSON answers to a call. Raises Unavailable, in its own words, when it refuses."""
    system = scene.system(of)
    url = scene.address(of).rstrip("/") + "/"
    body = msgspec.json.encode(given)
    wanted = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    headers = signed(
        _key(scene, of, service.name), "POST", url, at=scene.sent_at(), headers=wanted, body=body
    )
    answer = await scene.look.http.request(
        "POST", url, body=body, headers={**system.sent(scene.look.secrets), **headers}
    )
    return json_of(of, f" ({target})", answer)


async def listed_objects(scene: Scene, of: str, prefix: str) -> list[Element]:
    """The objects below a prefix of a bucket (ListObjectsV2); the URL of the system `of` ends in the bucket's name.

    Signed where the system has a secret; a store that lets everybody read is asked as it is.
    """
    found: list[Element] = []
    token = ""
    for _ in range(PAGES):
        query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
        url = f"{scene.address(of).rstrip('/')}?{urlencode(query, quote_via=quote)}"
        answer = await scene.look.http.request("GET", url, headers=_signed_get(scene, of, url))
        tree = _told(of, "ListObjectsV2", answer)
        found += every(tree, "Contents")
        if text(tree, "IsTruncated") != "true":
            return found
        token = text(tree, "NextContinuationToken")
    raise BadInput(
        f"{of} has more than {PAGES} pages of objects below '{prefix}'.", fix="Name a narrower prefix."
    )


def every(tree: Element, *path: str) -> list[Element]:
    """The elements at a path of names, whatever their namespace."""
    found = [tree]
    for name in path:
        found = [child for each in found for child in each if _local(child) == name]
    return found


def text(tree: Element, *path: str) -> str:
    """The text of the first element at a path; empty without one."""
    return next(((each.text or "").strip() for each in every(tree, *path)), "")


def texts(trees: Iterator[Element] | list[Element], *path: str) -> list[str]:
    return [text(each, *path) for each in trees]


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _signed_get(scene: Scene, of: str, url: str) -> dict[str, str]:
    """The headers of a listing; none where the system has no secret."""
    if not scene.system(of).secret:
        return {}
    return signed(_key(scene, of, "s3"), "GET", url, at=scene.sent_at(), headers=_session(scene, of))


def _session(scene: Scene, of: str) -> dict[str, str]:
    """The token that goes with a key for a time, as roles get them: the fact `token` says where it is."""
    reference = str(scene.system(of).facts.get("token", ""))
    return {"x-amz-security-token": scene.look.secrets.read(reference)} if reference else {}


def _key(scene: Scene, of: str, service: str) -> Key:
    system = scene.system(of)
    if not system.secret:
        raise BadInput(
            f"The system '{of}' has no secret to sign with.", fix="Add: secret: env:AWS_SECRET_ACCESS_KEY"
        )
    return Key(
        id=scene.fact(of, "key"),
        secret=scene.look.secrets.read(system.secret),
        region=scene.fact(of, "region"),
        service=service,
    )


def _told(of: str, action: str, answer: ProbeAnswer) -> Element:
    if answer.status != 200:
        raise Unavailable(f"{of} answered {action} with {answer.status}: {excerpt(answer.body, 300)}")
    try:
        return _parsed(answer.body)
    except ParseError as error:
        raise Unavailable(f"{of} answered {action} with what is no XML: {error}.") from error


def _parsed(body: bytes) -> Element:
    """Without a document type: entities, the danger of XML, are declared in one, and no answer of AWS has it."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ParseError("it declares a document type")
    return fromstring(body)  # noqa: S314 - without a document type there is nothing to expand

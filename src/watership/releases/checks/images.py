"""Images are looked up in their registry, by the digest that was planned, and in the report of their scan."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from watership.errors import BadInput, NotFound, Unavailable
from watership.fleet.identity import is_loopback
from watership.releases.book.quantity import listed
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.registry import (
    ACCEPT,
    BASE_DIGEST,
    BASE_NAME,
    Blob,
    ImageConfig,
    Manifest,
    Recorded,
    manifest,
    recorded,
    reference,
)
from watership.releases.checks.reports import report as read
from watership.releases.checks.reports import too_old
from watership.releases.checks.scanners import SEVERITIES, trivy
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Documents
from watership.releases.measurement import Finding, failed, found, inconclusive
from watership.releases.ports import ProbeAnswer
from watership.releases.readiness.checklist import Checklist, Point, points_of

MB: Final = 1_000_000

AT_ONCE: Final = 8
"""Blobs that are asked for at a time."""

MOVED: Final = (301, 302, 303, 307, 308)
"""A registry sends a blob from elsewhere."""

AGAIN: Final = "watership release plan BUILD, and have that signed"

PLAIN_HOST: Final = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?")
"""A host that every parser reads alike: without a name and a password before it."""

PUSH: Final = "docker buildx build --push --metadata-file evidence/image.json"


@check("image.pushed", adapted=True, good_for="24h", fix=PUSH)
async def pushed(scene: Scene, *, of: str, record: str, side: str = "next") -> Finding:
    """The registry `of` has the image of `side` (live or next), whole: every manifest with the bytes of its digest, and
    every blob. The image is the one that was planned; the `record` of the build is of the side's version."""
    written = await _record(scene, record)
    if (strange := _strange(scene, written, record, side)) is not None:
        return strange
    digest = await _meant(scene, record, side)
    try:
        images = await _images(scene, of, digest)
    except NotFound as error:
        return failed(f"The image is not whole: {error}.")
    blobs = {blob.digest: blob for image in images for blob in _blobs(image)}
    lost = await _lost(scene, of, blobs)
    words = f"{of} has {digest}, {len(images)} image(s) of {len(blobs)} blobs."
    return found(not lost, f"Of {digest} are missing: {', '.join(lost)}." if lost else words, digest=digest)


@check("image.recorded", adapted=True, good_for="24h", fix=AGAIN)
async def kept(scene: Scene, *, of: str, record: str, side: str = "next") -> Finding:
    """The digest in `record` is the one that was planned, and what the registry `of` has under the version's tag now:
    nobody has moved it since it was signed. Of live, which no plan names an image of, it is the tag's alone."""
    written = await _record(scene, record)
    if (strange := _strange(scene, written, record, side)) is not None:
        return strange
    planned = scene.plan.image if side == "next" else written.digest
    if not planned:
        return inconclusive(f"The plan names no image: it was drawn before {record} was of this version.")
    answer = await _asked(scene, of, "HEAD", f"manifests/{written.tag}")
    if answer.status == 404:
        return failed(f"{of} has no tag {written.tag}.")
    there = answer.headers.get("docker-content-digest", "")
    if not there:
        raise Unavailable(f"{of} does not say which digest {written.tag} has.")
    words = f"{record} has {written.digest}; {written.tag} is {there}; planned is {planned}."
    return found(there == written.digest == planned, words, digest=there)


@check("image.size", adapted=True, good_for="24h", fix="Leave out of the image what it does not need to run.")
async def size(scene: Scene, *, of: str, record: str, megabytes: int) -> Finding:
    """The image of every platform has less than `megabytes` (millions of bytes, as they are pulled)."""
    images = await _images(scene, of, await _meant(scene, record))
    largest = max(sum(blob.size for blob in _blobs(image)) for image in images)
    words = (
        f"The largest of {len(images)} image(s) has {largest / MB:.1f} MB; below {megabytes} MB is wanted."
    )
    return found(largest < megabytes * MB, words, bytes=largest)


@check(
    "image.platforms",
    adapted=True,
    good_for="24h",
    fix="docker buildx build --platform linux/amd64,linux/arm64",
)
async def platforms(scene: Scene, *, of: str, record: str, platforms: str) -> Finding:
    """The image is there for each of `platforms` (os/architecture, commas between)."""
    digest = await _meant(scene, record)
    whole = await _manifest(scene, of, digest)
    there = {each.platform.name for each in whole.images if each.platform}
    if not whole.manifests:
        config = await _config(scene, of, whole)
        there = {f"{config.os}/{config.architecture}"}
    lacking = [each for each in listed(platforms) if each not in there]
    words = f"{digest} is for {', '.join(sorted(there)) or 'no machine'}; {platforms} is wanted."
    return found(not lacking and bool(listed(platforms)), words)


@check("image.base", adapted=True, good_for="24h", fix="Build again: docker buildx build --pull --push")
async def base(scene: Scene, *, of: str, record: str, bases: str) -> Finding:
    """The image was built on what the registry `bases` has now under the name of its base: no patch came since. It
    says so in the annotations or labels org.opencontainers.image.base.name and .digest."""
    old, seen = [], set()
    for image in await _images(scene, of, await _meant(scene, record)):
        told = image.annotations
        if BASE_DIGEST not in told or BASE_NAME not in told:
            told = (await _config(scene, of, image)).labels
        name, digest = told.get(BASE_NAME, ""), told.get(BASE_DIGEST, "")
        if not name or not digest:
            return inconclusive("The image does not say what it was built on.", digest=digest)
        repository, tag = reference(name)
        now = await _asked(scene, bases, "GET", f"manifests/{tag}", repository=repository)
        if now.status != 200:
            raise Unavailable(f"{bases} answered {now.status} for {name}.")
        current = {
            now.headers.get("docker-content-digest", ""),
            *(each.digest for each in manifest(now.body).manifests),
        }
        seen.add(name)
        if digest not in current:
            old.append(
                f"{name} is {now.headers.get('docker-content-digest', 'another')} now, and was {digest}"
            )
    return found(not old, "; ".join(sorted(set(old))) or f"Built on what {', '.join(sorted(seen))} is now.")


@check("image.scanned", good_for="24h", fix="trivy image --format json --output FILE IMAGE@DIGEST")
async def scanned(
    scene: Scene,
    *,
    report: str,
    younger_than: float,
    record: str = "",
    severities: str = "CRITICAL",
    at_most: int = 0,
) -> Finding:
    """Trivy's `report` is of the very digest that was planned (or, where the plan names no image, that is in `record`),
    was made within `younger_than`, and finds `at_most` vulnerabilities and secrets of these `severities`."""
    document = await read(scene, report)
    wanted = [each.casefold() for each in listed(severities)]
    if not wanted or not set(wanted) <= set(SEVERITIES):
        raise BadInput(f"'{severities}' are no severities.", fix=f"Say some of: {', '.join(SEVERITIES)}.")
    scan, digest = trivy(document), await _meant(scene, record)
    wrong = too_old(scene, scan.at, younger_than)
    if digest not in scan.about:
        wrong.append(f"it is of {', '.join(scan.about) or 'no digest'}, not of {digest}")
    bad = [each for each in scan.found if each.severity in wanted]
    if len(bad) > at_most:
        wrong.append(f"{len(bad)} {severities.lower()}: {', '.join(each.what for each in bad[:5])}")
    if scan.unknown and not wrong:
        return inconclusive(f"{report}: {'; '.join(scan.unknown)}.")
    words = "; ".join(wrong) or f"{len(bad)} {severities.lower()} in {digest}"
    return found(not wrong, f"{report}: {words}.", found=len(bad), **marks(document))


async def _meant(scene: Scene, record: str, side: str = "next") -> str:
    """The digest of an image: next's is the one that was planned, for that is what people signed; where the plan names
    none, and of live, it is what the build wrote down in `record`."""
    if side == "next" and scene.plan.image:
        return scene.plan.image
    if not record:
        raise BadInput("The plan names no image, and there is no record of one.", fix=AGAIN)
    return (await _record(scene, record)).digest


async def planned_image(documents: Documents, checklist: Checklist, version: str) -> str:
    """The image that a plan of that version names: the digest in the record that the points about next's image read.

    Empty without such a point, and while the record is not there or of another version. Raises BadInput for several.
    """
    digests = set()
    for record in {path for _, point in points_of(checklist) if (path := _record_of(point))}:
        document = await documents.read(record)
        written = None if document is None else recorded(record, document.content)
        if written is not None and written.tag == version:
            digests.add(written.digest)
    if len(digests) > 1:
        raise BadInput(
            f"The checklist's records are of several images: {', '.join(sorted(digests))}.", fix=PUSH
        )
    return "".join(digests)


def _record_of(point: Point) -> str:
    kind = point.check or ""
    about_next = kind.startswith("image.") and point.parameters.get("side", "next") == "next"
    return str(point.parameters.get("record", "")) if about_next else ""


async def _record(scene: Scene, path: str) -> Recorded:
    document = await scene.look.documents.read(path)
    if document is None:
        raise NotFound(f"There is no {path}.", fix=PUSH)
    return recorded(path, document.content)


def _strange(scene: Scene, written: Recorded, record: str, side: str) -> Finding | None:
    """The failure of a record that is of another version."""
    version = scene.side(side).build.version
    if written.tag == version:
        return None
    return failed(f"{record} is of {written.name}, and {side} is {version}.")


async def _images(scene: Scene, of: str, digest: str) -> list[Manifest]:
    """The manifest of each platform."""
    whole = await _manifest(scene, of, digest)
    if not whole.manifests:
        return [whole]
    if not whole.images:
        raise Unavailable(f"{digest} is an index without an image.")
    return list(await asyncio.gather(*(_manifest(scene, of, each.digest) for each in whole.images)))


async def _manifest(scene: Scene, of: str, digest: str) -> Manifest:
    answer = await _asked(scene, of, "GET", f"manifests/{digest}")
    if answer.status == 404:
        raise NotFound(f"{of} has no manifest {digest}", fix=PUSH)
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} for {digest}.")
    return manifest(answer.body, digest)


async def _config(scene: Scene, of: str, image: Manifest) -> ImageConfig:
    if image.config is None:
        raise Unavailable("The manifest has no configuration.")
    answer = await _asked(scene, of, "GET", f"blobs/{image.config.digest}")
    if answer.status in MOVED:  # to a store that has its own permission in the URL
        answer = await scene.look.http.request("GET", answer.headers["location"])
    try:
        return msgspec.json.decode(answer.body, type=ImageConfig)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered {answer.status} for a configuration: {error}.") from error


async def _lost(scene: Scene, of: str, digests: Collection[str]) -> list[str]:
    """The blobs that are not there."""
    free = asyncio.Semaphore(AT_ONCE)

    async def lost(digest: str) -> bool:
        async with free:
            return not await _has(scene, of, digest)

    answers = await asyncio.gather(*map(lost, digests))
    return [digest for digest, gone in zip(digests, answers, strict=True) if gone]


async def _has(scene: Scene, of: str, digest: str) -> bool:
    answer = await _asked(scene, of, "HEAD", f"blobs/{digest}")
    if answer.status not in (200, 404, *MOVED):
        raise Unavailable(f"{of} answered {answer.status} for {digest}.")
    return answer.status != 404


def _blobs(image: Manifest) -> tuple[Blob, ...]:
    return (*image.layers, *((image.config,) if image.config else ()))


async def _asked(scene: Scene, of: str, method: str, what: str, *, repository: str = "") -> ProbeAnswer:
    """What a registry answers; the way to a token that it names is gone once."""
    base = scene.address(of).rstrip("/")
    url = f"{base}/v2/{repository or scene.fact(of, 'repository')}/{what}"
    own = scene.system(of).sent(scene.look.secrets)
    answer = await scene.look.http.request(method, url, headers={"accept": ACCEPT, **own})
    if answer.status != 401:
        return answer
    token = await _token(scene, of, answer.headers.get("www-authenticate", ""), own)
    return await scene.look.http.request(
        method, url, headers={"accept": ACCEPT, "authorization": f"Bearer {token}"}
    )


async def _token(scene: Scene, of: str, challenge: str, own: dict[str, str]) -> str:
    """A token to pull with, from whom the registry's challenge names: Bearer realm="…",service="…",scope="…"."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = asked.pop("realm", "")
    if not challenge.casefold().startswith("bearer") or not realm:
        raise Unavailable(f"{of} does not let us in, and names no way to a token.")
    if own:
        _require_own(scene, of, realm)
    answer = await scene.look.http.request("GET", f"{realm}?{urlencode(asked)}", headers=own)
    told = msgspec.json.decode(answer.body, type=dict[str, object]) if answer.status == 200 else {}
    token = told.get("token") or told.get("access_token")
    if not isinstance(token, str):
        raise Unavailable(f"{realm} answered {answer.status}, and gave no token.")
    return token


def _require_own(scene: Scene, of: str, realm: str) -> None:
    """Whoever a challenge names gets our credentials only if it is the registry itself, or systems.yaml says so."""
    parts = urlsplit(realm)
    if not PLAIN_HOST.fullmatch(parts.netloc) or parts.scheme not in ("http", "https"):
        raise BadInput(f"{of} wants its credentials sent to {realm!r}, which is no address.")
    host = parts.hostname or ""
    if parts.scheme != "https" and not is_loopback(host):
        raise BadInput(
            f"{of} wants its credentials sent to {realm}, where everybody on the way could read them.",
            fix="Let the registry name a realm with https.",
        )
    own = urlsplit(scene.system(of).url).hostname or ""
    if not kin(host, own) and realm not in listed(str(scene.system(of).facts.get("realm", ""))):
        raise BadInput(
            f"{of} wants its credentials sent to {realm}, which is not {own}.",
            fix=f'If that is right, add to the facts of {of} in systems.yaml: realm: "{realm}"',
        )


def kin(one: str, other: str) -> bool:
    """Whether hosts are the same, or one is a domain of the other.

    Neighbours are not: nobody here knows which domains give names to everybody.
    """
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return "." in short and not short[-1].isdigit() and long.endswith(f".{short}")

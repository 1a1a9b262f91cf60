"""A registry's manifests say what an image is made of: for which machines, of which blobs, on which base."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

from watership.errors import BadInput, Unavailable

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT: Final = ", ".join((*INDEXES, *MANIFESTS))

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

Digest = Annotated[str, Meta(pattern=f"^{DIGEST.pattern}$")]

BASE_NAME: Final = "org.opencontainers.image.base.name"
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"


class Platform(Struct, frozen=True):
    os: str = ""
    architecture: str = ""

    @property
    def name(self) -> str:
        return f"{self.os}/{self.architecture}"


class Blob(Struct, frozen=True, rename="camel"):
    """What a manifest refers to: a layer, a configuration, or, in an index, another manifest."""

    digest: Digest
    size: int
    media_type: str = ""
    platform: Platform | None = None


class Manifest(Struct, frozen=True, rename="camel"):
    """An image for one kind of machine (`config` and `layers`), or an index of such (`manifests`)."""

    media_type: str = ""
    config: Blob | None = None
    layers: tuple[Blob, ...] = ()
    manifests: tuple[Blob, ...] = ()
    annotations: dict[str, str] = {}

    @property
    def images(self) -> tuple[Blob, ...]:
        """The manifests that are for machines: what is for none is an attestation of the builder's."""
        return tuple(
            each
            for each in self.manifests
            if each.platform and each.platform.architecture not in ("", "unknown")
        )


class Settings(Struct, frozen=True):
    labels: dict[str, str] | None = field(name="Labels", default=None)


class ImageConfig(Struct, frozen=True):
    """What stands in an image's configuration."""

    os: str = ""
    architecture: str = ""
    config: Settings = Settings()

    @property
    def labels(self) -> dict[str, str]:
        return self.config.labels or {}


class Recorded(Struct, frozen=True):
    """What the build wrote down of the image it pushed, as `docker buildx build --metadata-file` does."""

    digest: Digest = field(name="containerimage.digest")
    name: str = field(name="image.name")

    @property
    def tag(self) -> str:
        return reference(self.name)[1]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def reference(name: str) -> tuple[str, str]:
    """Repository and tag of an image's name, without the registry's host: `python:3.12` is library/python, 3.12."""
    host, slash, rest = name.partition("/")
    if slash and (set(host) & {".", ":"} or host == "localhost"):
        name = rest
    elif not slash:
        name = f"library/{name}"
    repository, _, tag = name.partition("@")[0].partition(":")
    return repository, tag or "latest"


def manifest(content: bytes, digest: str = "") -> Manifest:
    """A manifest, if its bytes are those of `digest`. Raises Unavailable for other bytes, or what is none."""
    if digest and digest_of(content) != digest:
        raise Unavailable(f"The registry gave {digest_of(content)} for {digest}.")
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise Unavailable(f"The registry gave what is no manifest: {error}.") from error


def recorded(path: str, content: bytes) -> Recorded:
    """The record of a build. Raises BadInput."""
    try:
        return msgspec.json.decode(content, type=Recorded)
    except msgspec.DecodeError as error:
        raise BadInput(
            f"{path} is no record of an image: {error}.",
            fix="docker buildx build --push --metadata-file FILE",
        ) from error

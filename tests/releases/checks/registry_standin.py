"""A stand-in for a registry of images (OCI distribution): manifests, blobs, tags, and tokens where it wants one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from watership.releases.checks.registry import BASE_DIGEST, BASE_NAME, INDEXES, MANIFESTS, digest_of
from watership.testing.standin import Answer, Asked, StandIn

TOKEN: Final = "a-token"
BOTH: Final = ("amd64", "arm64")


@dataclass
class Registry:
    """What is kept, by repository and what follows: `manifests/DIGEST`, `blobs/DIGEST`."""

    open: bool = True
    """Else only who shows a token may pull."""
    realm: str = ""
    """Whom it names for a token; itself unless given."""
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def standin(self) -> StandIn:
        return _Everything(self)

    def push(
        self,
        repository: str,
        tag: str,
        *,
        architectures: Sequence[str] = BOTH,
        size: int = 40_000_000,
        base: tuple[str, str] = ("", ""),
        seed: str = "",
    ) -> str:
        """An image of two layers for each machine, under a tag; its digest. `base`: the name and digest it says."""
        children = [self._image(repository, each, size, base, seed) for each in architectures]
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": children}
        return self.put(repository, tag, INDEXES[0], index)

    def put(self, repository: str, tag: str, kind: str, manifest: object) -> str:
        content = msgspec.json.encode(manifest)
        digest = digest_of(content)
        for reference in filter(None, (tag, digest)):
            self.manifests[repository, reference] = (kind, content)
        return digest

    def _image(
        self, repository: str, architecture: str, size: int, base: tuple[str, str], seed: str
    ) -> object:
        labels = dict(zip((BASE_NAME, BASE_DIGEST), base, strict=True)) if base[0] else None
        config = {"os": "linux", "architecture": architecture, "config": {"Labels": labels}, "seed": seed}
        layers = [
            self._blob(repository, f"{seed}{architecture}{number}".encode(), size) for number in range(2)
        ]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFESTS[0],
            "config": self._blob(repository, msgspec.json.encode(config)),
            "layers": layers,
        }
        digest = self.put(repository, "", MANIFESTS[0], manifest)
        platform = {"os": "linux", "architecture": architecture}
        return {"mediaType": MANIFESTS[0], "digest": digest, "size": 500, "platform": platform}

    def _blob(self, repository: str, content: bytes, size: int = 0) -> object:
        """A layer's bytes are few, whatever its descriptor says: nobody pulls them here."""
        digest = digest_of(content)
        self.blobs[repository, digest] = content
        return {"mediaType": "application/octet-stream", "digest": digest, "size": size or len(content)}


class _Everything(StandIn):
    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        parts = urlsplit(asked.path)
        if parts.path == "/token":
            scope = parse_qs(parts.query)["scope"][0]
            return Answer({"token": TOKEN}) if scope.endswith(":pull") else Answer(status=403)
        repository, kind, reference = parts.path.removeprefix("/v2/").rsplit("/", 2)
        if not self._registry.open and asked.headers.get("authorization") != f"Bearer {TOKEN}":
            realm = self._registry.realm or f"{self.url}/token"
            challenge = f'Bearer realm="{realm}",service="registry",scope="repository:{repository}:pull"'
            return Answer({"errors": [{"code": "UNAUTHORIZED"}]}, 401, {"www-authenticate": challenge})
        if kind == "blobs":
            blob = self._registry.blobs.get((repository, reference))
            return Answer(status=404) if blob is None else Answer(blob)
        found = self._registry.manifests.get((repository, reference))
        if found is None or found[0] not in asked.headers.get("accept", ""):
            return Answer({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        return Answer(found[1], 200, {"content-type": found[0], "docker-content-digest": digest_of(found[1])})


def record(digest: str, name: str) -> bytes:
    """What `docker buildx build --metadata-file` writes."""
    return msgspec.json.encode(
        {"containerimage.digest": digest, "image.name": name, "buildx.build.ref": "default/1"}
    )


def scan(
    digest: str, at: datetime, *, severities: Sequence[str] = ("HIGH", "LOW"), results: bool = True
) -> bytes:
    """What Trivy writes of an image."""
    found = [
        {"VulnerabilityID": f"CVE-2026-{number}", "PkgName": "openssl", "Severity": severity}
        for number, severity in enumerate(severities)
    ]
    report = {
        "SchemaVersion": 2,
        "CreatedAt": at.isoformat().replace("+00:00", "123Z"),
        "ArtifactName": "app:2.1.0",
        "ArtifactType": "container_image",
        "Metadata": {"RepoDigests": [f"registry.example/app@{digest}"]},
    }
    targets = [
        {"Target": "debian", "Class": "os-pkgs", "Vulnerabilities": found},
        {"Target": "python", "Class": "lang-pkgs"},
    ]
    return msgspec.json.encode(report | ({"Results": targets} if results else {}))

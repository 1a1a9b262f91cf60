"""Images in a registry, by the digest that the build recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from tests.checklist.world import RUNBOOK
from tests.releases.checks.registry_standin import Registry, record, scan
from tests.releases.checks.scenes import Looker, now
from watership.adapters.memory.documents import MemoryDocuments
from watership.errors import BadInput
from watership.releases.book.quantity import Given
from watership.releases.book.shelf import shipped
from watership.releases.checks.images import kin, planned_image
from watership.releases.checks.registry import MANIFESTS, reference
from watership.testing.servers import free_port

BASE = "docker.io/library/python:3.12-slim"
NAME = "registry.example/company/app:2.1.0"
HERE = {"of": "registry", "record": "image.json"}
NOWHERE = {"of": "nobody", "record": "image.json"}


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def images(looker: Looker, registry: Registry) -> Iterator[Looker]:
    with registry.standin() as server:
        looker.named("registry", server.url, repository="company/app")
        looker.named("nobody", f"http://127.0.0.1:{free_port()}", repository="company/app")
        yield looker


def pushed(looker: Looker, registry: Registry, **more: object) -> str:
    """An image, its record, and a plan that names it."""
    digest = registry.push("company/app", "2.1.0", **more)  # type: ignore[arg-type]
    looker.write("image.json", record(digest, NAME))
    looker.plan = replace(looker.plan, image=digest)
    return digest


def test_an_image_is_whole_with_every_blob(images: Looker, registry: Registry) -> None:
    images.unsure("image.pushed", "There is no image.json", **HERE)
    digest = pushed(images, registry)
    assert "2 image(s) of 6 blobs" in images.passes("image.pushed", **HERE)
    images.unsure("image.pushed", "Unavailable", **NOWHERE)
    lost = next(each for each in registry.blobs)
    del registry.blobs[lost]
    images.fails("image.pushed", lost[1], **HERE)
    del registry.manifests["company/app", digest]
    images.fails("image.pushed", "no manifest", **HERE)


def test_a_manifest_with_other_bytes_than_its_digest_is_no_answer(images: Looker, registry: Registry) -> None:
    digest = pushed(images, registry)
    registry.manifests["company/app", digest] = (MANIFESTS[0], b"{}")
    images.unsure("image.pushed", f"for {digest}", **HERE)
    images.unsure("image.size", f"for {digest}", **HERE, megabytes=500)


def test_a_record_of_another_version_is_refused(images: Looker, registry: Registry) -> None:
    digest = pushed(images, registry)
    images.write("image.json", record(digest, "registry.example/company/app:2.0.9"))
    images.fails("image.pushed", "next is 2.1.0", **HERE)
    images.fails("image.recorded", "next is 2.1.0", **HERE)
    images.write("image.json", '{"containerimage.digest": "latest", "image.name": "app:2.1.0"}')
    images.unsure("image.recorded", "no record of an image", **HERE)


def test_a_tag_that_was_moved_is_noticed(images: Looker, registry: Registry) -> None:
    planned = pushed(images, registry)
    images.passes("image.recorded", **HERE)
    images.unsure("image.recorded", "Unavailable", **NOWHERE)
    other = registry.push("company/app", "2.1.0", seed="other")
    images.fails("image.recorded", f"2.1.0 is {other}", **HERE)
    images.write("image.json", record(other, NAME))
    images.fails("image.recorded", f"planned is {planned}", **HERE)
    del registry.manifests["company/app", "2.1.0"]
    images.fails("image.recorded", "no tag 2.1.0", **HERE)
    images.plan = replace(images.plan, image="")
    images.unsure("image.recorded", "The plan names no image", **HERE)


def test_size_is_that_of_the_largest_platform(images: Looker, registry: Registry) -> None:
    pushed(images, registry, size=249_000_000)
    images.passes("image.size", **HERE, megabytes=500)
    pushed(images, registry, size=250_000_000)
    images.fails("image.size", "has 500.0 MB", **HERE, megabytes=500)
    images.unsure("image.size", "Unavailable", **NOWHERE, megabytes=500)


def test_every_platform_is_there(images: Looker, registry: Registry) -> None:
    wanted = {"platforms": "linux/amd64, linux/arm64"}
    pushed(images, registry)
    images.passes("image.platforms", **HERE, **wanted)
    pushed(images, registry, architectures=("amd64",))
    images.fails("image.platforms", "is for linux/amd64;", **HERE, **wanted)
    images.unsure("image.platforms", "Unavailable", **NOWHERE, **wanted)


def test_an_image_without_an_index_is_for_one_machine(images: Looker, registry: Registry) -> None:
    pushed(images, registry, architectures=("amd64",))
    single = next(digest for (_, digest), (kind, _) in registry.manifests.items() if kind == MANIFESTS[0])
    images.plan = replace(images.plan, image=single)
    assert "linux/amd64" in images.passes("image.platforms", **HERE, platforms="linux/amd64")
    images.passes("image.size", **HERE, megabytes=100)


def test_the_base_is_what_its_name_means_today(images: Looker, registry: Registry) -> None:
    asked: dict[str, Given] = {**HERE, "bases": "registry"}
    current = registry.push("library/python", "3.12-slim")
    pushed(images, registry, base=(BASE, current))
    images.passes("image.base", **asked)
    registry.push("library/python", "3.12-slim", seed="patched")
    images.fails("image.base", f"and was {current}", **asked)
    pushed(images, registry)
    images.unsure("image.base", "does not say what it was built on", **asked)
    pushed(images, registry, base=(BASE, current))
    images.unsure("image.base", "Unavailable", **(asked | {"bases": "nobody"}))


def test_a_registry_that_wants_a_token_is_given_one(images: Looker, registry: Registry) -> None:
    registry.open = False
    pushed(images, registry)
    images.passes("image.pushed", **HERE)
    images.passes("image.recorded", **HERE)


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        ("http://127.0.0.1:1/token", "Unavailable"),  # the same host: it is asked, and does not answer
        ("https://tokens.example/token", "tokens.example/token, which is not 127.0.0.1"),
        ("http://tokens.example/token", "everybody on the way could read them"),
        ("https://tokens.example\\@127.0.0.1/token", "is no address"),
        ("https://127.0.0.1@tokens.example/token", "is no address"),
        ("file:///etc/passwd", "is no address"),
    ],
)
def test_credentials_go_to_nobody_whom_the_registry_merely_names(
    images: Looker, registry: Registry, realm: str, words: str
) -> None:
    registry.open, registry.realm = False, realm
    pushed(images, registry)
    system = images.systems["registry"]
    images.systems["registry"] = replace(system, headers={"authorization": "Basic c2VjcmV0"})
    images.unsure("image.pushed", words, **HERE)


def test_credentials_go_where_systems_yaml_says_so(images: Looker, registry: Registry) -> None:
    registry.open = False
    pushed(images, registry)
    with registry.standin() as other:
        registry.realm = other.url.replace("127.0.0.1", "localhost") + "/token"
        system = replace(images.systems["registry"], headers={"authorization": "Basic c2VjcmV0"})
        images.systems["registry"] = system
        images.unsure(
            "image.pushed", f'add to the facts of registry in systems.yaml: realm: "{registry.realm}"', **HERE
        )
        assert not other.asked
        images.systems["registry"] = replace(system, facts={**system.facts, "realm": registry.realm})
        images.passes("image.pushed", **HERE)
        assert {each.headers["authorization"] for each in other.asked} == {"Basic c2VjcmV0"}


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("ghcr.io", "ghcr.io", True),
        ("registry.gitlab.com", "gitlab.com", True),
        ("company.example", "auth.company.example", True),
        ("registry-1.docker.io", "auth.docker.io", False),
        ("mine.azurecr.io", "yours.azurecr.io", False),
        ("ghcr.io", "io", False),
        ("ghcr.io", "evilghcr.io", False),
        ("1.2.3.4", "2.3.4", False),
        ("localhost", "evil.localhost", False),
    ],
)
def test_only_a_host_and_its_own_domains_are_kin(one: str, other: str, are: bool) -> None:
    assert kin(one, other) is kin(other, one) is are


def test_a_scan_counts_for_its_digest_and_its_day(images: Looker, registry: Registry) -> None:
    asked: dict[str, Given] = {"report": "scan.json", "record": "image.json", "younger_than": 86400.0}
    digest = pushed(images, registry)
    images.unsure("image.scanned", "There is no report scan.json", **asked)
    images.write("scan.json", scan(digest, now()))
    images.passes("image.scanned", **asked)
    images.fails("image.scanned", "1 high: CVE-2026-0 in openssl", **asked, severities="HIGH")
    images.fails("image.scanned", "2 high, low: CVE-2026-0 in openssl", **asked, severities="HIGH, LOW")
    images.unsure("image.scanned", "'NONE' are no severities", **asked, severities="NONE")
    images.write("scan.json", scan(digest, now(), severities=("CRITICAL",)))
    images.fails("image.scanned", "1 critical", **asked)
    images.write("scan.json", scan(digest, now() - timedelta(days=2)))
    images.fails("image.scanned", "it was written 2d ago; 1d is the limit", **asked)
    images.write("scan.json", scan(digest, now() + timedelta(days=2)))
    images.fails("image.scanned", "which has not come yet", **asked)
    images.write("scan.json", msgspec.json.encode(msgspec.json.decode(scan(digest, now())) | {"Results": []}))
    images.unsure("image.scanned", "nothing was looked at", **asked)
    images.write("scan.json", scan("sha256:other", now()))
    images.fails("image.scanned", f"it is of sha256:other, not of {digest}", **asked)
    images.write("scan.json", scan(digest, now(), results=False))
    images.unsure("image.scanned", "nothing was looked at", **asked)
    images.write("scan.json", "no report")
    images.unsure("image.scanned", "cannot be read as such a report", **asked)


def test_what_is_scanned_is_the_planned_image_else_the_recorded_one(
    images: Looker, registry: Registry
) -> None:
    asked: dict[str, Given] = {"report": "scan.json", "younger_than": 86400.0}
    digest = pushed(images, registry)
    images.write("scan.json", scan(digest, now()))
    images.passes("image.scanned", **asked)
    images.write("image.json", record(f"sha256:{'0' * 64}", NAME))
    images.passes("image.scanned", **asked, record="image.json")
    images.plan = replace(images.plan, image="")
    images.fails("image.scanned", f"not of sha256:{'0' * 64}", **asked, record="image.json")
    images.unsure("image.scanned", "there is no record of one", **asked)


async def test_a_plan_names_the_image_that_the_checklists_points_have_a_record_of() -> None:
    digest, other = (f"sha256:{mark * 64}" for mark in "ab")
    checklist = shipped(RUNBOOK).runbook.checklist

    async def named(records: dict[str, bytes]) -> str:
        return await planned_image(MemoryDocuments(records), checklist, "2.1.0")

    assert await named({"evidence/image.json": record(digest, NAME)}) == digest
    assert await named({"evidence/previous-image.json": record(other, NAME)}) == "", "that is live's"
    assert await named({"evidence/image.json": record(digest, "registry.example/app:2.0.9")}) == ""
    assert await named({}) == ""
    with pytest.raises(BadInput, match="no record of an image"):
        await named({"evidence/image.json": b"{}"})


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("python:3.12", ("library/python", "3.12")),
        ("company/app", ("company/app", "latest")),
        ("ghcr.io/company/app:2.1.0@sha256:aa", ("company/app", "2.1.0")),
        ("localhost:5000/app:1", ("app", "1")),
    ],
)
def test_a_name_of_an_image_is_a_repository_and_a_tag(name: str, means: tuple[str, str]) -> None:
    assert reference(name) == means

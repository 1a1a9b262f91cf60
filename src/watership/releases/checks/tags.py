"""The release's tag says who released it: annotated, signed, and verified by git itself."""

from __future__ import annotations

from watership.releases.checks.documents import filled
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Finished
from watership.releases.measurement import Finding, excerpt, failed, passed

SHOWN = 300
"""Characters of git's words that become evidence."""


@check("code.tag", good_for="24h", fix="git tag --sign v{version}, and push it.")
async def tag(scene: Scene, *, tag: str = "v{version}", signers: str = "", folder: str = "") -> Finding:
    """git has the tag, it is annotated, and its signature verifies: by GPG, or by SSH with the keys that the file
    `signers` allows (as `gpg.ssh.allowedSignersFile` names it)."""
    name = filled(scene, tag)
    kind = await _git(scene, folder, "cat-file", "-t", f"refs/tags/{name}")
    if kind.code != 0:
        return failed(f"git knows no tag {name}: {excerpt(kind.errors.strip(), SHOWN)}")
    if kind.output.strip() != "tag":
        return failed(f"{name} is a lightweight tag: it holds no signature.")
    allowed = ("-c", f"gpg.ssh.allowedSignersFile={signers}") if signers else ()
    verified = await _git(scene, folder, *allowed, "verify-tag", name)
    told = excerpt((verified.errors + verified.output).strip(), SHOWN)
    if verified.code != 0:
        return failed(f"The signature of {name} does not verify: {told or 'git says no more'}")
    commit = await _git(scene, folder, "rev-parse", f"refs/tags/{name}^{{commit}}")
    return passed(f"{name} is annotated and signed: {told}", tag=name, commit=commit.output.strip())


async def _git(scene: Scene, folder: str, *words: str) -> Finished:
    return await scene.look.commands.run(("git", *words), folder=folder, timeout=scene.timeout)

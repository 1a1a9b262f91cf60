"""Names are looked up at their authority: where they point to, and how long everybody may believe it."""

from __future__ import annotations

from urllib.parse import urlsplit

from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import DnsAnswer
from watership.releases.measurement import Finding, failed, found


@check("dns.ttl", good_for="24h", fix="Lower the TTL, and wait until the old one is over.")
async def ttl(scene: Scene, *, of: str, at_most: float, kind: str = "A") -> Finding:
    """Resolvers may keep the records of the fact `names` of the system `of`, a name server, for `at_most`."""
    wrong, longest = [], 0
    for name, answer in (await _looked_up(scene, of, kind)).items():
        if not answer.values:
            wrong.append(f"{name} has no record {kind}")
        elif answer.ttl > at_most:
            wrong.append(f"{name} may be kept for {answer.ttl} s")
        longest = max(longest, answer.ttl)
    words = "; ".join(wrong) or f"Every name may be kept for {longest} s at most"
    return found(not wrong, f"{words}; {spoken(at_most)} is the limit.", ttl=longest)


@check("dns.points_at", good_for="1h", fix="Correct the record, at the authority.")
async def points_at(scene: Scene, *, of: str, values: str, kind: str = "A") -> Finding:
    """Each of the fact `names` of the system `of` has these `values` (commas between), and no others."""
    wanted = set(listed(values))
    wrong = [
        f"{name} points at {', '.join(answer.values) or 'nothing'}"
        for name, answer in (await _looked_up(scene, of, kind)).items()
        if {value.rstrip(".") for value in answer.values} != {value.rstrip(".") for value in wanted}
    ]
    if not wanted:
        return failed("No values are wanted, which is no wish.")
    return found(
        not wrong, f"{'; '.join(wrong) or 'Every name points there'}; {', '.join(sorted(wanted))} is wanted."
    )


async def _looked_up(scene: Scene, of: str, kind: str) -> dict[str, DnsAnswer]:
    server = urlsplit(scene.address(of)).netloc
    names = scene.several(of, "names")
    return {name: await scene.look.dns.lookup(server, name, kind) for name in names}

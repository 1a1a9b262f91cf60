"""The router's own word on weights, health and what it served."""

from __future__ import annotations

from watership.fleet.deployment import Slot
from watership.releases.book.quantity import percent, spoken
from watership.releases.book.runbook import Soak
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.judging.power import BlindSoak, Traffic, require_sight
from watership.releases.judging.sight import Served, lately, served, summed
from watership.releases.judging.traffic import together
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.plan import stages

WINDOW = 60
"""Seconds of traffic that make a baseline: long enough for a rate, short enough to be the present one."""

COUNTED = 10
"""Seconds without a request that say that there are none; fewer say that the router has just begun."""

LONGEST = 600
"""Seconds that the errors since the cutover look back at most; routers do not keep their counts for ever."""


@check("router.weights", good_for="1h")
async def weights(scene: Scene, *, next: float) -> Finding:
    """Both planes give next the share `next`, as they themselves say; of all of it, what is held back is left out."""
    wanted = min(round(100 * next), scene.plan.full)
    router, intake = await scene.env.router.read(), await scene.env.intake.read()
    shares = {
        "the router": router.weights.get(scene.plan.next.slot, 0),
        "the intake": intake.weights.get(scene.plan.next.deployment, 0),
    }
    wrong = [
        f"{plane} gives next {share} %, not {wanted} %" for plane, share in shares.items() if share != wanted
    ]
    words = f"Router and intake give next {wanted} %."
    return found(
        not wrong, "; ".join(wrong) or words, router=shares["the router"], intake=shares["the intake"]
    )


@check("router.health", good_for="1h")
async def health(scene: Scene) -> Finding:
    """The router itself finds an instance of each slot healthy, all of next's included."""
    lacks: list[str] = []

    async def well() -> bool:
        state = await scene.env.router.read()
        lacks.clear()
        for slot in Slot:
            targets, good = len(state.targets.get(slot, ())), state.healthy.get(slot, 0)
            wanted = targets if slot is scene.plan.next.slot else 1
            if good < max(wanted, 1):
                lacks.append(f"{good} of {targets} instances of {slot.value} are healthy")
        return not lacks

    await scene.until(well, scene.timeout / 2)
    return found(not lacks, "; ".join(lacks) or "The router finds both slots healthy.")


@check("baseline.captured")
async def baseline(scene: Scene) -> Finding:
    """Live's error rate is on record. Without a request there is none."""
    seconds, live = await _live(scene)
    if live.requests == 0:
        return inconclusive(f"Live served no request within {seconds} s.")
    words = (
        f"{live.requests:,} requests in {seconds} s, {percent(live.errors / live.requests)} of them failed."
    )
    return passed(words, requests=live.requests, errors=live.errors, seconds=seconds)


async def _live(scene: Scene) -> tuple[int, Served]:
    """What live served lately, and in how many seconds. A router that has just begun to count is waited for."""
    seen: list[tuple[int, Served]] = []

    async def counted() -> bool:
        seconds, ticks = await lately(scene.env, WINDOW)
        seen[:] = [(seconds, summed(ticks, scene.plan.live.slot))]
        return seconds >= COUNTED or seen[0][1].requests > 0

    await scene.until(counted, scene.timeout / 2)
    return seen[0]


@check("gate.power", good_for="1h")
async def power(scene: Scene) -> Finding:
    """Each soak can see the regression that the gate states, at the share of traffic that next has by then; it goes on
    until then, while its bound allows."""
    soaks = [(soak, share) for _, soak, share in stages(scene.plan)]
    if not soaks:
        return failed("The plan has no soak.")
    seconds, live = await _live(scene)
    if live.requests == 0:
        return inconclusive(f"Live served no request within {seconds} s: there is nothing to judge by.")
    per_second, rate = live.requests / seconds, live.errors / live.requests
    seen: list[float] = []
    blind: list[str] = []
    for soak, share in soaks:
        traffic = Traffic(per_second=per_second, share=share, live_rate=rate)
        try:
            seen.append(require_sight(scene.plan.gate, traffic, soak.give_up))
        except BlindSoak as error:
            blind.append(f"'{soak.id}': {error}")
    if blind:
        return failed(" ".join(blind), blind=len(blind), per_second=per_second)
    told = "; ".join(_sight(soak, share, needed) for (soak, share), needed in zip(soaks, seen, strict=True))
    words = f"At {per_second:.3g} requests per second, in 95 of 100 releases, the gate has come to its word"
    return passed(f"{words} {told}.", needed=max(seen), per_second=per_second)


def _sight(soak: Soak, share: float, needed: float) -> str:
    return (
        f"in '{soak.id}', with {percent(share)} on next, within {spoken(needed)}; it lasts {spoken(soak.length)} at "
        f"least, and goes on until then for {spoken(soak.give_up)} at most"
    )


@check("traffic.errors", good_for="1h")
async def errors(scene: Scene, *, of: str, below: float) -> Finding:
    """Since the cutover less than `below` of next's requests failed, of enough requests to say so."""
    began = scene.position.cutover_began
    if began is None:
        return inconclusive("There was no cutover.")
    enough = scene.plan.gate.min_samples
    seen = [Served()]

    async def sufficient() -> bool:
        now = scene.now().timestamp()
        since = max(began.timestamp(), now - LONGEST)
        seen[0] = await served(scene.env, scene.side(of).slot, after=since, until=now - 1)
        return seen[0].requests >= enough

    await scene.until(sufficient, scene.timeout * 0.9)
    got = seen[0]
    rate = got.errors / got.requests if got.requests else None
    words = f"{got.errors:,} of {got.requests:,} requests failed ({percent(rate)})."
    if got.requests < enough:
        return inconclusive(f"{words} {enough:,} are needed.")
    assert rate is not None
    return found(rate < below, words, requests=got.requests, errors=got.errors)


@check("traffic.latency", good_for="1h")
async def latency(scene: Scene, *, of: str, below: float, share: float = 0.95) -> Finding:
    """Since the cutover `share` of the requests of the side came within `below`, by the router's own counts, of enough
    requests to say so. A bound that the router does not count by is not known."""
    began = scene.position.cutover_began
    if began is None:
        return inconclusive("There was no cutover.")
    enough, slot = scene.plan.gate.min_samples, scene.side(of).slot
    seen: dict[float, int] = {}

    async def sufficient() -> bool:
        now = int(scene.now().timestamp())
        after = max(int(began.timestamp()), now - LONGEST)
        ticks = (await scene.env.metrics.ticks(after=after, until=now - 1)).get(slot, ())
        seen.clear()
        seen.update({float(bucket): count for bucket, count in together(ticks).latencies.items()})
        return sum(seen.values()) >= enough

    await scene.until(sufficient, scene.timeout * 0.9)
    every = sum(seen.values())
    if every < enough:
        return inconclusive(f"{every:,} requests were counted; {enough:,} are needed.")
    if below not in seen:
        return inconclusive(f"The router does not count what is slower than {below:g} s.")
    quick = sum(count for bucket, count in seen.items() if bucket <= below) / every
    words = f"{percent(quick)} of {every:,} requests came within {1000 * below:g} ms; {percent(share)} are wanted."
    return found(quick >= share, words, requests=every, within=quick)

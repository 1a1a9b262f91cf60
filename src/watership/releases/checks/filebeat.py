"""Filebeat tells of itself over HTTP: what it reads, what was taken of it, and what it costs its machine."""

from __future__ import annotations

from msgspec import Struct, field

from watership.releases.book.quantity import percent
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, inconclusive

ENOUGH = 60_000
"""Milliseconds that it must have run for its share of the processor to say anything."""


class _Time(Struct):
    ms: float = 0.0


class _Spent(Struct):
    time: _Time = field(default_factory=_Time)


class _Cpu(Struct):
    total: _Spent


class _Info(Struct):
    uptime: _Time


class _Memory(Struct):
    rss: int


class _Beat(Struct):
    cpu: _Cpu
    info: _Info
    memstats: _Memory


class _Harvester(Struct):
    running: int


class _Files(Struct):
    harvester: _Harvester


class _Events(Struct):
    acked: int = 0
    failed: int = 0
    dropped: int = 0
    total: int = 0


class _Output(Struct):
    events: _Events
    type: str = ""


class _Lib(Struct):
    output: _Output


class _Stats(Struct):
    beat: _Beat
    filebeat: _Files
    libbeat: _Lib


@check("shipper.ships", adapted=True, good_for="4h", fix="filebeat test output; then look at its log.")
async def ships(scene: Scene, *, of: str, failed_below: float) -> Finding:
    """Filebeat reads a file at least, its output has acknowledged events, and less than `failed_below` of them failed
    or were dropped."""
    told = shaped(of, await scene.json(of, "/stats"), _Stats)
    events, reads = told.libbeat.output.events, told.filebeat.harvester.running
    wrong = [] if reads else ["it reads no file"]
    lost = (events.failed + events.dropped) / events.total if events.total else 0.0
    if not events.acked:
        wrong.append("no event was acknowledged")
    elif lost >= failed_below:
        wrong.append(
            f"{percent(lost)} of {events.total:,} events failed; below {percent(failed_below)} is wanted"
        )
    words = f"{reads} files are read, {events.acked:,} events were acknowledged, {percent(lost)} failed."
    return judged(wrong, words, acked=events.acked, failed=events.failed)


@check("shipper.light", adapted=True, good_for="24h", fix="Lower max_procs and queue.mem, or ship less.")
async def light(scene: Scene, *, of: str, cpu_below: float, megabytes_below: float) -> Finding:
    """Since it began Filebeat has used less than `cpu_below` of a processor, and holds less than `megabytes_below`."""
    beat = shaped(of, await scene.json(of, "/stats"), _Stats).beat
    if beat.info.uptime.ms < ENOUGH:
        return inconclusive(f"{of} runs for {beat.info.uptime.ms / 1000:.0f} s: its share is not known yet.")
    share, megabytes = beat.cpu.total.time.ms / beat.info.uptime.ms, beat.memstats.rss / 1e6
    wrong = []
    if share >= cpu_below:
        wrong.append(f"it uses {percent(share)} of a processor; below {percent(cpu_below)} is wanted")
    if megabytes >= megabytes_below:
        wrong.append(f"it holds {megabytes:,.0f} MB; below {megabytes_below:,.0f} is wanted")
    return judged(wrong, f"{of} uses {percent(share)} of a processor and {megabytes:,.0f} MB.", cpu=share)

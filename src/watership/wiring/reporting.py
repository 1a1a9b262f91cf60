"""The report of a release, gathered from all that knows something of it, and written in the form that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from watership.adapters.files.evidence import found
from watership.adapters.files.replace import replace_file
from watership.durable.codec import decode
from watership.durable.ids import DeploymentId
from watership.durable.ports import RunFilter
from watership.errors import BadInput, Untrusted
from watership.fleet.deployment import Slot
from watership.fleet.stranded import Census, open_runs
from watership.releases.environment import Environment
from watership.releases.journal import fold, journal
from watership.releases.notices.outbox import Delivery
from watership.releases.order import Release
from watership.releases.program import PROGRAM
from watership.releases.readiness.records import Attested, Record
from watership.releases.reporting.account import Count, account, traffic
from watership.releases.reporting.dora import MOST, Past, past
from watership.releases.reporting.forms import Form, rendered
from watership.releases.reporting.report import EvidenceFile, ReportFacts
from watership.wiring.desk import Desk, Known
from watership.wiring.environment import Places
from watership.wiring.incidents import incidents_of
from watership.wiring.messages import outbox


async def write_report(desk: Desk, known: Known, form: Form = "html", file: Path | None = None) -> Path:
    """Gather what the release did, and write its report: into its folder, unless a file is named."""
    path = file or desk.folder(known.id).report.with_suffix(f".{form}")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.", fix="Name a file in a folder that there is.")
    facts = await report_facts(desk, known, beside=path.parent)
    content = await asyncio.to_thread(rendered, facts, form)
    await asyncio.to_thread(replace_file, path, content)
    return path


async def report_facts(desk: Desk, known: Known, *, beside: Path) -> ReportFacts:
    """All that a report says of a release. Its links are from `beside` on."""
    env, plan, now = desk.environment, known.release.plan, desk.environment.clock.now()
    state = fold(await journal(desk.store, known.id), known.release)
    began, ended = state.began or plan.created_at, state.ended or now
    served = {slot: await traffic(env.metrics, slot, began=began, ended=ended) for slot in Slot}
    census, (records, astray) = await env.runs.census(), await _records(env, known)
    folders = (desk.folder(known.id).folder, Path.cwd())
    return account(
        known.release,
        state,
        audit=env.audit,
        blue=served[Slot.BLUE],
        green=served[Slot.GREEN],
        live_runs=count(census, plan.live.deployment),
        next_runs=count(census, plan.next.deployment),
        records=records,
        astray=astray,
        files=await asyncio.to_thread(evidence, records or (), folders, beside),
        incidents=await incidents_of(desk.places).all(),
        deliveries=await asyncio.to_thread(_deliveries, desk.places),
        past=await past_releases(desk, rehearsals=plan.rehearsal),
        now=now,
    )


async def _records(env: Environment, known: Known) -> tuple[Sequence[Record] | None, str]:
    """What is on record, or why that counts for nothing: a report is written all the same, and says so."""
    try:
        return await env.records.all(known.id), ""
    except Untrusted as error:
        return None, error.message


def _deliveries(places: Places) -> Sequence[Delivery]:
    with outbox(places) as box:
        return box.deliveries()


async def past_releases(desk: Desk, *, rehearsals: bool) -> list[Past]:
    """What each release of this environment gives to the figures of delivery; the newest, where there are many.

    Rehearsals and real ones are never counted together.
    """
    page = await desk.store.list(RunFilter(program=PROGRAM), limit=MOST)
    found = []
    for row in page.runs:
        release: Release = decode(row.input, Release)
        if release.plan.rehearsal is not rehearsals:
            continue
        found.append(past(release, fold(await journal(desk.store, row.id), release)))
    return [each for each in found if each is not None]


def evidence(records: Sequence[Record], folders: Sequence[Path], beside: Path) -> dict[str, EvidenceFile]:
    """The files that people pointed to, by what they called them: in the release's papers or the working folder."""
    named = {each.evidence: each.sha256 for each in records if isinstance(each, Attested) and each.evidence}
    looked = {name: found(name, folders, beside=beside, sha256=sha256) for name, sha256 in named.items()}
    return {name: file for name, file in looked.items() if file is not None}


def count(census: Census, deployment: DeploymentId) -> Count:
    """The runs of a deployment, at this moment."""
    under_way = open_runs(census, deployment)
    everything = sum(number for (owner, _), number in census.items() if owner == deployment)
    return Count(under_way=under_way, finished=everything - under_way)

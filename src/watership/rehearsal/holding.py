"""A rehearsal is held for a drawn plan, and its record put among the project's evidence and into the audit."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.config import Config
from watership.rehearsal.campaign import Campaign, Told, Wanted
from watership.rehearsal.servers import private
from watership.rehearsal.stage import Props
from watership.releases.auditing.audit import Fact
from watership.releases.readiness.dress import FOLDER, DressRehearsal
from watership.wiring.desk import Desk


async def hold(
    desk: Desk,
    config: Config,
    release: str | None,
    wanted: Wanted,
    *,
    variables: Mapping[str, str],
    person: str,
    told: Told,
) -> tuple[DressRehearsal, Path]:
    """Rehearse the release that is named, or was last worked at; its record, and where that lies."""
    draft = desk.folder(release).draft()
    file = desk.places.database
    async with private(config) as servers:
        props = Props(
            draft=draft,
            # A balancer of AWS is nobody's to rehearse with here; the record says what stood in for it.
            proxy="embedded" if config.environment.proxy == "aws" else config.environment.proxy,
            variables=variables,
            database=file if file.is_file() and servers.application is None else None,
            servers=servers,
        )
        with _ended_in_order():
            record = await Campaign(props, wanted, by=person, told=told).hold()
    path = Path(FOLDER) / f"{draft.plan.release}-{record.began:%Y%m%dT%H%M%SZ}.json"
    content = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
    facts: dict[str, Fact] = {
        "release": draft.plan.release,
        "path": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
        "passed": record.passed,
        "killed": record.kills.killed,
        "points": record.kills.points,
    }
    desk.environment.audit.append(person, "release.rehearsed", facts)
    return record, path


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends a rehearsal as Ctrl-C does: no process of its stages is left behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a rehearsal runs in a task"
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)

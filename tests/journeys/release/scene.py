"""The scene: private servers, an environment on them with 2.0.5 live, and the command line of the people who act.

Prometheus counts the requests of both slots, for the gate too.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from watership.config import Config, load
from watership.testing.servers import (
    PostgresServer,
    PostgresStandby,
    PrometheusServer,
    RabbitServer,
    RedisServer,
)
from watership.testing.servers.ports import LOOPBACK, free_port

SETTINGS: Final = """\
[store]
url = "{store}"
[broker]
url = "{broker}"
[cache]
url = "{cache}"
[log]
format = "json"
[environment]
name = "journey"
proxy = "haproxy"
database = "{database}"
scratch = "{scratch}"
prometheus = "{prometheus}"
metrics = "prometheus"
[metrics]
every = 2
"""

SCRAPES: Final = "1s"
"""Half of what `[metrics] every` says."""

COMMAND_SECONDS: Final = 120.0
"""Of any command but `release start`, which takes as long as the release."""

HISTORY: Final = """
INSERT INTO orders (run, part, number, total, version)
SELECT 'history-' || each, 'order', -each, each % 97 + 1, '2.0.4' FROM generate_series(1, {rows}) AS each;
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The servers, and the folder with the settings that name them."""

    folder: Path
    config: Config
    postgres: PostgresServer
    standby: PostgresStandby
    prometheus: PrometheusServer

    async def command(self, *words: str, seconds: float = COMMAND_SECONDS) -> tuple[int, Any, str]:
        """What a person gets who gives a command: the exit code, the JSON, and what was said beside it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watership", "--json", *words),
            cwd=self.folder,
            env=settings_apart(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        last = out.decode().strip().splitlines()[-1:]
        assert process.returncode is not None
        told = msgspec.json.decode(last[0]) if last else None
        return process.returncode, told, err.decode()

    async def must(self, *words: str) -> Any:
        """The same, and it has to go well."""
        code, told, said = await self.command(*words)
        assert code == 0, f"watership {' '.join(words)} ended with {code}: {said}{told}"
        return told

    def history(self, rows: int) -> None:
        """Orders of the past, so that the migration is one of a table with something in it."""
        url = self.config.environment.database
        self.postgres.sql(HISTORY.format(rows=rows), url=url)
        self.postgres.sql("ANALYZE orders", url=url)


def settings_apart() -> dict[str, str]:
    """Our environment, without settings of whoever runs the journey: its own stand in the file."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WATERSHIP_")}


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """All servers up, and the settings written. The application's database and the store's are two of one primary."""
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(folder / "postgres"))
        standby = stack.enter_context(PostgresStandby(postgres, folder / "standby"))
        rabbit = stack.enter_context(RabbitServer(folder / "rabbitmq"))
        redis = stack.enter_context(RedisServer(folder / "redis"))
        prometheus = stack.enter_context(PrometheusServer(folder / "prometheus", interval=SCRAPES))
        database = postgres.new_database()
        settings = SETTINGS.format(
            store=postgres.url,
            broker=rabbit.new_vhost(),
            cache=redis.url,
            database=database,
            scratch=postgres.url_of("postgres"),
            prometheus=prometheus.url,
        )
        (folder / "watership.toml").write_text(settings)
        yield Scene(folder, load(folder, {}), postgres, standby, prometheus)


async def up(scene: Scene, build: Path) -> str:
    """Bring the environment up with a build live; where its HAProxy listens."""
    await scene.must("db", "upgrade")
    told = await scene.must("environment", "up", str(build), "--listen", f"{LOOPBACK}:{free_port()}")
    return str(told["address"])


SIGNERS: Final[Sequence[tuple[str, str]]] = (
    ("release_manager", "bo"),
    ("technical_lead", "cy"),
    ("product_manager", "di"),
    ("security_lead", "ed"),
    ("operations_manager", "flo"),
)

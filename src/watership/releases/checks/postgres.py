"""PostgreSQL is asked itself: who follows it, how far behind, what it archives and keeps, and who waits in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.auditing.audit import Plain
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.requests import at as placed
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Row
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.verdict import Verdict, worst

MIB: Final = 1024 * 1024

LSN: Final = re.compile("[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")

IDENTITY: Final = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text AS identity,
           pg_is_in_recovery() AS standby,
           (SELECT status FROM pg_stat_wal_receiver) AS receiver"""

# replay_lag is that of the last write, or NULL when that was long ago: who has replayed everything lags 0.
LAG: Final = """
    SELECT application_name AS name, state,
           extract(epoch FROM replay_lag)::float8 AS seconds,
           pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 AS bytes
    FROM pg_stat_replication ORDER BY application_name"""

ARCHIVER: Final = """
    SELECT current_setting('archive_mode') AS mode, archived_count AS archived,
           extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS age,
           coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
           last_archived_wal AS last, last_failed_wal AS refused
    FROM pg_stat_archiver"""

KEPT: Final = f"""
    SELECT (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_keep_size') AS kept,
           (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS bound,
           (SELECT count(*) FROM pg_replication_slots
            WHERE slot_type = 'physical' AND wal_status IN ('reserved', 'extended')) AS slots,
           (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) / {MIB}, 0)::int8
            FROM pg_replication_slots) AS held"""  # noqa: S608 - a number of ours

CONNECTIONS: Final = """
    SELECT count(*) AS connections, current_setting('max_connections')::int AS limit
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""

WAITING: Final = """
    SELECT pid, coalesce(extract(epoch FROM now() - l.waitstart), 0)::float8 AS seconds, left(query, 80) AS query
    FROM pg_locks l JOIN pg_stat_activity USING (pid) WHERE NOT l.granted ORDER BY 2 DESC"""

UNTIL: Final = """
    SELECT rolname AS name,
           extract(epoch FROM CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil - now() END)::float8 AS left
    FROM pg_roles ORDER BY rolname"""


BEHIND: Final = "SELECT pg_wal_lsn_diff('{}', pg_last_wal_replay_lsn())::int8 AS bytes"

POSITION: Final = """
    SELECT pg_current_wal_lsn()::text AS now, pg_wal_lsn_diff(pg_current_wal_lsn(), '{}')::int8 AS bytes"""


@check("postgres.answers", good_for="1h")
async def answers(scene: Scene, *, of: str, writable: bool = False) -> Finding:
    """The database `of` takes a connection and answers; `writable`: it is no standby, its transactions do not begin
    read-only, and it takes a write, of a temporary table that is rolled back."""
    row = await _one(
        scene, of, "SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby"
    )
    words = f"{of} answers, as PostgreSQL {row['version']}" + (", a standby." if row["standby"] else ".")
    if not writable:
        return passed(words)
    if row["standby"]:
        return failed(words)
    tried = await scene.look.sql.write(scene.address(of))
    if tried.forbidden:
        return inconclusive(f"Whether {of} takes writes is not known, for the role may not: {tried.refused}.")
    if tried.read_only or tried.refused:
        return failed(f"{words} It takes no writes: {tried.refused or 'its transactions begin read-only'}.")
    return passed(f"{words} It took a write, which was rolled back.")


@check(
    "postgres.replica_of", good_for="24h", fix="Make the replica anew: pg_basebackup --write-recovery-conf …"
)
async def replica_of(scene: Scene, *, of: str, source: str, megabytes: int = 16) -> Finding:
    """The database `of` is a physical replica of the database `source`, a primary: of the same identity, receiving its
    log now, and with no more than `megabytes` of it to replay."""
    replica = await _one(scene, of, IDENTITY)
    if (strange := await _strange(scene, of, replica, source)) is not None:
        return strange
    if not replica["standby"]:
        return failed(f"{of} is a primary, and replicates nothing.")
    now = (await _one(scene, source, "SELECT pg_current_wal_lsn()::text AS now"))["now"]
    behind = _number((await _one(scene, of, BEHIND.format(now)))["bytes"])
    words = f"{of} is a standby of {source}, {_bytes(behind)} behind; its receiver is {replica['receiver']}."
    if replica["receiver"] is None or behind is None:
        return failed(f"{of} is a standby of {source}, and receives nothing.")
    return found(replica["receiver"] == "streaming" and behind <= megabytes * MIB, words, bytes=behind)


@check("postgres.standby", good_for="1h", fix="Look at the standby's log, and at primary_conninfo.")
async def standby(scene: Scene, *, of: str, source: str = "") -> Finding:
    """The database `of` is a standby (of `source`, where that is said), and receives its primary's log now."""
    row = await _one(scene, of, IDENTITY)
    if not row["standby"]:
        return failed(f"{of} is no standby.")
    if source and (strange := await _strange(scene, of, row, source)) is not None:
        return strange
    return found(
        row["receiver"] == "streaming",
        f"{of} is a standby{f' of {source}' if source else ''}; its receiver is {row['receiver'] or 'not there'}.",
    )


async def _strange(scene: Scene, of: str, row: Row, source: str) -> Finding | None:
    """The failure of a database that does not come from `source`."""
    primary = await _one(scene, source, IDENTITY)
    if row["identity"] == primary["identity"]:
        return None
    return failed(f"{of} is another database ({row['identity']}) than {source} ({primary['identity']}).")


@check(
    "postgres.lag", good_for="1h", fix="Find what the standby waits for: its disk, a lock, or the network."
)
async def lag(
    scene: Scene,
    *,
    of: str,
    below: float,
    bytes_below: int = 16 * MIB,
    name: str = "",
    at_least: int = 1,
    patience: float = 2.0,
) -> Finding:
    """Every standby of the primary `of` (or the one of that `name`) has replayed its log but for `below` in time and
    `bytes_below`; there are `at_least` of them. A lag of a moment is forgiven: it is looked again for `patience`."""
    bounds = Lag(below, bytes_below)
    seen: list[Finding] = []

    async def good() -> bool:
        rows = [row for row in await _rows(scene, of, LAG) if name in ("", row["name"])]
        if len(rows) < at_least:
            seen.append(failed(f"{len(rows)} standby(s) follow {of}; {at_least} at least are wanted."))
        else:
            seen.append(_behind(rows, bounds))
        return seen[-1].verdict is Verdict.PASSED

    await scene.until(good, patience)
    return seen[-1]


class Lag(NamedTuple):
    """How far a standby may be behind."""

    seconds: float
    bytes: int


def _behind(rows: Sequence[Row], bounds: Lag) -> Finding:
    """The finding about standbys by their rows."""
    verdicts, told = [], []
    for row in rows:
        seconds, behind = _number(row["seconds"]), _number(row["bytes"])
        if behind == 0:
            seconds = 0.0
        told.append(f"{row['name']} ({row['state']}) is {_ms(seconds)} and {_bytes(behind)} behind")
        if row["state"] != "streaming" or (behind or 0) >= bounds.bytes or (seconds or 0) >= bounds.seconds:
            verdicts.append(Verdict.FAILED)
        else:
            known = seconds is not None and behind is not None
            verdicts.append(Verdict.PASSED if known else Verdict.INCONCLUSIVE)
    words = f"{'; '.join(told)}; below {spoken(bounds.seconds)} and {bounds.bytes:,} bytes is wanted."
    return Finding(verdict=worst(verdicts), evidence=words, facts={"standbys": len(rows)})


@check(
    "postgres.archiving", good_for="1h", fix="Mend archive_command; pg_stat_archiver says what it failed at."
)
async def archiving(scene: Scene, *, of: str, within: float) -> Finding:
    """The primary `of` archives its log: the last segment went out `within`, and none has failed since."""
    row = await _one(scene, of, ARCHIVER)
    if row["mode"] == "off":
        return failed(f"{of} archives nothing: archive_mode is off.")
    if row["failing"]:
        return failed(f"{of} could not archive {row['refused']}, and nothing has gone out since.")
    age = _number(row["age"])
    if age is None:
        return failed(f"{of} has never archived anything.")
    words = f"{row['last']} was archived {age:.0f} s ago; {spoken(within)} is the limit."
    return found(age <= within, words, archived=row["archived"], seconds=age)


@check("postgres.wal_kept", good_for="24h", fix="ALTER SYSTEM SET wal_keep_size, or give the standby a slot.")
async def wal_kept(scene: Scene, *, of: str, megabytes: int) -> Finding:
    """The primary `of` keeps `megabytes` of its log for standbys that come back: by wal_keep_size, or by a physical
    slot whose bound (max_slot_wal_keep_size) is not lower. A slot without any bound may fill the disk, and fails."""
    row = await _one(scene, of, KEPT)
    kept, bound, slots = (int(_number(row[name]) or 0) for name in ("kept", "bound", "slots"))
    if slots and bound < 0:
        return failed(
            f"{slots} slot(s) hold {row['held']} MB of log back without a bound: max_slot_wal_keep_size is -1."
        )
    total = max(kept, bound if slots else 0)
    words = f"wal_keep_size is {kept} MB, {slots} slot(s) keep {bound} MB at most; {megabytes} MB are wanted."
    return found(total >= megabytes, words, kept=total)


@check("postgres.connections", good_for="1h")
async def connections(scene: Scene, *, of: str, below: int) -> Finding:
    """Fewer clients than `below` are connected to the database server `of`."""
    row = await _one(scene, of, CONNECTIONS)
    words = f"{row['connections']} clients are connected (of {row['limit']}); below {below} is wanted."
    return found(int(_number(row["connections"]) or 0) < below, words, connections=row["connections"])


@check("postgres.locks", good_for="1h", fix="SELECT pg_blocking_pids(PID); end what holds the lock.")
async def locks(scene: Scene, *, of: str, shorter_than: float) -> Finding:
    """Nobody waits for a lock in the database server `of` for `shorter_than` or longer."""
    rows = await _rows(scene, of, WAITING)
    long = [row for row in rows if (_number(row["seconds"]) or 0) >= shorter_than]
    words = "; ".join(f"{row['pid']} waits for {row['seconds']:.1f} s: {row['query']}" for row in long)
    return found(
        not long, words or f"{len(rows)} wait for a lock, none for {spoken(shorter_than)}.", waiting=len(rows)
    )


@check("postgres.position", good_for="4h", fix="watership baseline capture")
async def position(scene: Scene, *, of: str, path: str, at: str, megabytes: int = 16 * 1024) -> Finding:
    """The log position that stands at `at` in the JSON file `path` (`0/16B3748`, or in bytes) is one that the primary
    `of` has passed, by `megabytes` at most: it is of this database, and not from long ago."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    try:
        recorded = _lsn(placed(msgspec.json.decode(document.content), at))
    except (msgspec.DecodeError, LookupError):
        return failed(f"{path} has no '{at}'.")
    if not LSN.fullmatch(recorded):
        return failed(f"{path} has '{recorded}' at '{at}', which is no position.")
    row = await _one(scene, of, POSITION.format(recorded))
    behind = _number(row["bytes"])
    assert behind is not None
    words = f"{recorded} is on record; {of} is at {row['now']}, {behind:,.0f} bytes on."
    return found(0 <= behind <= megabytes * MIB, words, recorded=recorded, now=row["now"])


@check("postgres.password", good_for="24h", fix="ALTER ROLE … PASSWORD … VALID UNTIL …")
async def password(
    scene: Scene, *, of: str, roles: str, within: float, current: str = "", former: str = ""
) -> Finding:
    """The passwords of `roles` (commas between) were changed `within`: each is valid for that long from its change,
    as its VALID UNTIL says, which is not over and not further away.

    `current` and `former` are systems with a URL of one of the roles: the database lets that in, and this no more.
    """
    if not listed(roles):
        raise BadInput("No role is named.")
    there = {str(row["name"]): row for row in await _rows(scene, of, UNTIL)}
    wrong = [words for role in listed(roles) if (words := _stale(role, there.get(role), within))]
    if current and not await _admitted(scene, current, roles):
        wrong.append(f"the password of {current} does not open the database")
    if former and await _admitted(scene, former, roles):
        wrong.append(f"the password of {former} still opens the database: it was not changed")
    tried = f"; {former}'s opens nothing any more" if former else ""
    return found(not wrong, "; ".join(wrong) or f"{roles}: changed within {spoken(within)}{tried}.")


async def _admitted(scene: Scene, name: str, roles: str) -> bool:
    """Whether the password of a system opens it, for one of the roles."""
    url = scene.address(name)
    if (user := unquote(urlsplit(url).username or "")) not in listed(roles):
        raise BadInput(
            f"{name} comes as '{user}', which is none of {roles}.", fix="Mend its URL in systems.yaml."
        )
    return await scene.look.sql.admits(url)


def _stale(role: str, row: Row | None, within: float) -> str:
    if row is None:
        return f"there is no role {role}"
    left = _number(row["left"])
    if left is None:
        return f"the password of {role} has no VALID UNTIL, so that nobody knows when it was changed"
    if left <= 0:
        return f"the password of {role} ended {spoken(max(-left, 1.0))} ago"
    return f"the password of {role} is valid for longer than {spoken(within)}" if left > within else ""


async def _rows(scene: Scene, of: str, query: str) -> Sequence[Row]:
    return await scene.look.sql.rows(scene.address(of), query)


async def _one(scene: Scene, of: str, query: str) -> Row:
    rows = await _rows(scene, of, query)
    if len(rows) != 1:
        raise Unavailable(f"{of} answered with {len(rows)} rows where one was asked for.")
    return rows[0]


def _number(value: Plain) -> float | None:
    return None if value is None else float(value)


def _bytes(count: float | None) -> str:
    return "an unknown number of bytes" if count is None else f"{count:,.0f} bytes"


def _ms(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{1000 * seconds:.0f} ms"


def _lsn(value: object) -> str:
    """A position as PostgreSQL writes it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        high, low = divmod(int(value), 1 << 32)
        return f"{high:X}/{low:X}"
    return str(value)

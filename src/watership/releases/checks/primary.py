"""The database that serves is well when it can be written to, has room for clients, and nobody in it waits in vain."""

from __future__ import annotations

from typing import Final

from watership.errors import Unavailable
from watership.releases.book.quantity import percent
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, inconclusive

STATE: Final = """
    SELECT pg_is_in_recovery() AS standby,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS clients,
           current_setting('max_connections')::int AS most,
           coalesce((SELECT max(extract(epoch FROM now() - waitstart)) FROM pg_locks
                     WHERE NOT granted), 0)::float8 AS waiting,
           coalesce((SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::float8 AS open,
           (SELECT count(*) FROM pg_index WHERE NOT indisvalid)::int AS invalid,
           coalesce((SELECT sum(checksum_failures) FROM pg_stat_database), 0)::int8 AS corrupt,
           (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')::int AS standbys"""


@check(
    "postgres.healthy", good_for="1h", fix="SELECT * FROM pg_stat_activity; the words say what to look for."
)
async def healthy(
    scene: Scene,
    *,
    of: str,
    standbys: int = 0,
    connections_below: float = 0.8,
    waiting_below: float = 30.0,
    open_below: float = 600.0,
) -> Finding:
    """The database `of` is a primary that took a write, which was rolled back, with fewer clients than
    `connections_below` of its limit; nobody waits for a lock for `waiting_below`, no transaction is open for
    `open_below`, no page was corrupt, no index is invalid, and `standbys` follow it."""
    rows = await scene.look.sql.rows(scene.address(of), STATE)
    if len(rows) != 1:
        raise Unavailable(f"{of} answered with {len(rows)} rows where one was asked for.")
    (row,) = rows
    clients, most, following = (int(row[name] or 0) for name in ("clients", "most", "standbys"))
    waiting, open_for = (float(row[name] or 0) for name in ("waiting", "open"))
    wrong = ["it is a standby"] if row["standby"] else []
    tried = None if row["standby"] else await scene.look.sql.write(scene.address(of))
    if tried is not None and not tried.forbidden and (tried.read_only or tried.refused):
        wrong.append(f"it takes no writes: {tried.refused or 'its transactions begin read-only'}")
    if clients >= connections_below * most:
        wrong.append(f"{clients} of {most} connections are taken")
    if waiting >= waiting_below:
        wrong.append(f"somebody has waited {waiting:.0f} s for a lock")
    if open_for >= open_below:
        wrong.append(f"a transaction has been open for {open_for:.0f} s")
    wrong += [f"{row[name]} {words}" for name, words in _BROKEN.items() if row[name]]
    if following < standbys:
        wrong.append(f"{following} standby(s) follow it, of {standbys}")
    if tried is not None and tried.forbidden and not wrong:
        return inconclusive(f"Whether {of} takes writes is not known, for the role may not: {tried.refused}.")
    share = percent(clients / most)
    return judged(
        [f"{of}: {each}" for each in wrong],
        f"{of} took a write; {clients} clients ({share} of its limit), {following} standby(s).",
        clients=clients,
        standbys=following,
    )


_BROKEN: Final = {"invalid": "index(es) are invalid", "corrupt": "page(s) were corrupt"}

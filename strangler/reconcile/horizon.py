"""The transaction horizon: everything that was open when effects were read has ended before subjects are read again."""

from __future__ import annotations

from outbox.connection import PsycopgConnection
from strangler.reconcile.waiting import Deadline

# Two horizons, because each sees what the other does not: transaction ids (also of prepared transactions), and open
# transactions of this database that have none yet, having only read: the subject's row may still come.
NOW = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text,
       ARRAY(SELECT held.virtualxid FROM pg_locks AS held JOIN pg_stat_activity AS backend USING (pid)
             WHERE held.locktype = 'virtualxid' AND held.mode = 'ExclusiveLock' AND held.granted
               AND held.pid <> pg_backend_pid() AND backend.datname = current_database()
               AND coalesce(backend.backend_type, 'client backend') = 'client backend')"""

ENDED = """
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %(xmax)s::xid8
       AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted
                                              AND virtualxid = ANY(%(virtual)s))"""


def await_horizon(connection: PsycopgConnection, deadline: Deadline) -> bool:
    """Wait until every transaction that is open now has ended; False at the deadline.

    `connection` is in autocommit, and the caller holds no transaction of its own, or it waits for itself.
    """
    xmax, virtual = connection.execute(NOW).fetchone() or ("0", [])
    parameters = {"xmax": xmax, "virtual": virtual}

    def ended() -> bool:
        (answer,) = connection.execute(ENDED, parameters).fetchone() or (False,)
        return bool(answer)

    return deadline.wait(ended)

"""What is left once all that has ended is due: nothing but what is there for good."""

from __future__ import annotations

import re
from typing import Any

from redis import Redis

from chaos.graphs import QUEUES
from chaos.workers import LEASE
from rqdeps.status import TERMINAL_STATUSES
from rqdeps.store import Store
from rqdeps.store.calls import upkeep
from rqdeps.store.keys import Keys

#: The keys that belong to the deployment or a queue, whatever jobs there are.
_FOR_GOOD = re.compile(r"(schema|queues|beat|links|durations|(queue-meta|wake):.*)")

#: How often the time is moved on at most: a job may be needed by one that has to go first.
_ROUNDS = 200


def keys_left(connection: Redis) -> list[str]:
    """Moves the time on until nothing more is deleted, and returns what is left and should not be.

    Args:
        connection: a client of the server, on which all has ended and nobody works.
    """
    client: Any = connection
    store, prefix = Store(connection), Keys().prefix
    known = -1
    for _ in range(_ROUNDS):
        left = [name.decode() for name in client.scan_iter(match="*", count=1000)]
        if len(left) == known:
            break
        known = len(left)
        _let_all_be_due(client, prefix)
        while store.run(upkeep.maintain(QUEUES, lease_ms=int(LEASE * 1000))).has_more:
            pass
    return sorted(name for name in left if not _FOR_GOOD.fullmatch(name.removeprefix(prefix)))


def _let_all_be_due(client: Any, prefix: str) -> None:
    """Sets the times back at which jobs ended, graphs were left unfinished, workers were seen, the server was away."""
    seconds, _ = client.time()
    with client.pipeline(transaction=False) as pipe:
        for status in TERMINAL_STATUSES:
            for queue in QUEUES:
                registry = f"{prefix}{status}:{queue}"
                for job_id in client.zrange(registry, 0, -1):
                    pipe.zadd(registry, {job_id: 1}, xx=True)
                    pipe.hset(f"{prefix}job:{job_id.decode()}", "ended_at", 1)
        for name in ("gates", "workers"):
            for member in client.zrange(prefix + name, 0, -1):
                pipe.zadd(prefix + name, {member: 1}, xx=True)
        pipe.hset(f"{prefix}beat", mapping={"at": seconds * 1000, "away_until": 0})
        pipe.execute()

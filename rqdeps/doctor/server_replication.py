"""Checks of replication: whether this is the server to write to, and what a failover can cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rqdeps.doctor.findings import Finding
from rqdeps.doctor.server_words import cannot_tell, say
from rqdeps.store.server_facts import ServerFacts
from rqdeps.text import times


def check_role(facts: ServerFacts) -> Iterator[Finding]:
    """Whether the server takes changes."""
    role = facts.info.get("role")
    if role is None:
        yield cannot_tell("role", facts, "info")
    elif role == "master":
        yield say.ok("role", "it takes changes (master)")
    else:
        master = f"{facts.info.get('master_host')}:{facts.info.get('master_port')}"
        link = facts.info.get("master_link_status")
        lost = "" if link in (None, "up") else f", and has lost its master (link {link})"
        yield say.problem(
            "role",
            f"it is a replica of {master}{lost}, and takes no changes: nothing can be enqueued or run here",
            f"Name the master: --url redis://{master}, or sentinel:// where that may change.",
        )


def check_replicas(facts: ServerFacts) -> Iterator[Finding]:
    """What is lost when a replica takes over, and whether enough of them follow."""
    if facts.info.get("role") != "master":
        return
    count = int(facts.number("connected_slaves") or 0)
    good, needed = facts.number("min_slaves_good_slaves"), facts.setting("min-replicas-to-write")
    if good is not None and needed is not None and good < int(needed):
        yield say.problem(
            "replicas",
            f"{times(int(good), 'replica')} follow closely, and the server takes no changes with fewer than {needed} "
            f"(min-replicas-to-write)",
            "Bring replicas back, or lower min-replicas-to-write.",
        )
        return
    if not count:
        return
    late = [name for name in range(count) if _state(facts.info.get(f"slave{name}")) not in (None, "online")]
    if late:
        yield say.warning(
            "replicas",
            f"{len(late)} of {times(count, 'replica')} do not follow",
            "See INFO replication and the log of the replica.",
        )
    elif good is None and (needed == "0" or needed is None):
        yield say.warning(
            "replicas",
            f"{times(count, 'replica')}; after a failover, what a cut-off master went on accepting is lost",
            "redis-cli CONFIG SET min-replicas-to-write 1, on each of the servers, keeps that short.",
        )
    else:
        yield say.ok("replicas", f"{times(count, 'replica')}, and without any the server takes no changes")


def _state(replica: Any) -> str | None:
    """What a line of ``INFO replication`` says of a replica."""
    return str(replica.get("state")) if isinstance(replica, dict) else None

"""Checks of the server's memory: whether it throws jobs away when it is full, and how much is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rqdeps.doctor.findings import Finding
from rqdeps.doctor.server_words import cannot_tell, say, size
from rqdeps.store.server_facts import ServerFacts

#: Above these shares of its memory a server is nearly full, or as good as full.
NEARLY_FULL: Final = 0.8
FULL: Final = 0.95

#: What a small job needs, in bytes, with its arguments and its result: see docs/performance.md.
BYTES_PER_JOB: Final = 500

#: Below this, in bytes, what a server's memory is made of says nothing.
LITTLE: Final = 100_000_000

#: What the system has given it, as a multiple of what it uses: above, much of it is gaps; below, it was swapped out.
GAPS: Final = 2.0
SWAPPED: Final = 0.8


_KEEP_ALL: Final = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in the server's configuration file."


def check_eviction(facts: ServerFacts) -> Iterator[Finding]:
    """Whether the server deletes keys of jobs when its memory is full."""
    policy, limit = facts.info.get("maxmemory_policy"), facts.number("maxmemory")
    if policy is None or limit is None:
        yield cannot_tell("eviction", facts, "info")
    elif policy == "noeviction":
        yield say.ok("eviction", "noeviction: a full server refuses new jobs, and keeps those it has")
    elif str(policy).startswith("volatile-"):
        yield say.ok("eviction", f"{policy}: it deletes keys with a time to live only, and no key of rqdeps has one")
    elif limit:
        yield say.problem(
            "eviction",
            f"{policy}: when the memory is full, the server deletes any key, and jobs are lost",
            _KEEP_ALL,
        )
    else:
        yield say.warning(
            "eviction",
            f"{policy}: once somebody sets maxmemory, a full server deletes any key, and jobs are lost",
            _KEEP_ALL,
        )


def check_memory(facts: ServerFacts) -> Iterator[Finding]:
    """How much memory is left, and whether it is well used."""
    used = facts.number("used_memory")
    if used is None:
        yield cannot_tell("memory", facts, "info")
        return
    limit, machine = facts.number("maxmemory") or 0, facts.number("total_system_memory") or 0
    if limit:
        yield _of_limit(used, limit)
    elif machine and used > NEARLY_FULL * machine:
        yield say.problem(
            "memory",
            f"{size(used)} of the machine's {size(machine)}, no maxmemory: with none left, the system kills it",
            "redis-cli CONFIG SET maxmemory to less than the machine has, with maxmemory-policy noeviction.",
        )
    else:
        yield say.ok(
            "memory", f"{size(used)} used, no maxmemory" + (f", machine has {size(machine)}" if machine else "")
        )
    yield from _use(facts, used)


def _of_limit(used: float, limit: float) -> Finding:
    left = max(0.0, limit - used)
    text = (
        f"{size(used)} of {size(limit)} used ({used / limit:.0%}): room for some {left / BYTES_PER_JOB:,.0f} small jobs"
    )
    advice = "Raise maxmemory, run or delete jobs, or keep results for a shorter time (result_ttl)."
    if used > FULL * limit:
        return say.problem("memory", text, advice)
    return say.warning("memory", text, advice) if used > NEARLY_FULL * limit else say.ok("memory", text)


def _use(facts: ServerFacts, used: float) -> Iterator[Finding]:
    ratio = facts.number("mem_fragmentation_ratio")
    if ratio is None or used < LITTLE:
        return
    if ratio > GAPS:
        yield say.warning(
            "fragmentation",
            f"the server holds {ratio:.1f} times the memory that its data takes",
            "redis-cli CONFIG SET activedefrag yes, if its build can; else restart it once its data is on disk.",
        )
    elif ratio < SWAPPED:
        yield say.warning(
            "fragmentation",
            f"{1 - ratio:.0%} of the server's data is not in memory but swapped out, so it answers slowly",
            "Give the machine more memory, or the server less to keep (maxmemory).",
        )

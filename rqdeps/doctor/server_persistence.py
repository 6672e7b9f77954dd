"""Checks of what the server writes to its disk: what is left of the jobs after it was restarted."""

from __future__ import annotations

from collections.abc import Iterator

from rqdeps.doctor.findings import Finding
from rqdeps.doctor.server_words import cannot_tell, say
from rqdeps.store.server_facts import ServerFacts

_TURN_ON = "redis-cli CONFIG SET appendonly yes, and the same in the server's configuration file."


def check_persistence(facts: ServerFacts) -> Iterator[Finding]:
    """What a restart, and a loss of power, can cost."""
    has_file = facts.number("aof_enabled")
    if has_file is None:
        yield cannot_tell("persistence", facts, "info")
    elif has_file:
        yield _of_file(facts.setting("appendfsync"))
    else:
        yield _without_file(facts)


def _of_file(fsync: str | None) -> Finding:
    if fsync == "always":
        return say.ok("persistence", "append-only file, written at once: nothing is lost")
    if fsync == "everysec":
        return say.ok("persistence", "append-only file, written every second: a loss of power can cost the last second")
    if fsync is None:
        return say.ok("persistence", "append-only file; how often it is written is not told (+config|get)")
    return say.warning(
        "persistence",
        "append-only file, written when the system likes: a loss of power can cost half a minute",
        "redis-cli CONFIG SET appendfsync everysec, and the same in the server's configuration file.",
    )


def _without_file(facts: ServerFacts) -> Finding:
    snapshots = facts.setting("save")
    if snapshots is None:
        return say.warning(
            "persistence",
            "no append-only file: a restart loses what came since the last snapshot, or all if there are none",
            _TURN_ON,
        )
    if snapshots:
        return say.warning(
            "persistence",
            f"snapshots alone (save {snapshots}): a restart loses all that came since the last one",
            _TURN_ON,
        )
    text = "neither append-only file nor snapshots: a restart of the server loses all jobs"
    if facts.number("connected_slaves"):
        return say.warning("persistence", f"{text}, unless a replica takes over first", _TURN_ON)
    return say.problem("persistence", text, _TURN_ON)


def check_writing(facts: ServerFacts) -> Iterator[Finding]:
    """Whether the last writes to the disk succeeded."""
    told = {name: facts.info.get(name) for name in _WRITES}
    failed = [words for name, words in _WRITES.items() if told[name] not in (None, "ok")]
    if failed:
        yield say.problem(
            "disk",
            f"the server could not write {' nor '.join(failed)}; it may refuse all changes until it can (MISCONF)",
            "See its log, and whether its disk is full or its folder can be written.",
        )
    elif facts.number("aof_enabled") or facts.setting("save"):
        yield say.ok("disk", "the last writes succeeded")


_WRITES = {
    "aof_last_write_status": "its append-only file",
    "aof_last_bgrewrite_status": "its append-only file anew",
    "rdb_last_bgsave_status": "its last snapshot",
}

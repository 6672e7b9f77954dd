"""Checks of the server: whether it is one that keeps jobs, and answers quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rqdeps.doctor.findings import Finding
from rqdeps.doctor.server_memory import check_eviction, check_memory
from rqdeps.doctor.server_persistence import check_persistence, check_writing
from rqdeps.doctor.server_replication import check_replicas, check_role
from rqdeps.doctor.server_words import cannot_tell, say
from rqdeps.durations import format_ms
from rqdeps.store.server_facts import ServerFacts

#: The oldest release of Redis that has all commands which scripts call.
OLDEST_REDIS: Final = (6, 2)

#: Above this, in milliseconds, each step of a job takes noticeably long.
SLOW_SCRIPT_MS: Final = 5.0

#: A command that took this long, in milliseconds, and how long ago that may be to be of interest, in seconds.
SLOW_COMMAND_MS: Final = 100.0
LATELY_S: Final = 3600.0

#: By how much clocks may differ, in milliseconds.
SKEW_MS: Final = 2_000

#: Above this share of its limit of connections a server is nearly full.
NEARLY_FULL: Final = 0.8

#: A server that closes idle connections sooner than after so many seconds.
SHORT_TIMEOUT_S: Final = 10


def check_server(facts: ServerFacts) -> list[Finding]:
    """All checks of a server that has answered."""
    return [finding for check in _CHECKS for finding in check(facts)]


def check_version(facts: ServerFacts) -> Iterator[Finding]:
    """Whether the server is one that rqdeps works on."""
    version = str(facts.info.get("redis_version", ""))
    if not version:
        yield cannot_tell("version", facts, "info")
        return
    name = str(facts.info.get("server_name", "")).capitalize()
    if name == "Valkey":
        yield say.ok("version", f"Valkey {facts.info.get('valkey_version', version)}")
    elif _numbers(version) < OLDEST_REDIS:
        yield say.problem(
            "version",
            f"Redis {version} lacks commands that rqdeps needs",
            "Upgrade it to Redis 6.2 or later, or to Valkey.",
        )
    else:
        yield say.ok("version", f"{name or 'Redis'} {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def check_cluster(facts: ServerFacts) -> Iterator[Finding]:
    """Whether keys may move to another server of a cluster."""
    if facts.number("cluster_enabled"):
        yield say.warning(
            "cluster",
            "the server runs in cluster mode; the data of a deployment is on one node, and is not found if it moves",
            "Use a server without cluster mode, with sentinels for failover (sentinel://).",
        )


def check_latency(facts: ServerFacts) -> Iterator[Finding]:
    """How quickly the server answers, and runs a script."""
    ping, script = facts.ping, facts.script
    if script is None:
        yield cannot_tell("latency", facts, "evalsha")
    else:
        beside = f", PING {ping.median_ms:.2f} ms" if ping else ""
        text = f"a script takes {script.median_ms:.2f} ms{beside}; the slowest 1 %: {script.slow_ms:.1f} ms"
        if script.median_ms <= SLOW_SCRIPT_MS:
            yield say.ok("latency", text)
        elif ping and ping.median_ms > script.median_ms / 2:
            yield say.warning("latency", text, "Most of that is the way there: run workers nearer to the server.")
        else:
            yield say.warning(
                "latency",
                text,
                "The server is slow by itself: see its CPU, redis-cli SLOWLOG GET and LATENCY DOCTOR.",
            )
    slow = [each for each in facts.slow if each.took_ms >= SLOW_COMMAND_MS and each.ago_s <= LATELY_S]
    if slow:
        worst = max(slow, key=lambda each: each.took_ms)
        yield say.warning(
            "slow commands",
            f"{worst.name} kept the server busy for {format_ms(worst.took_ms)}, {format_ms(worst.ago_s * 1000)} ago; "
            f"nobody else is served meanwhile",
            "redis-cli SLOWLOG GET names such commands and who sent them; SLOWLOG RESET forgets them.",
        )


def check_clock(facts: ServerFacts) -> Iterator[Finding]:
    """Whether this machine's clock and the server's show the same."""
    if facts.behind_ms is None:
        yield cannot_tell("clock", facts, "time")
    elif abs(facts.behind_ms) > SKEW_MS:
        way = "behind" if facts.behind_ms > 0 else "ahead of"
        yield say.warning(
            "clock",
            f"the server's clock is {format_ms(abs(facts.behind_ms))} {way} this machine's; jobs go by the server's",
            "Have both synchronised (NTP): enqueue_at counts by the clock of who calls it.",
        )
    else:
        yield say.ok("clock", "the server's clock shows the same as this machine's")


def check_clients(facts: ServerFacts) -> Iterator[Finding]:
    """Whether there is room for more connections."""
    connected, most = facts.number("connected_clients"), facts.number("maxclients")
    if most is None and (told := facts.setting("maxclients")) is not None:
        most = float(told)
    if connected is None or not most:
        if "info" in facts.refused:
            yield cannot_tell("connections", facts, "info")
        return
    text = f"{connected:,.0f} of {most:,.0f} connections"
    if connected <= NEARLY_FULL * most:
        yield say.ok("connections", text)
    else:
        yield say.warning(
            "connections",
            f"{text}: once there are no more, programs and workers are refused",
            "Raise maxclients, or see with CLIENT LIST who keeps so many.",
        )


def check_timeout(facts: ServerFacts) -> Iterator[Finding]:
    """Whether idle connections are closed so soon that programs have to connect anew each time."""
    seconds = facts.setting("timeout")
    if seconds is not None and 0 < int(seconds) < SHORT_TIMEOUT_S:
        yield say.warning(
            "timeout",
            f"connections are closed after {seconds} s without a command, so programs connect again and again",
            "redis-cli CONFIG SET timeout 0, or a minute at least.",
        )


_CHECKS: Final[Sequence[Callable[[ServerFacts], Iterator[Finding]]]] = (
    check_version,
    check_role,
    check_persistence,
    check_writing,
    check_eviction,
    check_memory,
    check_replicas,
    check_cluster,
    check_latency,
    check_clients,
    check_timeout,
    check_clock,
)

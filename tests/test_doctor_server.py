"""What ``rqdeps doctor`` finds of servers: on real ones where it can be brought about, else on what one says."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sentinels
import servers
from redis import Redis
from terminals import run

import rqdeps.doctor.look
import rqdeps.doctor.server
from rqdeps.doctor import CouldNotLookError, Finding, Level, look_around
from rqdeps.doctor.server import check_server
from rqdeps.store import Keys, Store, server_facts
from rqdeps.store.server_facts import Quickness, ServerFacts, SlowCommand

WARNING, PROBLEM, UNKNOWN = Level.WARNING, Level.PROBLEM, Level.UNKNOWN

#: What a server without any fault tells.
INFO = {
    "redis_version": "7.2.4",
    "role": "master",
    "connected_slaves": 0,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "maxmemory": 0,
    "maxmemory_policy": "noeviction",
    "used_memory": 200_000_000,
    "mem_fragmentation_ratio": 1.1,
    "total_system_memory": 8_000_000_000,
    "connected_clients": 3,
    "maxclients": 10_000,
    "cluster_enabled": 0,
}
SETTINGS = {"appendfsync": "everysec", "save": "", "timeout": "0", "min-replicas-to-write": "0"}
QUICK = Quickness(0.1, 0.3)


def facts(settings: dict[str, str] | None = None, **info: Any) -> ServerFacts:
    """What a server tells that has no other fault than these."""
    return ServerFacts(INFO | info, SETTINGS | (settings or {}), 10, 1.0, QUICK, QUICK)


def trouble(found: list[Finding]) -> list[tuple[str, Level]]:
    return [(finding.check, finding.level) for finding in found if finding.level is not Level.OK]


def test_a_server_without_a_fault_has_none_found():
    assert trouble(check_server(facts())) == []


@pytest.mark.parametrize(
    ("told", "settings", "found", "words"),
    [
        ({"redis_version": "6.0.16"}, {}, ("version", PROBLEM), "Redis 6.0.16 lacks commands"),
        ({"role": "slave", "master_host": "db", "master_port": 6379}, {}, ("role", PROBLEM), "a replica of db:6379"),
        ({"aof_enabled": 0}, {}, ("persistence", PROBLEM), "neither append-only file nor snapshots"),
        ({"aof_enabled": 0, "connected_slaves": 1}, {"min-replicas-to-write": "1"}, ("persistence", WARNING), "unless"),
        ({"aof_enabled": 0}, {"save": "3600 1"}, ("persistence", WARNING), "snapshots alone (save 3600 1)"),
        ({}, {"appendfsync": "no"}, ("persistence", WARNING), "when the system likes"),
        ({"aof_last_write_status": "err"}, {}, ("disk", PROBLEM), "could not write its append-only file;"),
        ({"rdb_last_bgsave_status": "err"}, {}, ("disk", PROBLEM), "its last snapshot"),
        ({"maxmemory": 10**9, "maxmemory_policy": "allkeys-lru"}, {}, ("eviction", PROBLEM), "jobs are lost"),
        ({"maxmemory_policy": "allkeys-lru"}, {}, ("eviction", WARNING), "once somebody sets maxmemory"),
        ({"maxmemory": 240_000_000}, {}, ("memory", WARNING), "(83%): room for some 80,000 small jobs"),
        ({"maxmemory": 201_000_000}, {}, ("memory", PROBLEM), "(100%)"),
        ({"total_system_memory": 210_000_000}, {}, ("memory", PROBLEM), "no maxmemory"),
        ({"mem_fragmentation_ratio": 2.5}, {}, ("fragmentation", WARNING), "2.5 times the memory"),
        ({"mem_fragmentation_ratio": 0.5}, {}, ("fragmentation", WARNING), "50% of the server's data"),
        ({"connected_slaves": 1}, {}, ("replicas", WARNING), "after a failover"),
        (
            {"connected_slaves": 1, "min_slaves_good_slaves": 0},
            {"min-replicas-to-write": "1"},
            ("replicas", PROBLEM),
            "0 replicas follow closely",
        ),
        (
            {"connected_slaves": 1, "slave0": {"state": "wait_bgsave"}},
            {"min-replicas-to-write": "1"},
            ("replicas", WARNING),
            "1 of 1 replica do not follow",
        ),
        ({"connected_clients": 9_000}, {}, ("connections", WARNING), "9,000 of 10,000"),
        ({"cluster_enabled": 1}, {}, ("cluster", WARNING), "cluster mode"),
        ({}, {"timeout": "5"}, ("timeout", WARNING), "after 5 s"),
    ],
)
def test_each_fault_is_found_with_what_to_do(
    told: dict[str, Any], settings: dict[str, str], found: tuple[str, Level], words: str
):
    findings = check_server(facts(settings, **told))
    assert trouble(findings) == [found]
    (finding,) = (finding for finding in findings if finding.level is not Level.OK)
    assert words in finding.text
    assert finding.advice


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-ttl"])
def test_policies_that_delete_what_has_a_time_to_live_delete_no_job(policy: str):
    assert trouble(check_server(facts(maxmemory_policy=policy, maxmemory=10**9))) == []


def test_replicas_without_which_a_server_takes_no_changes_are_no_fault():
    told = {"connected_slaves": 1, "min_slaves_good_slaves": 1, "slave0": {"state": "online"}}
    assert trouble(check_server(facts({"min-replicas-to-write": "1"}, **told))) == []


@pytest.mark.parametrize(
    ("ping", "advice"), [(0.2, "The server is slow by itself"), (9.0, "Most of that is the way there")]
)
def test_a_slow_script_is_blamed_on_the_server_or_on_the_way_there(ping: float, advice: str):
    told = facts()
    told.ping, told.script = Quickness(ping, ping), Quickness(10, 20)
    (finding,) = (finding for finding in check_server(told) if finding.level is not Level.OK)
    assert (finding.check, finding.level) == ("latency", WARNING)
    assert finding.advice.startswith(advice)


def test_of_slow_commands_the_slowest_of_the_last_hour_is_named():
    told = facts()
    told.slow = [SlowCommand("KEYS", 900, 60), SlowCommand("SORT", 5000, 7200), SlowCommand("EVALSHA", 20, 1)]
    (finding,) = (finding for finding in check_server(told) if finding.level is not Level.OK)
    assert finding.text.startswith("KEYS kept the server busy for 900 ms, 1 m 00 s ago")


@pytest.mark.parametrize(("behind_ms", "way"), [(5_000, "5 s behind this"), (-5_000, "5 s ahead of this")])
def test_clocks_that_differ_are_found(behind_ms: float, way: str):
    told = facts()
    told.behind_ms = behind_ms
    (finding,) = (finding for finding in check_server(told) if finding.level is not Level.OK)
    assert way in finding.text


def test_what_a_server_does_not_tell_is_unknown_and_never_a_problem():
    refused = ServerFacts(refused=["info", "config|get", "dbsize", "time", "ping", "evalsha", "slowlog|get"])
    for told in (refused, ServerFacts()):
        found = check_server(told)
        assert {finding.level for finding in found} == {UNKNOWN}
    assert "this user lacks +info" in check_server(refused)[0].text


# On servers


@pytest.fixture(scope="module", params=servers.KINDS, ids=lambda kind: kind.name)
def lasting(request: pytest.FixtureRequest) -> Iterator[servers.LastingServer]:
    try:
        with servers.lasting(request.param) as server:
            yield server
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


@contextmanager
def set_to(client: Redis, **settings: str) -> Iterator[None]:
    """Has a server go by other settings meanwhile."""
    names = [name.replace("_", "-") for name in settings]
    before = {name: client.config_get(name)[name] for name in names}
    for name, value in zip(names, settings.values(), strict=True):
        client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


@pytest.fixture
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found of a machine under load."""
    monkeypatch.setattr(rqdeps.doctor.server, "SLOW_SCRIPT_MS", math.inf)
    monkeypatch.setattr(rqdeps.doctor.server, "SLOW_COMMAND_MS", math.inf)


def found_at(url: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in look_around(url)}


@pytest.mark.usefixtures("in_no_hurry")
def test_a_server_in_order_is_found_in_order(lasting: servers.LastingServer):
    found = found_at(lasting.url)
    assert trouble(list(found.values())) == []
    assert found.keys() >= {
        *("version", "role", "persistence", "disk", "eviction", "memory", "latency", "connections", "clock", "layout")
    }
    assert lasting.client.dbsize() == 0


@pytest.mark.usefixtures("in_no_hurry")
def test_what_is_wrong_with_a_server_is_read_from_it(lasting: servers.LastingServer):
    settings = {"maxmemory": str(10**9), "maxmemory_policy": "allkeys-random", "timeout": "3", "appendfsync": "no"}
    with set_to(lasting.client, **settings):
        found = found_at(lasting.url)
    assert {name for name, finding in found.items() if finding.is_trouble} == {"eviction", "persistence", "timeout"}


def test_a_command_that_kept_the_server_busy_is_found(lasting: servers.LastingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rqdeps.doctor.server, "SLOW_COMMAND_MS", 0)
    with set_to(lasting.client, slowlog_log_slower_than="0"):
        lasting.client.slowlog_reset()
        assert "kept the server busy for" in found_at(lasting.url)["slow commands"].text
    lasting.client.slowlog_reset()


def test_a_clock_that_is_set_otherwise_than_this_machine_s_is_found(
    lasting: servers.LastingServer, monkeypatch: pytest.MonkeyPatch
):
    here = time.time
    monkeypatch.setattr(server_facts.time, "time", lambda: here() + 60)
    assert "1 m 00 s behind this machine's" in found_at(lasting.url)["clock"].text


@pytest.mark.usefixtures("in_no_hurry")
def test_commands_that_were_renamed_away_are_no_problem(
    lasting: servers.LastingServer, monkeypatch: pytest.MonkeyPatch
):
    """As on many servers that are managed by others."""

    def ask(client: Redis, *words: Any, **options: Any) -> Any:
        name = "no-such-command" if words[0] in ("INFO", "CONFIG GET", "SLOWLOG GET") else words[0]
        return execute(client, name, *words[1:], **options)

    execute: Callable[..., Any] = Redis.execute_command
    monkeypatch.setattr(Redis, "execute_command", ask)
    levels = {name: finding.level for name, finding in found_at(lasting.url).items()}
    assert {name for name, level in levels.items() if level is not Level.OK} == {
        *("version", "role", "persistence", "eviction", "memory", "connections")
    }
    assert set(levels.values()) == {Level.OK, UNKNOWN}


def test_a_master_with_a_replica_and_the_replica_itself_are_told_apart():
    try:
        with sentinels.watched() as watched:
            replica = next(port for port in watched.processes if port != watched.master_port)
            found = found_at(watched.url)
            assert found["reachable"].text.startswith("sentinel://")
            assert found["replicas"].level is WARNING
            found = found_at(f"redis://127.0.0.1:{replica}")
            assert found["role"].level is PROBLEM
            assert f"it is a replica of 127.0.0.1:{watched.master_port}" in found["role"].text
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


# Where there is no looking


@pytest.mark.parametrize("url", ["unix:///nowhere/socket", "ftp://example.org", "embedded:/nowhere", "redis://h:port"])
def test_without_a_server_there_is_one_finding_and_exit_code_2(url: str):
    with pytest.raises(CouldNotLookError) as raised:
        list(look_around(url))
    assert raised.value.finding.check == "reachable"
    result = run("doctor", "--url", url)
    assert result.exit_code == 2
    assert "could not be looked at" in result.output


def test_a_server_that_says_nothing_is_not_waited_for(lasting: servers.LastingServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rqdeps.doctor.look, "PATIENCE", 0.2)
    with lasting.held_up(), pytest.raises(CouldNotLookError, match="no answer from the server"):
        list(look_around(lasting.url))


def test_data_of_another_layout_is_a_problem_and_left_alone(lasting: servers.LastingServer):
    with Store(lasting.client, Keys()).client as client:
        client.set("{rqdeps}:schema", "99")
        try:
            found = found_at(lasting.url)
        finally:
            client.delete("{rqdeps}:schema")
    assert found["layout"].level is PROBLEM
    assert "99" in found["layout"].text
    assert "queues" not in found


def test_without_the_right_to_touch_the_keys_there_is_no_looking_at_the_data(lasting: servers.LastingServer):
    lasting.client.execute_command("ACL", "SETUSER", "other", "on", ">secret", "~{other}:*", "+@all")
    try:
        url = lasting.url.replace("unix://", "unix://other:secret@")
        with pytest.raises(CouldNotLookError, match="its user 'other' may not touch all the keys"):
            list(look_around(url))
        result = run("doctor", "--json", "--url", url)
        assert result.exit_code == 2
        assert "secret" not in result.output
    finally:
        lasting.client.execute_command("ACL", "DELUSER", "other")

"""Users of the server with no more rights than docs/security.md gives them. Real servers: fakeredis has no users."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import growing
import pytest
import servers
import steps
from by_hand import HandWorker
from click.testing import CliRunner, Result
from front import Front
from meter import IN_FULL
from processes import eventually, worker_process
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

import rqdeps.store.store
from rqdeps import AsyncQueue, Dependency, Job, Queue, SimpleWorker, Workflow
from rqdeps.cli import main
from rqdeps.doctor.data_facts import data_facts
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.group import Group
from rqdeps.here import patience_for
from rqdeps.status import JobStatus
from rqdeps.store import Store, connect
from rqdeps.store.calls import checkups, claims
from rqdeps.store.invariants import check_invariants
from rqdeps.store.keys import Keys
from rqdeps.store.permissions import missing_permission
from rqdeps.store.scripts import script, script_names
from rqdeps.worker_info import workers

DOCS = Path(__file__).parent.parent / "docs" / "security.md"
ROLES = ("producer", "worker", "viewer")

#: The scripts of those who only look.
READING = {
    *("attempts", "blame", "dependents", "edges", "fetch", "graph", "list", "log_lines", "members", "outputs"),
    *("find", "waits"),
    *("group", "groups", "overview", "read_part", "schema", "settings", "standing", "workers", "workflow", "workflows"),
    *("awaited", "ownerless", "sample", "vitals"),
}

#: The scripts that only workers call, and jobs while they run.
WORKING = {"beat", "depart", "give_back", "log", "maintain", "pending", "progress", "reclaim", "renew", "settle"}

#: What clients send beside scripts.
SENT = {
    "viewer": {"evalsha", "script|load", "ping", "select", "client|setname", "client|setinfo"},
    "producer": {"subscribe", "unsubscribe"},
    "worker": {"bzpopmin", "blpop"},
}
SENT["producer"] |= SENT["viewer"]
SENT["worker"] |= SENT["viewer"]


def lines_of(*users: str) -> list[str]:
    """What the docs tell an administrator to send, to make these users."""
    section = DOCS.read_text().partition("\n## Least privilege\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.strip().startswith("ACL SETUSER ")]
    return [line for line in lines if line.split()[2] in users]


def password_of(user: str) -> str:
    return f"{user.upper()}-PASSWORD"


@dataclass
class Site:
    """A server with the users of the docs, behind a port.

    Attributes:
        admin: a client that may do everything.
        port: the port.
    """

    admin: Redis
    port: int

    def url(self, user: str) -> str:
        return f"redis://{user}:{password_of(user)}@127.0.0.1:{self.port}"

    def set_user(self, *rules: str) -> None:
        self.admin.execute_command("ACL", "SETUSER", *rules)

    def refused(self) -> list[tuple[str, str]]:
        """Who was refused what so far."""
        entries = [(entry["username"], entry["object"]) for entry in self.admin.acl_log()]
        # redis-py asks Redis 6.2 for a command of CLIENT that came later; other servers say that there is none.
        return [entry for entry in entries if entry[1] != "client"]

    def stored(self) -> dict[bytes, bytes | None]:
        return {key: self.admin.dump(key) for key in self.admin.scan_iter()}


@pytest.fixture(params=servers.KINDS, ids=lambda kind: kind.name)
def site(request: pytest.FixtureRequest, start_server: Callable[[servers.Kind], servers.Server]) -> Iterator[Site]:
    server = start_server(request.param)
    server.clear()
    with server.connect() as admin, Front(str(server.socket)) as front:
        admin.script_flush()  # so that each user has to load what it calls
        for line in lines_of(*ROLES):
            admin.execute_command(*line.split())
        admin.acl_log_reset()
        yield Site(admin, front.port)
        admin.execute_command("ACL", "DELUSER", *ROLES)
        check_invariants(admin)


@pytest.fixture
def clients(site: Site) -> Iterator[dict[str, Redis]]:
    """A client of each user."""
    made = {user: Redis.from_url(site.url(user)) for user in ROLES}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command as a user."""
    monkeypatch.delenv("RQDEPS_URL", raising=False)

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, words, prog_name="rqdeps")
        assert result.exception is None or isinstance(result.exception, SystemExit), "users get no traceback"
        return result

    return run


# The lines


def commands_in(names: set[str], known: set[str]) -> set[str]:
    """The commands that stand in scripts, as text, whether they come to be called or not."""
    bodies = [line.partition("--")[0] for name in names for line in script(name).body.splitlines()]
    return {word.lower() for line in bodies for word in re.findall(r"'([A-Z]+)'", line) if word.lower() in known}


def test_each_user_gets_the_commands_of_its_scripts_and_no_other(site: Site) -> None:
    facts: dict[str, Any] = site.admin.command()
    writing = {name.lower() for name, command in facts.items() if {"write", "pubsub"} & set(command["flags"])}
    known = {name.lower() for name in facts}
    every = set(script_names())
    assert every > READING | WORKING
    needed = {
        "viewer": SENT["viewer"] | (commands_in(READING, known) - writing),
        "producer": SENT["producer"] | commands_in(every - WORKING, known),
        "worker": SENT["worker"] | commands_in(every, known),
    }
    for user in ROLES:
        permitted = re.findall(r" \+(\S+)", "\n".join(lines_of(user)))
        assert sorted(permitted) == sorted(needed[user]), user


def test_scripts_name_no_command_in_other_ways() -> None:
    """What the test above finds is all that there is."""
    calls = [
        argument
        for name in script_names()
        for line in script(name).body.splitlines()
        for argument in re.findall(r"redis\.p?call\((.*?)[,)]", line.partition("--")[0])
    ]
    assert {argument for argument in calls if not re.fullmatch(r"'[A-Z]+'", argument)} <= {
        "pop",
        "order",
        "how.front and 'LPUSH' or 'RPUSH'",
    }


# What each user can do


def on(kind: servers.Kind) -> pytest.MarkDecorator:
    """Runs a test on one server, and on the others in full."""
    kinds = servers.KINDS if IN_FULL else (kind,)
    return pytest.mark.parametrize("site", kinds, indirect=True, ids=lambda kind: kind.name)


def test_programs_and_workers_lack_nothing(site: Site, clients: dict[str, Redis]) -> None:
    queue = Queue("work", connection=clients["producer"])
    with worker_process(site.url("worker"), "--processes", "2", "--log-level", "warning") as worker:
        retried = queue.enqueue(steps.fail_before_attempt, 2, retry=1)
        nested = queue.enqueue(growing.spawn_nested)
        mapped = queue.map(steps.echo, [1, 2])
        text = queue.enqueue(steps.text_of, 5000)
        after = queue.enqueue(steps.echo, text.output)
        bad = queue.enqueue(steps.boom)
        below = queue.enqueue(steps.nothing, depends_on=bad)
        rescued = queue.enqueue(steps.boom, fallback=steps.explain_failure)
        died = queue.enqueue(steps.die)
        others = [
            queue.enqueue(steps.enqueue_here, "work"),
            queue.enqueue(steps.save_meta, "kept"),
            queue.enqueue(steps.tell, "halfway"),
        ]
        with Workflow("nightly", queue=queue) as flow:
            first = flow.enqueue(steps.add, 1, 1)
            flow.enqueue(steps.echo, first.output)
        assert flow.wait(timeout=20) is JobStatus.FINISHED
        assert retried.wait(timeout=20) == 2
        assert nested.wait(timeout=20)["both"] == 10
        assert mapped.wait(timeout=20) == [1, 2]
        assert len(after.wait(timeout=20)) == 5000
        for job in others:
            job.wait(timeout=20)
        assert [line.text for line in others[-1].log_lines()] == ["halfway"]
        for job in (rescued, bad, below, died):
            assert job.has_ended_within(patience_for(job, 20))
        assert below.get_status() == "upstream_failed"
        bad.skip()
        assert below.wait(timeout=20) is None
        died.requeue()
        assert died.has_ended_within(patience_for(died, 20))

        async def on_asyncio() -> Any:
            async with AsyncQueue("work", url=site.url("producer")) as q:
                return await (await q.enqueue(steps.add, 20, 22)).wait(timeout=20)

        assert asyncio.run(on_asyncio()) == 42
        worker.terminate()
        assert worker.wait() == 0
        assert worker.stderr is not None
        assert "refused" not in worker.stderr.read()
    assert site.refused() == []


def test_people_who_change_their_minds_lack_nothing(site: Site, clients: dict[str, Redis]) -> None:
    queue = Queue("work", connection=clients["producer"])
    held = queue.options(hold=True).enqueue(steps.nothing)
    later = queue.enqueue_in(3600, steps.nothing)
    waiting = queue.enqueue(steps.nothing, depends_on=Dependency([held, later], rule="all_done"))
    other = queue.enqueue(steps.nothing)
    held.add_dependency(other)
    held.release()
    held.meta["who"] = "me"
    held.save_meta()
    queue.pause()
    queue.limit(3)
    queue.limit(None)
    queue.resume()
    assert other.cancel()
    other.requeue(at_front=True)
    later.delete(dependents="release")
    other.skip("as if")
    flow = Workflow("nightly", queue=queue)
    with flow:
        flow.options(hold=True).enqueue(steps.nothing)
    flow.cancel()
    flow.retry_failed()
    flow.delete()
    many = queue.enqueue_many([Queue.prepare_data(steps.echo, args=[number]) for number in range(400)])
    assert queue.enqueue(steps.nothing, depends_on=many).get_status() == "deferred"
    assert waiting.get_status() == "deferred"
    assert site.refused() == []


@on(servers.REDIS_8)
def test_a_worker_sees_to_what_a_lost_one_left(site: Site, clients: dict[str, Redis]) -> None:
    queue = Queue("work", connection=clients["producer"])
    job, timed = queue.enqueue(steps.nothing), queue.enqueue_in(0.05, steps.nothing)
    lost = claims.settle([], holder="lost.1", lease_ms=1, queues=["work"], want=1, begin=1)
    assert Store(clients["worker"]).run(lost).claimed
    with worker_process(site.url("worker"), "--burst", "--lease", "0.1") as worker:
        assert worker.wait() == 0
    assert (job.get_status(), timed.get_status()) == ("finished", "finished")
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]
    assert site.refused() == []


@pytest.fixture
def sights(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Jobs in several statuses, made by the administrator, for others to look at."""
    queue = Queue("work", connection=site.admin)
    hands = HandWorker(queue.store, ["work"])
    grown = queue.enqueue(growing.spawn_nested)
    SimpleWorker(queue).work(burst=True)
    done = queue.enqueue(steps.text_of, 1)
    failed = queue.enqueue(steps.boom, meta={"who": "x" * 100}, description="y" * 100)
    claimed = hands.claim()
    assert claimed == [done.id, failed.id]
    hands.finish(done.id, b'j"' + b"x" * 1000 + b'"')
    hands.fail(failed.id)
    below = queue.enqueue(steps.echo, failed.output)
    with Workflow("nightly", queue=queue) as flow:
        flow.enqueue(steps.nothing, depends_on=queue.options(hold=True).enqueue(steps.nothing))
    queued = queue.enqueue(steps.nothing)
    queue.enqueue_many([queue.prepare_data(steps.nothing, job_id="gathered")], group_id="group")
    running = queue.enqueue(steps.nothing, at_front=True)
    hands.claim(1)
    queue.limit(4)
    return {
        "grown": grown,
        "done": done,
        "failed": failed,
        "below": below,
        "flow": flow,
        "queued": queued,
        "running": running,
    }


def test_a_viewer_sees_everything_and_changes_nothing(
    site: Site,
    clients: dict[str, Redis],
    sights: dict[str, Any],
    run: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = set()
    command_of = rqdeps.store.store.command_of

    def noted(call: Any, keys: Keys) -> Any:
        called.add(call.script)
        return command_of(call, keys)

    monkeypatch.setattr(rqdeps.store.store, "command_of", noted)
    before = site.stored()
    viewer, url = clients["viewer"], site.url("viewer")
    queue = Queue("work", connection=viewer)
    assert queue.counts[JobStatus.FINISHED] == 5
    assert Job.fetch(sights["grown"].id, connection=viewer).result["both"] == 10
    assert queue.job_ids
    assert queue.is_paused is False
    assert queue.started_limit == 4
    queue.store.perform(workers())
    assert queue.store.perform(data_facts()).errors
    assert queue.store.run(checkups.ownerless(["payload:nobody"])) == []
    (group,) = Group.all(connection=viewer)
    assert [job.id for job in group.get_jobs()] == ["gathered"]
    for name in ("done", "failed", "below", "queued", "running"):
        job = Job.fetch(sights[name].id, connection=viewer)
        assert Job.exists(job.id, connection=viewer)
        job.refresh()
        assert job.explain()
        assert job.graph().to_json()
        facts = (job.args, job.description, job.meta, job.attempts, job.exc_info, job.dependencies(), job.spawned_ids)
        assert len([*facts, job.dependent_ids, job.log_lines(), job.get_progress(), job.attempt]) == 11
    assert len(Job.fetch(sights["done"].id, connection=viewer).result) == 1000
    (flow,) = Workflow.all(connection=viewer)
    assert (flow.status, len(flow.jobs)) == (JobStatus.JOINING, 1)
    assert flow.facts()
    assert flow.graph().nodes
    assert flow.eta is None or flow.eta

    for words in (
        ["info"],
        *(["job", sights[name].id] for name in ("done", "failed", "below", "queued", "running")),
        ["job", sights["done"].id, "--log"],
        *(["graph", sights["below"].id, "--format", form] for form in ("tree", "json", "dot", "mermaid")),
        ["graph", sights["done"].id, "--watch"],
        ["graph", flow.id, "--critical-path"],
        ["workflow", "list"],
        ["workflow", "show", flow.id],
        *(["jobs"], ["workers"], ["queue", "list"]),
    ):
        result = run(*words, "--url", url)
        assert result.exit_code == 0, result.output
        assert password_of("viewer") not in result.output
    assert site.refused() == []
    assert site.stored() == before
    assert called == READING


def test_a_viewer_asks_the_doctor_who_says_what_else_it_would_have_to_know(
    site: Site, sights: dict[str, Any], run: Callable[..., Result]
) -> None:
    before = site.stored()
    result = run("doctor", "--json", "--url", site.url("viewer"))
    found = {finding["check"]: finding for finding in json.loads(result.output)}
    unknown = {name for name, finding in found.items() if finding["level"] == "unknown"}
    assert unknown == {"version", "role", "persistence", "eviction", "memory", "connections", "keys"}
    assert "this user lacks +info" in found["version"]["text"]
    assert "this user lacks +scan" in found["keys"]["text"]
    assert "1 job failed" in found["failed jobs"]["text"]
    (*_, last) = json.loads(run("doctor", "--full", "--json", "--url", site.url("viewer")).output)
    assert (last["check"], last["level"]) == ("invariants", "unknown")
    assert site.stored() == before


def test_a_viewer_of_an_empty_server_leaves_it_empty(site: Site, run: Callable[..., Result]) -> None:
    assert run("info", "--url", site.url("viewer")).exit_code == 0
    assert run("workflow", "list", "--url", site.url("viewer")).exit_code == 0
    assert site.stored() == {}
    assert site.refused() == []


CHANGES: list[list[str]] = [
    *(["cancel", "queued"], ["requeue", "failed"], ["delete", "done"], ["skip", "queued"]),
    *(["queue", "pause", "work"], ["queue", "limit", "work", "1"], ["queue", "limit", "work", "none"]),
    *(["workflow", "cancel", "flow"], ["workflow", "retry", "flow"], ["workflow", "delete", "--yes", "flow"]),
    ["workflow", "wait", "flow"],
]


def test_a_viewer_is_told_which_permission_is_missing(
    site: Site, sights: dict[str, Any], run: Callable[..., Result]
) -> None:
    before = site.stored()
    for words in CHANGES:
        result = run(*(getattr(sights.get(word), "id", word) for word in words), "--url", site.url("viewer"))
        assert result.exit_code == (2 if "wait" in words else 1), (words, result.output)
        assert re.fullmatch(
            r"Error: the server does not permit this: its user 'viewer' may not run the command '[a-z]+' "
            r"\(docs/security\.md, Least privilege, says what each role may do\)\n",
            result.output,
        ), (words, result.output)
    assert site.stored() == before


def test_nothing_in_a_viewer_s_hands_changes_anything(
    site: Site, clients: dict[str, Redis], sights: dict[str, Any]
) -> None:
    before = site.stored()
    queue = Queue("work", connection=clients["viewer"])

    def on(name: str) -> Any:
        found = sights[name]
        kind = Workflow if name == "flow" else Job
        return kind.fetch(found.id, connection=clients["viewer"])

    def save_meta() -> None:
        job = on("queued")
        job.meta["changed"] = True
        job.save_meta()

    for change in (
        lambda: queue.enqueue(steps.nothing),
        lambda: queue.enqueue_many([Queue.prepare_data(steps.nothing) for _ in range(400)]),
        queue.pause,
        queue.resume,
        lambda: queue.limit(1),
        lambda: on("queued").cancel(),
        lambda: on("queued").skip(),
        lambda: on("done").delete(),
        lambda: on("failed").requeue(),
        lambda: on("queued").wait(timeout=1),
        lambda: on("flow").cancel(),
        lambda: on("flow").delete(),
        lambda: on("flow").wait(timeout=1),
        save_meta,
    ):
        with pytest.raises(ResponseError) as raised:
            change()
        assert missing_permission(raised.value, site.url("viewer")) is not None
    assert site.stored() == before


# What nobody can do

OUTSIDE = """
    SET other 1 | GET other | DEL other | SET {rqdeps2}:schema 1 | RENAME {rqdeps}:schema other | RESTORE other 0 x
    COPY {rqdeps}:schema other | SORT {rqdeps}:queues STORE other | MIGRATE host 1 {rqdeps}:schema 0 1 | SWAPDB 0 1
    PUBLISH other x | SUBSCRIBE other | PSUBSCRIBE * | MONITOR | KEYS * | SCAN 0 | FLUSHALL | FLUSHDB | INFO
    CONFIG GET * | CONFIG SET dir / | DEBUG SLEEP 0 | SHUTDOWN NOSAVE | SAVE | BGREWRITEAOF | MODULE LIST | SLOWLOG GET
    ACL LIST | ACL SETUSER x | ACL LOG | CLIENT LIST | CLIENT KILL TYPE normal | REPLICAOF NO ONE | CLUSTER INFO
    SCRIPT FLUSH | SCRIPT KILL | EVAL return 0 | FUNCTION LIST
"""

#: Scripts of somebody's own, which touch what is not theirs.
FOREIGN = [
    *("return redis.call('SET', 'other', '1')", "return redis.call('GET', 'other')"),
    *("return redis.call('FLUSHALL')", "return redis.call('CONFIG', 'GET', '*')", "return redis.call('KEYS', '*')"),
    "return redis.call('PUBLISH', 'other', 'x')",
]


@pytest.mark.parametrize("user", ROLES)
def test_nobody_gets_at_the_rest_of_the_server(site: Site, clients: dict[str, Redis], user: str) -> None:
    site.admin.set("{rqdeps}:schema", "1")
    before = site.stored()
    known = {name.upper() for name in site.admin.command()}
    for line in re.split(r" \| |\n", OUTSIDE.strip()):
        command = line.split()
        if command[0] in known:
            with pytest.raises(ResponseError, match=r"permissions|not allowed"):
                clients[user].execute_command(*command)
    for body in FOREIGN:
        sha = clients[user].script_load(body)
        with pytest.raises(ResponseError, match=r"ACL failure|executing the script can't|not allowed from"):
            clients[user].evalsha(sha, 0)
    with pytest.raises(NoPermissionError):
        clients[user].evalsha(clients[user].script_load("return 1"), 1, "other")
    assert site.stored() == before


# What goes wrong


def test_a_user_of_another_tag_is_told_that_the_keys_are_not_its_own(site: Site, run: Callable[..., Result]) -> None:
    site.set_user("viewer", "resetkeys", "~{billing}:*")
    result = run("info", "--url", site.url("viewer"))
    assert result.exit_code == 1
    assert "its user 'viewer' may not touch all the keys that this needs" in result.output
    with Redis.from_url(site.url("viewer")) as client:
        assert Store(client, Keys("billing")).run(rqdeps.store.calls.reads.overview([])) == {}


def test_a_wrong_password_is_not_tried_again(site: Site, run: Callable[..., Result]) -> None:
    result = run("info", "--url", f"redis://viewer:wrong@127.0.0.1:{site.port}")
    assert result.exit_code == 1
    assert "refuses this client" in result.output
    assert "wrong@" not in result.output


@on(servers.VALKEY_9)
def test_a_worker_without_the_rights_says_so_and_waits_until_it_has_them(site: Site, clients: dict[str, Redis]) -> None:
    job = Queue("work", connection=clients["producer"]).enqueue(steps.add, 1, 1)
    with worker_process(site.url("viewer"), "--log-level", "warning") as worker:
        assert worker.stderr is not None
        line = next(line for line in worker.stderr if "trying again" in line)
        assert "the server refused" in line
        assert job.get_status() == "queued"
        for line in lines_of("worker")[1:]:
            site.set_user(*line.replace("worker", "viewer").split()[2:])
        site.set_user("viewer", "&{rqdeps}:ended:*")
        assert job.wait(timeout=20) == 2
        worker.terminate()
        assert worker.wait() == 0


@on(servers.REDIS_6_2)
def test_what_a_worker_computed_is_reported_once_it_is_permitted(
    site: Site, clients: dict[str, Redis], tmp_path: Path
) -> None:
    """A refusal is about the server's state: it doesn't make a job fail whose report it meets."""
    here, release = tmp_path / "here", tmp_path / "release"
    for fifo in (here, release):
        os.mkfifo(fifo)
    job = Queue("work", connection=clients["producer"]).enqueue(steps.meet, str(here), str(release))
    with worker_process(site.url("worker"), "--log-level", "warning") as worker:
        assert worker.stderr is not None
        here.read_text()
        site.set_user("worker", "-time")  # the first command of every script
        release.write_text("kept")
        next(line for line in worker.stderr if "trying again" in line)
        eventually(lambda: ("worker", "time") in site.refused())
        site.set_user("worker", "+time")
        assert job.wait(timeout=20) == "kept"
        assert (job.attempt, job.attempts) == (1, [])
        worker.terminate()
        assert worker.wait() == 0


@pytest.fixture
def locked() -> Iterator[servers.Server]:
    """A server of the test's own, which nobody gets into without a name."""
    try:
        with servers.running(servers.VALKEY_9) as server:
            for line in [*lines_of(*ROLES), *lines_of("admin", "default")]:
                server.client.execute_command(*line.split())
            yield server
    except servers.ServerMissingError as error:
        pytest.skip(str(error))


def test_with_the_default_user_off_everybody_has_to_say_who_it_is(locked: servers.Server) -> None:
    with pytest.raises(ConnectionUnavailableError, match="refuses this client: name a user and a password"):
        connect(locked.url).open()
    with locked.connect(username="admin", password=password_of("admin")) as admin:
        assert admin.acl_whoami() == "admin"
    with locked.connect(username="producer", password=password_of("producer")) as producer:
        assert Queue(connection=producer).enqueue(steps.nothing).get_status() == "queued"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("User bob has no permissions to run the 'config|get' command", "'bob' may not run the command 'config|get'"),
        (
            "this user has no permissions to run the 'set' command or its subcommand",
            "'ann' may not run the command",
        ),
        ("No permissions to access a channel", "'ann' may not use the channel"),
        (
            "Error running script (call to f_0): The user executing the script can't run this",
            "'ann' may not run a command",
        ),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
        ("unknown command 'FOO'", None),
    ],
)
def test_what_a_server_says_is_put_in_words(said: str, told: str | None) -> None:
    found = missing_permission(ResponseError(said), "redis://ann:secret@localhost")
    assert (found is None) if told is None else (found is not None and told in found)
    assert found is None or "secret" not in found

"""What waits in RQ goes over to rqdeps: all of it, once, wherever it is interrupted."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.context import ForkProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import rq_jobs
import rqs
import servers
from click.testing import CliRunner, Result
from conftest import StartServer
from processes import Meeting, eventually, lines, worker_process
from redis import Redis

from rqdeps import Job, Queue, SimpleWorker
from rqdeps.cli import main
from rqdeps.errors import RqdepsError
from rqdeps.from_rq import migration
from rqdeps.from_rq.layout import Layout
from rqdeps.from_rq.migration import Wanted, migrate
from rqdeps.from_rq.reading import loads_of
from rqdeps.from_rq.report import Report
from rqdeps.group import Group
from rqdeps.store import Call, Store, connect
from rqdeps.store.invariants import check_invariants

MARKS = Layout().marks


@pytest.fixture(scope="module")
def programs() -> Iterator[Callable[[str], rqs.Rq]]:
    """Programs that use RQ, each release once for all tests."""
    started: dict[str, rqs.Rq] = {}
    with ExitStack() as stack:

        def start(release: str) -> rqs.Rq:
            if release not in started:
                started[release] = stack.enter_context(rqs.running(release))
            return started[release]

        yield start


@pytest.fixture
def source(start_server: StartServer) -> Iterator[Redis]:
    """A client of RQ's server: the oldest that is supported."""
    server = start_server(servers.REDIS_6_2)
    server.clear()
    with server.connect() as client:
        yield client


@pytest.fixture(params=rqs.RELEASES)
def rq(request: pytest.FixtureRequest, programs: Callable[[str], rqs.Rq], source: Redis) -> rqs.Rq:
    """A program that uses RQ, of each release in turn."""
    return _of(request.param, programs, source)


@pytest.fixture
def rq3(programs: Callable[[str], rqs.Rq], source: Redis) -> rqs.Rq:
    """A program that uses RQ 3, where one release is enough."""
    return _of("rq3", programs, source)


def _of(release: str, programs: Callable[[str], rqs.Rq], source: Redis) -> rqs.Rq:
    program = programs(release)
    program.url = f"unix://{source.connection_pool.connection_kwargs['path']}"
    return program


@pytest.fixture
def q(valkey: Redis) -> Queue:
    """The queue that takes the jobs."""
    return Queue(connection=valkey)


Move = Callable[..., Report]


@pytest.fixture
def move(source: Redis, q: Queue, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Migrates, and looks again at once where RQ is changing something."""
    monkeypatch.setattr(migration, "PAUSE", 0)

    def move(
        queues: tuple[str, ...] = (), *, serializer: str = "json", rq_serializer: str = "pickle", **options: Any
    ) -> Report:
        wanted = {"is_dry": options.pop("is_dry", False)}
        codec = q.codec.changed(serializer)
        return migrate(source, q.store, Wanted(queues, loads_of(rq_serializer), codec, **wanted), **options)

    return move


def job_of(q: Queue, job_id: str) -> Job[Any]:
    return Job.fetch(job_id, connection=q.store.client)


def dependencies_of(q: Queue, job_id: str) -> list[tuple[str, str]]:
    """What a job depends on in rqdeps, each with its rule."""
    return [(each.id, each.rule) for each in job_of(q, job_id).dependencies()]


def work(q: Queue) -> None:
    """Runs all that is queued, and what that releases."""
    SimpleWorker([q]).work(burst=True)


def keys_of_waiting(source: Redis) -> list[bytes]:
    """Where jobs wait in RQ, and what a migration has left there."""
    patterns = [*(f"rq:{place}:*" for place in ("queue", "ready", "scheduled", "deferred")), "rqdeps*"]
    found = [key for pattern in patterns for key in source.keys(pattern)]
    return sorted(key for key in found if b":first_seen:" not in key)  # which RQ's workers leave for a day


def keys_of_jobs(source: Redis) -> list[bytes]:
    """The same, with all that RQ has stored of jobs."""
    kinds = ("job", "results", "executions", "group")
    found = [key for kind in kinds for key in source.keys(f"rq:{kind}:*")]
    return sorted(found + keys_of_waiting(source))


def reasons(report: Report) -> dict[str, str]:
    return {one.id: one.reason for one in report.staying.values()}


# What is carried


def test_a_job_keeps_all_that_was_said_of_it(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq("""
q.enqueue(
    jobs.add, 1, right=[2, {"three": None}], job_id="full", job_timeout=77, result_ttl=88, failure_ttl=99, ttl=1000,
    description="adds", meta={"by": "me"}, retry=Retry(3, [5, 10]),
    on_success=Callback(jobs.called_back, timeout=7), on_failure=Callback(jobs.called_back),
)
""")
    assert move().count == 1
    job = job_of(q, "full")
    assert job.get_status() == "queued"
    assert (job.func_name, job.args, job.kwargs) == ("rq_jobs.add", (1,), {"right": [2, {"three": None}]})
    assert (job.origin, job.description, job.meta) == ("default", "adds", {"by": "me"})
    fields = q.store.client.hgetall("{rqdeps}:job:full")
    assert (fields[b"timeout"], fields[b"result_ttl"], fields[b"failure_ttl"]) == (b"77000", b"88000", b"99000")
    assert 990_000 < int(fields[b"ttl"]) <= 1_000_000
    assert (fields[b"retries"], fields[b"retry"]) == (b"3", b"5000,5000,10000")
    assert fields[b"callbacks"] == b"rq_jobs.called_back:7000ms,rq_jobs.called_back"
    assert keys_of_jobs(source) == []


def test_repetitions_and_groups_are_carried(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq("""
from rq import Repeat
from rq.group import Group
q.enqueue(jobs.add, 1, job_id="repeats", repeat=Repeat(times=3, interval=[5, 10]))
Group.create(connection=connection, name="night").enqueue_many(
    q, [Queue.prepare_data(jobs.add, (1,), job_id=job_id) for job_id in ("one", "other")]
)
""")
    assert move().count == 3
    fields = q.store.client.hgetall("{rqdeps}:job:repeats")
    assert (fields[b"repeats"], fields[b"repeat"]) == (b"3", b"5000,10000")
    assert [job.id for job in Group.fetch("night", connection=q.store.client).get_jobs()] == ["one", "other"]
    assert keys_of_jobs(source) == []


def test_attempts_go_to_the_front_of_the_queue_where_they_did_in_rq(rq3: rqs.Rq, q: Queue, move: Move):
    rq3("""q.enqueue(jobs.boom, job_id="job", retry=Retry(2, enqueue_at_front=True))""")
    move()
    assert q.store.client.hget("{rqdeps}:job:job", "retry") == b"^"


def test_jobs_run_in_the_order_in_which_rq_would_have_run_them(rq: rqs.Rq, q: Queue, move: Move, tmp_path: Path):
    path = tmp_path / "ran"
    rq(f"""
def note(name, **options):
    return q.enqueue(jobs.note, {str(path)!r}, name, **options)

first = note("first")
note("second")
last = note("after first and second", depends_on=[first, note("third")])
note("after that", depends_on=last)
note("front", at_front=True)
note("front of these", depends_on=Dependency(first, enqueue_at_front=True))
""")
    assert move().count == 7
    work(q)
    assert path.read_text().splitlines() == [
        *("front", "first", "front of these", "second", "third", "after first and second", "after that")
    ]


def test_scheduled_jobs_keep_their_time(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    moment = rq("""
moment = soon(1000).replace(microsecond=0)
q.enqueue_at(moment, jobs.add, 1, job_id="later", ttl=5000)
q.enqueue_at(soon(-1), jobs.add, 1, job_id="due")
reply = moment.timestamp()
""")
    move()
    assert q.store.client.hget("{rqdeps}:job:later", "scheduled_for") == str(int(moment * 1000)).encode()
    assert job_of(q, "later").get_status() == "scheduled"
    assert job_of(q, "due").get_status() == "queued"
    assert keys_of_jobs(source) == []


def test_an_attempt_that_waits_for_its_time_has_the_retries_that_are_left(rq: rqs.Rq, q: Queue, move: Move):
    rq("""q.enqueue(jobs.boom, job_id="again", retry=Retry(3, [100, 200, 300]))""")
    rq.work()
    move()
    fields = q.store.client.hgetall("{rqdeps}:job:again")
    assert (fields[b"status"], fields[b"retries"], fields[b"retry"]) == (b"scheduled", b"2", b"200000,300000")


def test_what_rq_has_ended_stays_as_it_is(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq("""q.enqueue(jobs.add, 1, job_id="finished"); q.enqueue(jobs.boom, job_id="failed")""")
    rq.work()
    before = contents(source)
    report = move()
    assert (report.count, report.staying) == (0, {})
    assert contents(source) == before
    assert q.counts == dict.fromkeys(q.counts, 0)


def test_ids_that_rqdeps_does_not_take_are_replaced(rq3: rqs.Rq, q: Queue, move: Move):
    long = "long" * 20
    rq3(f"""q.enqueue(jobs.add, 1, job_id="below", depends_on=q.enqueue(jobs.add, 1, job_id={long!r}))""")
    report = move()
    new_id = report.renamed[long]
    assert job_of(q, new_id).get_status() == "queued"
    assert dependencies_of(q, "below") == [(new_id, "all_success")]


def test_other_serializers_of_rq_are_read(rq3: rqs.Rq, q: Queue, move: Move):
    rq3("""Queue(connection=connection, serializer="json").enqueue(jobs.add, 1, right=2, job_id="job")""")
    report = move()
    assert "--rq-serializer" in reasons(report)["job"]
    assert move(rq_serializer="json").count == 1
    assert (job_of(q, "job").args, job_of(q, "job").kwargs) == ((1,), {"right": 2})


def test_keys_may_begin_with_another_prefix(rq3: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq3("""q.enqueue(jobs.add, 1, job_id="job")""")
    for key in source.keys("rq:*"):
        source.rename(key, key.replace(b"rq:", b"mine:", 1))
    source.srem("mine:queues", "rq:queue:default")
    source.sadd("mine:queues", "mine:queue:default")
    assert move().count == 0
    assert move(layout=Layout("mine")).count == 1
    assert job_of(q, "job").get_status() == "queued"


# Dependencies


def test_dependencies_that_rq_has_ended_count_as_met(rq: rqs.Rq, q: Queue, move: Move):
    rq("""
failed, finished = q.enqueue(jobs.boom, job_id="failed"), q.enqueue(jobs.add, 1, job_id="finished")
gone = q.enqueue(jobs.add, 1, job_id="gone", result_ttl=0)
other = Queue("other", connection=connection).enqueue(jobs.add, 1, job_id="other")
q.enqueue(jobs.add, 1, job_id="mixed", depends_on=Dependency([failed, finished, gone, other], allow_failure=True))
""")
    rq.work()
    assert move().count == 2
    assert dependencies_of(q, "mixed") == [("other", "all_done")]


def test_what_rq_would_never_run_stays(rq: rqs.Rq, move: Move, source: Redis):
    rq("""
failed = q.enqueue(jobs.boom, job_id="failed")
q.enqueue(jobs.add, 1, job_id="below", depends_on=failed)
canceled = q.enqueue(jobs.add, 1, job_id="canceled")
q.enqueue(jobs.add, 1, job_id="below-canceled", depends_on=canceled)
canceled.cancel()
deleted = q.enqueue(jobs.add, 1, job_id="deleted")
q.enqueue(jobs.add, 1, job_id="below-deleted", depends_on=deleted)
deleted.delete()
""")
    rq.work()
    before = keys_of_jobs(source)
    report = move()
    assert report.count == 0
    assert "'failed', which has failed" in reasons(report)["below"]
    assert "'canceled', which has been canceled" in reasons(report)["below-canceled"]
    assert "has been deleted" in reasons(report)["below-deleted"]
    assert keys_of_jobs(source) == before


def test_what_waits_for_a_running_job_stays_with_all_that_depends_on_it_until_that_has_ended(
    rq: rqs.Rq, q: Queue, move: Move, meeting: Meeting
):
    rq(f"""
runs = q.enqueue(jobs.meet, *{meeting.args!r}, job_id="runs")
other = Queue("other", connection=connection).enqueue(jobs.add, 1, job_id="other")
q.enqueue(jobs.add, 1, job_id="waits", depends_on=[runs, other])
Queue("other", connection=connection).enqueue(jobs.add, 1, job_id="free")
""")
    with rq.worker():
        meeting.wait()
        report = move()
        assert report.count == 1
        assert job_of(q, "free").get_status() == "queued"
        found = reasons(report)
        assert found.keys() == {"runs", "other", "waits"}
        assert "begun" in found["runs"]
        assert "'runs'" in found["waits"]
        assert "'waits', which stays" in found["other"]
        meeting.let_go()
        eventually(lambda: rq("reply = Job.fetch('runs', connection=connection).get_status()") == "finished")
    assert move().count == 2
    assert dependencies_of(q, "waits") == [("other", "all_success")]


def test_only_the_queues_that_were_asked_for_are_moved(rq: rqs.Rq, q: Queue, move: Move):
    rq("""
other = Queue("other", connection=connection)
q.enqueue(jobs.add, 1, job_id="across", depends_on=other.enqueue(jobs.add, 1, job_id="other"))
q.enqueue(jobs.add, 1, job_id="here")
""")
    report = move(("default",))
    assert report.count == 1
    assert "'other'" in reasons(report)["across"]
    assert "--queue" in reasons(report)["across"]
    assert move(("default", "other")).count == 2
    assert job_of(q, "across").get_status() == "deferred"


def test_a_graph_beyond_one_call_is_moved_whole(rq3: rqs.Rq, q: Queue, move: Move, source: Redis, tmp_path: Path):
    path = tmp_path / "ran"
    rq3(f"""
parts = q.enqueue_many([Queue.prepare_data(jobs.note, ({str(path)!r}, i), job_id=f"part{{i}}") for i in range(600)])
q.enqueue(jobs.note, {str(path)!r}, "last", depends_on=parts, job_id="last")
""")
    assert move().count == 601
    assert keys_of_jobs(source) == []
    assert job_of(q, "last").get_status() == "deferred"
    assert q.job_ids == [f"part{i}" for i in range(600)]


# What stays


def test_what_can_not_be_carried_stays_with_all_that_depends_on_it(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq("""
method = q.enqueue(jobs.Plain(1).method, 2, job_id="method")
q.enqueue(jobs.add, 1, job_id="below", depends_on=method)
q.enqueue(jobs.value_of, jobs.Plain(3), job_id="object")
q.enqueue(jobs.add, 1, job_id="meta", meta={"object": jobs.Plain(4)})
connection.hset("rq:job:" + q.enqueue(jobs.add, 1, job_id="damaged").id, "data", b"damaged")
q.enqueue("__main__.add", 1, job_id="main")
q.enqueue(jobs.add, 1, job_id="patient", retry=Retry(1_000_000_000, [1, 2]))
q.enqueue(jobs.add, 1, job_id="fine")
""")
    report = move()
    found = reasons(report)
    assert report.count == 1
    assert "method 'method' of an object of the type Plain" in found["method"]
    assert "'method', which stays" in found["below"]
    assert found["object"].endswith("or move it with --serializer pickle")
    assert found["meta"].startswith("meta")
    assert "can't be read" in found["damaged"]
    assert "__main__" in found["main"]
    assert "retries" in found["patient"]
    assert move(serializer="pickle").count == 1
    assert isinstance(Queue(connection=q.store.client, serializer="pickle").fetch_job("object").args[0], rq_jobs.Plain)
    assert source.lrange("rq:queue:default", 0, -1) == [b"method", b"meta", b"damaged", b"main", b"patient"]


def test_what_rqdeps_does_not_have_stays(rq3: rqs.Rq, move: Move):
    rq3("""
from rq.rate_limit import RateLimit
from rq.webhook import Webhook
limit = RateLimit("api", 1)
q.enqueue(jobs.add, 1, job_id="limited", rate_limit=limit)
q.enqueue(jobs.add, 1, job_id="waits-for-room", rate_limit=limit)
q.enqueue(jobs.add, 1, job_id="hooked", webhooks=[Webhook("http://localhost/", "finished")])
""")
    report = move()
    assert report.count == 0
    found = reasons(report)
    assert "rate limit" in found["limited"]
    assert "rate limit" in found["waits-for-room"]
    assert "webhooks" in found["hooked"]


def test_a_job_whose_id_rqdeps_has_already_stays(rq3: rqs.Rq, q: Queue, move: Move):
    q.enqueue("rq_jobs.add", 1, job_id="here")
    rq3("""q.enqueue(jobs.add, 2, job_id="here"); q.enqueue(jobs.add, 2, job_id="there")""")
    report = move()
    assert report.count == 1
    assert "already" in reasons(report)["here"]
    assert job_of(q, "here").args == (1,)


def test_a_job_that_a_scheduler_of_rq_may_be_moving_is_left_to_it(rq: rqs.Rq, q: Queue, move: Move, source: Redis):
    rq("""
q.enqueue_at(soon(2), jobs.add, 1, job_id="soon")
q.enqueue_at(soon(100), jobs.add, 1, job_id="later")
""")
    source.set("rq:scheduler-lock:default", "a scheduler")
    report = move()
    assert report.count == 1
    assert "just now" in reasons(report)["soon"]
    source.delete("rq:scheduler-lock:default")
    assert move().count == 1
    assert job_of(q, "soon").get_status() == "scheduled"
    assert keys_of_jobs(source) == []


def test_a_job_that_comes_to_be_in_rqdeps_meanwhile_keeps_only_its_own_graph_back(rq3: rqs.Rq, q: Queue, move: Move):
    rq3("""
q.enqueue(jobs.add, 2, job_id="below", depends_on=q.enqueue(jobs.add, 2, job_id="here"))
q.enqueue(jobs.add, 2, job_id="there")
""")

    def observe(step: str) -> None:
        if step == "marked" and not Job.exists("here", connection=q.store.client):
            q.enqueue("rq_jobs.add", 1, job_id="here")

    report = move(observer=observe)
    assert report.count == 1
    assert set(reasons(report)) == {"here", "below"}
    assert job_of(q, "there").args == (2,)
    assert job_of(q, "here").args == (1,)
    assert not Job.exists("below", connection=q.store.client)


def test_what_is_not_as_it_should_be_in_rq_stays(rq3: rqs.Rq, move: Move):
    rq3("""
saved = Job.create(jobs.add, (1,), id="saved", connection=connection, origin="default")
saved.save()
q.enqueue(jobs.add, 1, job_id="below", depends_on=saved)
connection.hset("rq:job:" + q.enqueue(jobs.add, 1, job_id="odd").id, "status", "canceled")
q.enqueue(jobs.add, 1, job_id="expired").delete(remove_from_queue=False)
q.enqueue(jobs.add, 1, job_id="one", depends_on=saved)
q.enqueue(jobs.add, 1, job_id="other", depends_on="one")
connection.hset("rq:job:one", "dependency_ids", '["other"]')
""")
    report = move()
    assert report.count == 0
    assert "never enqueued" in reasons(report)["below"]
    assert "its status is 'canceled'" in reasons(report)["odd"]
    assert "wait for each other" in reasons(report)["one"]
    assert set(reasons(report)) == {"below", "odd", "one", "other"}


# RQ at work meanwhile


def test_a_job_that_rq_takes_meanwhile_is_deleted_in_rqdeps(rq: rqs.Rq, q: Queue, move: Move):
    """And what waited for it is moved without it."""
    rq("""q.enqueue(jobs.add, 1, job_id="below", depends_on=q.enqueue(jobs.add, 1, job_id="taken"))""")
    begun = []

    def observe(step: str) -> None:
        if step == "staged" and not begun:
            begun.append(step)
            assert q.counts["created"] == 2
            rq("q.enqueue(jobs.add, 1, job_id='one', at_front=True); q.enqueue(jobs.add, 1, job_id='two')")
            rq.work(2)

    report = move(observer=observe)
    assert report.count == 2
    assert {job_id for job_id in ("taken", "below", "one", "two") if Job.exists(job_id, connection=q.store.client)} == {
        *("below", "two")
    }
    assert job_of(q, "below").get_status() == "queued"


def test_a_job_that_gets_another_dependent_meanwhile_is_moved_with_it(rq: rqs.Rq, q: Queue, move: Move):
    rq("""q.enqueue(jobs.add, 1, job_id="above")""")
    begun = []

    def observe(step: str) -> None:
        if step == "staged" and not begun:
            begun.append(step)
            rq("""q.enqueue(jobs.add, 1, job_id="below", depends_on="above")""")

    assert move(observer=observe).count == 2
    assert job_of(q, "below").get_status() == "deferred"


# Interrupted


@pytest.mark.parametrize("calls", [1, 2, 3, 4], ids=["a piece", "two pieces", "all pieces", "opened"])
def test_a_large_graph_whose_staging_was_interrupted_is_moved_by_the_next_run(
    rq3: rqs.Rq, q: Queue, move: Move, source: Redis, monkeypatch: pytest.MonkeyPatch, calls: int
):
    rq3("""
parts = q.enqueue_many([Queue.prepare_data(jobs.add, (i,), job_id=f"part{i}") for i in range(400)])
q.enqueue(jobs.add, 1, depends_on=parts, job_id="last")
""")
    made = []
    run = Store.run

    def run_until(self: Store, call: Call[Any]) -> Any:
        result = run(self, call)
        made.extend([call.script] if call.script in ("stage", "open") else [])
        if len(made) == calls:
            raise Interrupted(call.script)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(Store, "run", run_until)
        patched.setattr(Store, "run_all", lambda self, some: [self.run(call) for call in some])
        assert is_interrupted(move)
    assert made == ["stage", "stage", "stage", "open"][:calls]
    report = move()
    assert (report.count, report.discarded, report.staying) == (401, 401, {})
    assert q.counts["queued"] == 400
    assert job_of(q, "last").get_status() == "deferred"
    assert keys_of_jobs(source) == []


class Interrupted(BaseException):
    """What ends a process, such as a signal."""


def interrupted_after(count: int, also: Callable[[str], None] = lambda step: None) -> Callable[[str], None]:
    """Lets a run end after so many steps."""
    steps = []

    def observe(step: str) -> None:
        also(step)
        steps.append(step)
        if len(steps) == count:
            raise Interrupted(step)

    return observe


def is_interrupted(run: Callable[[], object]) -> bool:
    try:
        run()
    except Interrupted:
        return True
    return False


class Interruption:
    """Has jobs moved by runs that are interrupted, and by one that isn't, and looks what they have come to."""

    def __init__(self, move: Move, source: Redis, q: Queue, folder: Path) -> None:
        self._move = move
        self._source = source
        self._q = q
        self._folder = folder

    def of_first_run(self, rq: rqs.Rq, count: int, *, rq_works: bool) -> bool:
        """Interrupts a run after so many steps. Returns whether it had so many."""
        path = self._begin(rq)
        was_interrupted = is_interrupted(lambda: self._move(observer=_observer(rq, count, rq_works=rq_works)))
        self._end(path)
        return was_interrupted

    def of_both_runs(self, rq: rqs.Rq, first: int, second: int, *, rq_works: bool) -> bool:
        """Interrupts a run, and the next as well. Returns whether that one had so many steps."""
        path = self._begin(rq)
        is_interrupted(lambda: self._move(observer=_observer(rq, first, rq_works=rq_works)))
        was_interrupted = is_interrupted(lambda: self._move(observer=interrupted_after(second)))
        self._end(path)
        return was_interrupted

    def _begin(self, rq: rqs.Rq) -> Path:
        self._source.flushdb()
        path = self._folder / secrets.token_hex(4)
        rq(f"""
def note(name, **options):
    return q.enqueue(jobs.note, {str(path)!r}, name, job_id=name, **options)

a = note("a")
note("e", depends_on=[note("d", depends_on=[a, note("b"), note("c")])])
note("f")
""")
        return path

    def _end(self, path: Path) -> None:
        report = self._move()
        assert report.staying == {}
        assert keys_of_waiting(self._source) == []
        assert self._q.counts["created"] == 0
        work(self._q)
        assert sorted(path.read_text().split()) == ["a", "b", "c", "d", "e", "f"]
        check_invariants(self._q.store.client)
        for job_id in "edcbaf":
            if Job.exists(job_id, connection=self._q.store.client):
                job_of(self._q, job_id).delete()


def _observer(rq: rqs.Rq, count: int, *, rq_works: bool) -> Callable[[str], None]:
    """Interrupts after so many steps; where RQ works, it runs a job that is about to be taken."""
    seen: list[str] = []

    def observe(step: str) -> None:
        if step == "staged" and rq_works and step not in seen:
            rq.work(1)
        seen.append(step)

    return interrupted_after(count, observe)


@pytest.fixture
def interruption(move: Move, source: Redis, q: Queue, tmp_path: Path) -> Interruption:
    """Runs that are interrupted."""
    return Interruption(move, source, q, tmp_path)


@pytest.mark.parametrize("rq_works", [False, True], ids=["alone", "while RQ works"])
def test_wherever_runs_are_interrupted_every_job_runs_once(rq: rqs.Rq, rq_works: bool, interruption: Interruption):
    """A reply that is lost looks like an end right after the step: so this is the test of that, too."""
    first, was_interrupted = 0, True
    while was_interrupted:
        first += 1
        was_interrupted = interruption.of_first_run(rq, first, rq_works=rq_works)
    assert first > len(("marked", "staged", "taken", "let go", "unmarked"))


@pytest.mark.parametrize("rq_works", [False, True], ids=["alone", "while RQ works"])
def test_wherever_what_finishes_a_run_is_interrupted_every_job_runs_once(
    rq3: rqs.Rq, rq_works: bool, interruption: Interruption
):
    for first in (3, 5) if rq_works else (1, 2, 3, 4):
        second, was_interrupted = 0, True
        while was_interrupted:
            second += 1
            was_interrupted = interruption.of_both_runs(rq3, first, second, rq_works=rq_works)


def test_no_job_is_lost_or_runs_twice_while_runs_are_killed_and_both_work(
    rq: rqs.Rq, source: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(migration, "BATCH", 20)
    monkeypatch.setattr(migration, "PAUSE", 0.01)
    path, said, chance, kills = tmp_path / "ran", tmp_path / "said", Random(1), 0
    rq(f"""
def note(name, **options):
    return q.enqueue(jobs.note, {str(path)!r}, name, **options)

for i in range(60):
    a = note(f"a{{i}}")
    b, c = note(f"b{{i}}", depends_on=a), note(f"c{{i}}", depends_on=a)
    note(f"d{{i}}", depends_on=[b, c])
    q.enqueue_at(soon(i % 3), jobs.note, {str(path)!r}, f"e{{i}}")
""")
    names = sorted(f"{letter}{i}" for letter in "abcde" for i in range(60))
    with rq.worker("--with-scheduler"), rq.worker(), worker_process(valkey_url, "default"):
        eventually(lambda: bool(lines(path)), 30)
        exit_code, deadline = None, time.monotonic() + 60
        while exit_code != 0:
            assert time.monotonic() < deadline, said.read_text()
            with forked(lambda: migrate_once(source, valkey_url, said)) as process:
                process.join(chance.uniform(0.02, 0.25) if kills < MOST_KILLS else 30)
                exit_code = process.exitcode
                kills += exit_code is None
        eventually(lambda: len(lines(path)) >= len(names), 30)
    assert kills
    assert sorted(lines(path)) == names
    assert keys_of_waiting(source) == []


#: How many runs are killed before one may come to its end.
MOST_KILLS = 12


def migrate_once(source: Redis, url: str, said: Path) -> int:
    """One run, in a process forked for it. Returns its exit code; what it says goes to a file."""
    path = source.connection_pool.connection_kwargs["path"]
    store = connect(url)
    with Redis(unix_socket_path=path) as client:
        report = migrate(client, store, Wanted((), loads_of("pickle"), store.codec))
    said.write_text("\n".join(report.lines()))
    return 1 if report.staying else 0


@contextmanager
def forked(run: Callable[[], int]) -> Iterator[ForkProcess]:
    """Runs something in a process of its own, which exits with what it returns."""
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(run()))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("step", ["marked", "staged", "taken", "let go"])
def test_two_runs_at_once_move_each_job_once(rq3: rqs.Rq, q: Queue, move: Move, source: Redis, step: str):
    rq3("""
for i in range(3):
    q.enqueue(jobs.add, 1, job_id=f"below{i}", depends_on=q.enqueue(jobs.add, 1, job_id=f"above{i}"))
""")
    others = []

    def observe(now: str) -> None:
        if now == step and not others:
            others.append(step)
            others.append(move())

    report = move(observer=observe)
    assert report.staying == {}
    assert keys_of_jobs(source) == []
    assert q.job_ids == ["above0", "above1", "above2"]
    assert (q.counts["deferred"], q.counts["created"]) == (3, 0)


def test_jobs_that_were_taken_for_another_deployment_are_not_forgotten(
    rq3: rqs.Rq, q: Queue, move: Move, source: Redis, start_server: StartServer
):
    rq3("""q.enqueue(jobs.add, 1, job_id="job")""")
    assert is_interrupted(lambda: move(observer=interrupted_after(3)))
    assert source.hget(MARKS, "job").startswith(b"taken ")
    elsewhere = start_server(servers.REDIS_8)
    elsewhere.clear()
    with pytest.raises(RqdepsError, match="run it again for there first"):
        migrate(source, connect(elsewhere.url), Wanted((), loads_of("pickle"), q.codec))
    assert move().released == 1
    assert job_of(q, "job").get_status() == "queued"


# The command


def contents(client: Redis) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.scan_iter()}


@pytest.fixture
def command(source: Redis, valkey_url: str, q: Queue) -> Callable[..., Result]:
    """Runs the command, from RQ's server to rqdeps."""
    source_url = f"unix://{source.connection_pool.connection_kwargs['path']}"

    def command(*options: str) -> Result:
        return CliRunner().invoke(main, ["migrate-from-rq", "--from", source_url, "--url", valkey_url, *options])

    return command


def test_the_command_says_what_it_has_done(rq3: rqs.Rq, command: Callable[..., Result]):
    rq3("""
q.enqueue(jobs.add, 1, job_id="below", depends_on=q.enqueue(jobs.add, 1))
q.enqueue_at(soon(100), jobs.add, 1)
q.enqueue(jobs.value_of, jobs.Plain(3), job_id="object")
""")
    result = command()
    assert result.exit_code == 1
    assert "3 jobs moved\n  default: 1 queued, 1 scheduled, 1 deferred\n1 job stayed in RQ\n  object (" in result.output
    result = command("--serializer", "pickle", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["queues"] == {"default": {"queued": 1}}


def test_a_dry_run_writes_nothing(rq: rqs.Rq, command: Callable[..., Result], source: Redis, valkey: Redis):
    rq("""
q.enqueue(jobs.add, 1, job_id="below", depends_on=q.enqueue(jobs.add, 1))
q.enqueue(jobs.value_of, jobs.Plain(3), job_id="object")
""")
    before = contents(source)
    result = command("--dry-run")
    assert result.exit_code == 1
    assert "2 jobs would be moved" in result.output
    assert "object (default)" in result.output
    assert contents(source) == before
    assert contents(valkey) == {}


def test_a_dry_run_says_what_an_earlier_run_has_left(rq3: rqs.Rq, move: Move, command: Callable[..., Result]):
    rq3("""q.enqueue(jobs.add, 1)""")
    assert is_interrupted(lambda: move(observer=interrupted_after(3)))
    assert "1 job that an earlier run had taken out of RQ would be let go" in command("--dry-run").output
    assert "1 job that an earlier run had taken out of RQ was let go" in command().output


def test_both_may_be_on_one_server(rq3: rqs.Rq, source: Redis):
    rq3("""q.enqueue(jobs.add, 1, job_id="job")""")
    result = CliRunner().invoke(main, ["migrate-from-rq", "--url", rq3.url])
    assert (result.exit_code, result.output) == (0, "1 job moved\n  default: 1 queued\n")
    assert Job.fetch("job", connection=source).get_status() == "queued"


@pytest.mark.parametrize("serializer", ["yaml", "no.such.serializer", "json.decoder"])
def test_a_serializer_that_is_none_is_a_mistake(command: Callable[..., Result], serializer: str):
    result = command("--rq-serializer", serializer)
    assert result.exit_code == 2
    assert serializer in result.output

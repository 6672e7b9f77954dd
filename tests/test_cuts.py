"""Connections that are cut before, within and after requests and replies: of every script there is, and while blocked.

What is cut is asked again, by the rules of each script and of each face. So all ends as if nothing had been cut, each
job runs as often as it would have, and nothing waits until a lease runs out, which takes 30 s here. Real servers:
fakeredis has no connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import growing
import pytest
import servers
import steps
from meter import IN_FULL
from processes import eventually, lines, worker_process
from proxy import Cut, Proxy, Request
from redis import Redis
from whole_program import Program

import rqdeps.store.store
import rqdeps.store.words
from rqdeps import AsyncQueue, Dependency, Job, JobStatus, Queue, SimpleWorker
from rqdeps.here import patience_for
from rqdeps.store import connect
from rqdeps.store.scripts import script, script_names
from rqdeps.store.store import SUBSCRIBED_WITHIN
from rqdeps.worker.link import BLOCK_SECONDS

#: The scripts that workers call, and the jobs that they run.
WORKING = {
    *("beat", "cascade", "depart", "give_back", "log", "maintain", "outputs", "pending", "progress"),
    *("reclaim", "renew", "schema", "settle", "stage"),
}

#: What a worker calls only if it was quick enough to take jobs ahead, which a machine under load may keep it from.
GIVES_BACK = "give_back"

#: Those that a simple worker does not call here: it holds one job at a time, and none for long.
NOT_SIMPLE = {GIVES_BACK, "renew"}

#: How long anything may take, in seconds: far less than a lease.
SOON = 20

#: Where a request is cut that has been passed on by then.
PASSED_ON = {Cut.BEFORE_REPLY, Cut.IN_REPLY}

#: How often a script is called before it is cut; how often all are that count as one.
FIRST, SECOND = 1, 2


class Cutter:
    """Cuts each script once, at its first or second use, or only one of them; or everything now and then.

    Args:
        how: where to cut.
        use: which use.
        only: the script; ``None`` for each.
        every: instead, which of all uses of scripts, again and again.

    Attributes:
        uses: how often each has been used.
    """

    def __init__(self, how: Cut, use: int = FIRST, *, only: str | None = None, every: int | None = None) -> None:
        self.uses: Counter[str] = Counter()
        self._how = how
        self._use = use
        self._only = only
        self._every = every

    def __call__(self, request: Request) -> Cut | None:
        if request.script is None or self._only not in (None, request.script):
            return None
        self.uses[request.script] += 1
        if self._every is not None:
            return None if self.uses.total() % self._every else self._how
        return self._how if self.uses[request.script] == self._use else None


class Next:
    """Cuts the next use of a command or script.

    Attributes:
        is_done: set once that has been asked for.
    """

    def __init__(self, name: str, how: Cut) -> None:
        self.is_done = threading.Event()
        self._name = name
        self._how = how

    def __call__(self, request: Request) -> Cut | None:
        if request.name != self._name or self.is_done.is_set():
            return None
        self.is_done.set()
        return self._how


@pytest.fixture
def proxy(valkey: Redis, valkey_url: str) -> Iterator[Proxy]:
    """In front of a server that has all scripts, so that it is not their loading that is cut."""
    for name in script_names():
        valkey.script_load(script(name).body)
    with Proxy(valkey_url.removeprefix("unix://")) as proxy:
        yield proxy


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses before calls are sent again are short."""
    for module in (rqdeps.store.store, rqdeps.store.words):
        monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


@contextmanager
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON


def facts_of_jobs(valkey: Redis) -> list[tuple[bytes | None, ...]]:
    """What became of all jobs. Ids that are made by chance are left out."""
    fields = ("status", "attempt", "failures", "deaths", "epoch", "function")
    return sorted(
        (tuple(valkey.hmget(key, *fields)) for key in valkey.scan_iter("{rqdeps}:job:*", count=1000)), key=repr
    )


def names_cut(proxy: Proxy) -> set[str]:
    return {name for name, _ in proxy.cuts}


cuts = pytest.mark.parametrize("how", Cut, ids=lambda how: how.name.lower())
each_script = pytest.mark.parametrize("only", script_names() if IN_FULL else [None], ids=lambda name: name or "each")


# Programs


def run_program(valkey: Redis, url: str, face: type[Queue] | type[AsyncQueue]) -> tuple[Any, ...]:
    """Runs the whole program on one face. Returns what it was told, and what became of its jobs."""
    valkey.flushall()

    def work() -> None:
        SimpleWorker("work", connection=valkey).work(burst=True)

    async def run() -> list[Any]:
        if face is Queue:
            return await Program(Queue("work", url=url), work).run()
        async with AsyncQueue("work", url=url) as queue:
            return await Program(queue, work).run()

    return asyncio.run(run()), facts_of_jobs(valkey)


faces = pytest.mark.parametrize("face", [Queue, AsyncQueue], ids=lambda face: face.__name__)


@pytest.fixture(scope="module")
def uncut(start_server: Callable[[servers.Kind], servers.Server]) -> tuple[Any, ...]:
    """What the program is told, and what becomes of its jobs, on both faces, when nothing is cut."""
    server = start_server(servers.VALKEY_9)
    return run_program(server.client, server.url, Queue)


def test_every_script_is_called_by_the_whole_program_or_by_workers(valkey: Redis, proxy: Proxy) -> None:
    """A new script has to be used in one of both, so that it is cut below."""
    run_program(valkey, proxy.url, Queue)
    assert {name for name in proxy.seen if name.islower()} | WORKING == set(script_names())


@faces
@cuts
@pytest.mark.parametrize("use", [FIRST, SECOND])
@each_script
@pytest.mark.usefixtures("hasty")
def test_a_program_is_told_the_same_whatever_is_cut(
    uncut: tuple[Any, ...],
    valkey: Redis,
    proxy: Proxy,
    face: type[Queue] | type[AsyncQueue],
    how: Cut,
    use: int,
    only: str | None,
) -> None:
    proxy.cut = cutter = Cutter(how, use, only=only)
    with soon():
        assert run_program(valkey, proxy.url, face) == uncut
    assert names_cut(proxy) == {name for name, count in cutter.uses.items() if count >= use}
    assert set(proxy.cuts.values()) <= {1}


# Workers


def enqueue_work(queue: Queue, log: Path) -> dict[str, Any]:
    """Enqueues jobs for whose sake a worker calls all that it can. Returns what they are to return, by their ids."""
    results: dict[str, Any] = {}

    def enqueue(job_id: str, result: Any, function: Any, *args: Any, **options: Any) -> Job[Any]:
        results[job_id] = result
        return queue.options(job_id=job_id, **options).enqueue(function, *args)

    text = enqueue("text", "x" * 1000, steps.text_of, 1000)
    enqueue("length", 1000, steps.length, text.output)
    enqueue("grown", [1, 2], growing.spawn_echoes, [1, 2])
    enqueue("telling", None, steps.tell, "halfway")
    enqueue("retried", 2, steps.fail_before_attempt, 2, retry=1)
    bad = queue.options(job_id="bad").enqueue(steps.boom)
    queue.enqueue_many(
        [queue.prepare_data(steps.nothing, depends_on=bad) for _ in range(100)]
    )  # more than one call moves
    for number in range(30):
        enqueue(f"noted-{number}", str(number), steps.note, str(log), str(number))
    return results


def check_work(queue: Queue, log: Path, results: dict[str, Any]) -> None:
    """Each job has run once, and what it returned is there."""
    jobs = {job_id: Job.fetch(job_id, queue.store.client) for job_id in results}
    assert {job_id: job.return_value() for job_id, job in jobs.items()} == results
    assert {job_id: job.attempt for job_id, job in jobs.items() if job.attempt != 1} == {"retried": 2}
    assert [attempt.outcome for job in jobs.values() for attempt in job.attempts] == ["failed"]
    assert sorted(lines(log)) == sorted(result for job_id, result in results.items() if job_id.startswith("noted"))
    assert queue.counts[JobStatus.UPSTREAM_FAILED] == 100
    assert sum(queue.counts.values()) == len(results) + 101 + 2  # and what was spawned


def enqueue_rest(queue: Queue, log: Path, here: Path, release: Path, after: Iterable[str]) -> dict[str, Any]:
    """Enqueues a job that runs until it is released, and others, which a worker takes with it and has to give back."""
    wait = Dependency(list(after), rule="all_done")
    queue.options(job_id="long", depends_on=wait).enqueue(steps.meet, str(here), str(release))
    names = [str(number) for number in range(30, 60)]
    for name in names:
        queue.options(job_id=f"noted-{name}", depends_on=wait).enqueue(steps.note, str(log), name)
    return {"long": "released"} | {f"noted-{name}": name for name in names}


@cuts
@pytest.mark.parametrize("every", [None, 4], ids=["once", "every-fourth"])
@pytest.mark.parametrize("only", sorted(WORKING) if IN_FULL else [None], ids=lambda name: name or "each")
def test_a_worker_runs_each_job_once_whatever_is_cut(
    valkey: Redis, proxy: Proxy, tmp_path: Path, how: Cut, every: int | None, only: str | None
) -> None:
    queue, log, here, release = Queue("work", connection=valkey), *(tmp_path / name for name in ("log", "here", "go"))
    for fifo in (here, release):
        os.mkfifo(fifo)
    results = enqueue_work(queue, log)
    results |= enqueue_rest(queue, log, here, release, after=results)
    proxy.cut = cutter = Cutter(how, only=only, every=every)
    with soon(), worker_process(proxy.url, "--burst", "--log-level", "warning") as worker:
        here.read_text()
        if every is None and only is None:
            eventually(lambda: names_cut(proxy) >= WORKING - {"depart", "pending", GIVES_BACK})
        release.write_text("released")
        assert worker.wait() == 0
    check_work(queue, log, results)
    if only:
        assert every or names_cut(proxy) == {only} & set(cutter.uses)
    elif not every:
        assert names_cut(proxy) | {GIVES_BACK} == WORKING


@cuts
@pytest.mark.usefixtures("hasty")
def test_a_simple_worker_runs_each_job_once_whatever_is_cut(
    valkey: Redis, proxy: Proxy, tmp_path: Path, how: Cut
) -> None:
    queue, log = Queue("work", connection=valkey), tmp_path / "log"
    results = enqueue_work(queue, log)
    proxy.cut = Cutter(how)
    with soon():
        SimpleWorker("work", url=proxy.url).work(burst=True)
    check_work(queue, log, results)
    assert names_cut(proxy) == WORKING - NOT_SIMPLE


def test_a_job_is_found_at_once_when_the_connection_breaks_on_which_a_worker_waits(valkey: Redis, proxy: Proxy) -> None:
    """The marker that was to wake it may be gone, and nobody else would put it back; the worker looks after 2 s."""
    queue = Queue("work", connection=valkey)
    with worker_process(proxy.url, "--log-level", "error"):
        for how in Cut:
            proxy.cut = cutter = Next("BZPOPMIN", how)
            queue.enqueue(steps.nothing).wait(timeout=SOON)
            assert cutter.is_done.wait(SOON)  # from here on it waits, or has just lost the connection
            began = time.monotonic()
            queue.enqueue(steps.nothing).wait(timeout=SOON)
            assert time.monotonic() - began < BLOCK_SECONDS / 2
            assert proxy.cuts["BZPOPMIN", how] == 1


def test_a_job_is_stopped_though_the_word_of_it_is_lost(valkey: Redis, proxy: Proxy, tmp_path: Path) -> None:
    queue, here, release = Queue("work", connection=valkey), tmp_path / "here", tmp_path / "release"
    for fifo in (here, release):
        os.mkfifo(fifo)
    job = queue.enqueue(steps.meet, str(here), str(release))
    proxy.cut = Next("BLPOP", Cut.BEFORE_REPLY)
    with soon(), worker_process(proxy.url, "--log-level", "error"):
        here.read_text()
        job.cancel()
        assert job.has_ended_within(patience_for(job, SOON))
    assert proxy.cuts["BLPOP", Cut.BEFORE_REPLY] == 1
    assert job.get_status() == "stopped"


# Those who wait for a job's end


def finish_when(queue: Queue, condition: Callable[[], bool]) -> threading.Thread:
    """Has all jobs run, in a thread, once something has come about."""

    def work() -> None:
        eventually(condition)
        SimpleWorker(queue).work(burst=True)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def waited_for(job_id: str, url: str, face: type[Queue] | type[AsyncQueue]) -> Any:
    async def wait() -> Any:
        async with AsyncQueue("work", url=url) as queue:
            job = await queue.fetch_job(job_id)
            assert job is not None
            return await job.wait(timeout=SOON)

    return asyncio.run(wait()) if face is AsyncQueue else Job(job_id, connect(url)).wait(timeout=SOON)


@faces
@cuts
@pytest.mark.usefixtures("hasty")
def test_who_waits_hears_of_the_end_though_the_subscription_is_cut(
    valkey: Redis, proxy: Proxy, face: type[Queue] | type[AsyncQueue], how: Cut
) -> None:
    queue = Queue("work", connection=valkey)
    job = queue.enqueue(steps.echo, "done")
    proxy.cut = Next("SUBSCRIBE", how)
    worker = finish_when(queue, lambda: proxy.seen["SUBSCRIBE"] > (how in PASSED_ON) and proxy.seen["watch"] > 0)
    began = time.monotonic()
    assert waited_for(job.id, proxy.url, face) == "done"
    assert time.monotonic() - began < SUBSCRIBED_WITHIN
    worker.join()
    assert proxy.cuts["SUBSCRIBE", how] == 1


@faces
@pytest.mark.usefixtures("hasty")
def test_who_waits_looks_again_when_the_connection_breaks_before_word_comes(
    valkey: Redis, proxy: Proxy, face: type[Queue] | type[AsyncQueue]
) -> None:
    queue = Queue("work", connection=valkey)
    job = queue.enqueue(steps.echo, "done")

    def is_waited_for() -> bool:
        return proxy.seen["watch"] > 0

    def break_and_tell_nothing() -> bool:
        if is_waited_for():
            proxy.break_connections()
        return is_waited_for()

    worker = finish_when(queue, break_and_tell_nothing)
    began = time.monotonic()
    assert waited_for(job.id, proxy.url, face) == "done"
    assert time.monotonic() - began < SUBSCRIBED_WITHIN
    worker.join()

"""What a type checker makes of a program that uses rqdeps: right uses pass, wrong ones are reported, types are told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs mypy, which comes with the extra dev and not with test")

#: A program. ``# error: CODE`` marks a line that must be reported, ``# is: TYPE`` what its ``reveal_type`` must tell.
PROGRAM = """
from datetime import datetime, timedelta, timezone
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rqdeps import (
    AsyncJob,
    AsyncQueue,
    Callback,
    Dependency,
    Job,
    JobStatus,
    Queue,
    Retry,
    SimpleWorker,
    Worker,
    Workflow,
    get_current_job,
)
from rqdeps.testing import (
    FakeQueue,
    RealServer,
    WorkerProcess,
    assert_enqueued,
    assert_failed,
    assert_finished,
    assert_not_enqueued,
    assert_ran_before,
)


def add(left: int, right: int = 0) -> int:
    return left + right


def join(words: list[str], *, by: str = " ") -> str:
    return by.join(words)


def nothing() -> None:
    return None


q = Queue("default", Redis())
Queue("default", connection=Redis())
Queue(url="embedded:./data")
Queue(5)  # error: arg-type
Queue("default", "redis://localhost")  # error: arg-type
Queue("default", adress="redis://localhost")  # error: call-arg

# What a job returns

a = q.enqueue(add, 1, right=2)
reveal_type(a)  # is: Job[int]
reveal_type(a.result)  # is: int
reveal_type(a.wait(timeout=5))  # is: int
reveal_type(a.return_value())  # is: int | None
reveal_type(a.output)  # is: int
reveal_type(a.output_or(5))  # is: int
reveal_type(a.output_or(None))  # is: int | None
reveal_type(q.enqueue(join, ["a"]).result)  # is: str
reveal_type(q.enqueue("tasks.add", 1))  # is: Job[Any]
reveal_type(q.enqueue_call(add, (1,)))  # is: Job[Any]
reveal_type(Job.fetch("x"))  # is: Job[Any]
reveal_type(Job.fetch_many(["x"]))  # is: list[Job[Any] | None]
reveal_type(q.fetch_job("x"))  # is: Job[Any] | None
from rqdeps import Nothing  # error: attr-defined
reveal_type(get_current_job())  # is: Job[Any] | None
reveal_type(a.get_status())  # is: JobStatus
reveal_type(a.dependencies()[0].outcome)  # is: JobStatus | None
a.wait(timeout="5")  # error: arg-type
q.enqueue(5)  # error: call-overload
q.enqueue()  # error: call-overload
number: str = a.result  # error: assignment

# Options by RQ's names

q.enqueue(add, 1, job_id="x", job_timeout="5m", result_ttl=-1, depends_on=[a, "id", Dependency(a)], retry=3, meta={})
q.enqueue_in(timedelta(minutes=5), add, 1)
q.enqueue_in(5, add, 1)
q.enqueue_at(datetime.now(timezone.utc), add, 1)
q.enqueue_at("soon", add, 1)  # error: arg-type
q.enqueue_call(add, (1,), {"right": 2}, timeout=5, retry=Retry(3), description="adds")
q.enqueue_call(add, (1,), depend_on=a)  # error: call-arg
q.enqueue_call(add, (1,), retry="3")  # error: arg-type
Dependency([a, "id"], rule="all_done")
Dependency(a, rule="all")  # error: arg-type
Dependency(5)  # error: arg-type
Retry(3, backoff="linear")  # error: arg-type
Callback(add, timeout="5m")
Callback("tasks.add", timedelta(seconds=5))
Callback(5)  # error: arg-type
Callback(add, timeout=[])  # error: arg-type

# Typed calls

o = q.options(retry=3, depends_on=a, job_timeout=timedelta(minutes=1), meta={"a": 1}, at_front=True)
reveal_type(o.enqueue(add, 1))  # is: Job[int]
o.enqueue(add, 1, right=2)
o.enqueue(add, a.output, right=a.output_or(1))
o.enqueue(nothing)
o.enqueue(join, ["a", q.enqueue(join, ["b"]).output], by=", ")
o.enqueue(add)  # error: call-arg
o.enqueue(add, "one")  # error: arg-type
o.enqueue(add, 1, 2, 3)  # error: call-arg
o.enqueue(add, 1, rihgt=2)  # error: call-arg
o.enqueue(add, 1, retry=2)  # error: call-arg
o.enqueue(add, a)  # error: arg-type
o.enqueue(join, a.output)  # error: arg-type
o.enqueue(add, a.output_or(None))  # error: arg-type
o.enqueue(join, [a.output])  # error: list-item
o.enqueue("tasks.add", 1)  # error: arg-type
q.options(retry="3")  # error: arg-type
q.options(depend_on=a)  # error: call-arg
q.options(depends_on=5)  # error: arg-type
q.options(ttl=[])  # error: arg-type
q.options(on_success=nothing, on_failure="tasks.add", on_stopped=Callback(nothing, 5)).enqueue(nothing)
q.options(on_success=5)  # error: arg-type
q.options(on_failed=nothing)  # error: call-arg
q.enqueue_call(add, (1,), on_stopped=[nothing])  # error: arg-type
reveal_type(a.callbacks.on_success)  # is: Callback | None

# Many at once

one = Queue.prepare_data(add, (1,))
two = Queue.prepare_data(add, (one.output, one.output_or(1)), depends_on=[one], retry=1)
reveal_type(q.enqueue_many([one, two]))  # is: list[Job[Any]]
q.enqueue_many([a])
q.enqueue_many([1])  # error: list-item
Queue.prepare_data(add, (1,), timeot=5)  # error: call-arg

# Maps, chains and spawned jobs

reveal_type(q.map(add, [1, 2]))  # is: Job[list[int]]
reveal_type(q.map(add, q.enqueue(join, ["a"]).output, rule="all_done").output)  # is: list[int]
reveal_type(o.map(join, [["a"], ["b"]], kwargs={"by": ","}).result)  # is: list[str]
reveal_type(q.chain(add, nothing, args=(1,)))  # is: list[Job[Any]]
q.map(add, a)  # error: arg-type
q.map(add, a.output)  # error: arg-type
q.map(add, [1], rule="all")  # error: arg-type
q.map(add, [1], retry=3)  # error: call-arg
reveal_type(a.spawn(add, 1, right=2))  # is: Job[int]
reveal_type(a.options(rule="all_done", retry=1).spawn(join, ["a"]).output_or(None))  # is: str | None
reveal_type(a.options().map(add, [1]))  # is: Job[list[int]]
a.spawn(add, "one")  # error: arg-type
a.options(rule="all")  # error: arg-type

# Workflows

with Workflow("nightly", queue=q, result_ttl="1d") as workflow:
    reveal_type(workflow)  # is: Workflow
    reveal_type(workflow.enqueue(add, 1))  # is: Job[int]
    reveal_type(workflow.options(queue="other").map(add, [1]))  # is: Job[list[int]]
    workflow.on_finished(add, 1, retry=3)
reveal_type(workflow.wait(timeout=5, progress=True))  # is: JobStatus
reveal_type(workflow.eta)  # is: timedelta | None
reveal_type(workflow.job_ids("failed", JobStatus.STOPPED))  # is: list[str]
reveal_type(Workflow.fetch("x").jobs)  # is: list[Job[Any]]
q.options(depends_on=workflow)
q.options(depends_on=[a, Dependency([workflow, a], rule="all_done")])
workflow.status = JobStatus.FINISHED  # error: misc
Workflow(queue="other")  # error: arg-type
Workflow("nightly", exists_ok=True)  # error: call-arg

# Workers

reveal_type(Worker([q, "other"], processes=2, lease=timedelta(seconds=30)).work(burst=True))  # is: bool
SimpleWorker("default", "name", connection=Redis()).work(max_jobs=5)
Worker(5)  # error: arg-type
reveal_type(q.counts)  # is: dict[JobStatus, int]
q.get_job_ids(status="failed")
q.get_job_ids(status=JobStatus.FAILED, length=5)

# On asyncio


async def program() -> None:
    AsyncQueue("default", AsyncRedis())
    AsyncQueue(connection=Redis())  # error: arg-type
    async with AsyncQueue(url="embedded:./data") as aq:
        reveal_type(aq)  # is: AsyncQueue
    x = await aq.enqueue(add, 1, right=2)
    reveal_type(x)  # is: AsyncJob[int]
    reveal_type(x.output)  # is: int
    reveal_type(x.output_or(None))  # is: int | None
    reveal_type(await x.get_result())  # is: int
    reveal_type(await x.wait(timeout=5))  # is: int
    reveal_type(await x.return_value())  # is: int | None
    reveal_type(await x.get_status())  # is: JobStatus
    reveal_type(x.is_finished)  # is: bool
    reveal_type(await aq.enqueue("tasks.add", 1))  # is: AsyncJob[Any]
    reveal_type(await aq.enqueue_many([one, two]))  # is: list[AsyncJob[Any]]
    reveal_type(await aq.fetch_job("x"))  # is: AsyncJob[Any] | None
    reveal_type(await AsyncJob.fetch("x"))  # is: AsyncJob[Any]
    reveal_type(await aq.get_counts())  # is: dict[JobStatus, int]
    reveal_type(await aq.options(retry=3, depends_on=[x, a]).enqueue(add, x.output))  # is: AsyncJob[int]
    await aq.options(retry=3).enqueue(add, "one")  # error: arg-type
    await aq.options(retry=3).enqueue(add, x)  # error: arg-type
    await aq.options(retry="3").enqueue(add, 1)  # error: arg-type
    await aq.enqueue(5)  # error: call-overload
    aq.enqueue(add, 1).output  # error: attr-defined
    q.enqueue(add, 1, depends_on=x)
    Dependency([x, a])


# In tests

with FakeQueue("mail", serializer="pickle") as fake:
    reveal_type(fake)  # is: FakeQueue
    reveal_type(fake.enqueue(add, 1))  # is: Job[int]
reveal_type(fake.queue("other").drain("other", q, raises=False, max_jobs=5))  # is: list[Job[Any]]
reveal_type(fake.advance("1h"))  # is: timedelta
fake.advance(timedelta(hours=1))
fake.advance([])  # error: arg-type
fake.drain(raise_errors=False)  # error: call-arg
fake.drain(5)  # error: arg-type
fake.fail(add, ValueError("no"), times=2)
fake.fail("tasks.add", ValueError, times=None)
fake.fail(add, "no")  # error: arg-type
fake.time_out(add, times="1")  # error: arg-type
fake.replace(add, lambda left, right: 5)
fake.replace(add, 5)  # error: arg-type
fake.take_over(q, Redis(), "redis://localhost", None)
fake.take_over(AsyncRedis())  # error: arg-type
reveal_type(assert_enqueued(add, args=(1,), kwargs={"right": 2}, queue=q, status="queued"))  # is: Job[int]
reveal_type(assert_enqueued("tasks.add", delay="5m", count=2))  # is: Job[Any]
assert_enqueued(add, depends_on=[a, "id", add, Dependency(a)], at=datetime.now(timezone.utc))
assert_enqueued(add, depends=a)  # error: call-overload
assert_enqueued(add, depends_on=5)  # error: call-overload
assert_not_enqueued(add, args=5)  # error: arg-type
assert_ran_before(a, add)
assert_ran_before(a, 5)  # error: arg-type
reveal_type(assert_finished(a))  # is: int
assert_failed(a, ValueError, match="no")
assert_failed(a, ValueError("no"))  # error: arg-type
with RealServer("data") as server, WorkerProcess(server, "mail", processes=2) as process:
    reveal_type(server.queue())  # is: Queue
    reveal_type(process.queue.enqueue(add, 1))  # is: Job[int]
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[int, str]]:
    """What mypy says: lines with the code of an error, or with the type that is told."""
    folder = tmp_path_factory.mktemp("typing")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    options = ["--strict", "--config-file=", f"--cache-dir={folder}", "--no-error-summary", "--hide-error-context"]
    command = [sys.executable, "-m", "mypy", *options, "--python-version", "3.10", str(program)]
    found = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    said = set()
    for line in found.stdout.splitlines():
        number, kind, text = re.fullmatch(r"[^:]*:(\d+): (error|note): (.*)", line).groups()  # type: ignore[union-attr]
        if kind == "error":
            said.add((int(number), f"error: {text.rpartition('[')[2].removesuffix(']')}"))
        elif text.startswith("Revealed type is"):
            said.add((int(number), f"is: {_short(text)}"))
    return said


def _short(text: str) -> str:
    """A type as people write it."""
    told = text.split('"')[1]
    told = re.sub(r"(?:\w+\.)+(\w+)", r"\1", told)
    return re.sub(r"Union\[([^,]*), None\]", r"\1 | None", told)


def test_a_type_checker_reports_what_is_wrong_and_nothing_else(reported: set[tuple[int, str]]):
    marks = [(number, line.partition("  # ")[2]) for number, line in enumerate(PROGRAM.splitlines(), 1)]
    expected = {(number, mark) for number, mark in marks if mark.startswith(("error: ", "is: "))}
    lines = PROGRAM.splitlines()
    told = {f"{lines[number - 1].partition('  #')[0]}  # {mark}" for number, mark in reported - expected}
    missed = {lines[number - 1] for number, _ in expected - reported}
    assert (told, missed) == (set(), set())

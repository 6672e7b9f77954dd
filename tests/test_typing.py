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

from rqdeps import Dependency, Job, JobStatus, Queue, Retry, SimpleWorker, Worker, get_current_job


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

# Many at once

one = Queue.prepare_data(add, (1,))
two = Queue.prepare_data(add, (one.output, one.output_or(1)), depends_on=[one], retry=1)
reveal_type(q.enqueue_many([one, two]))  # is: list[Job[Any]]
q.enqueue_many([a])
q.enqueue_many([1])  # error: list-item
Queue.prepare_data(add, (1,), timeot=5)  # error: call-arg

# Workers

reveal_type(Worker([q, "other"], processes=2, lease=timedelta(seconds=30)).work(burst=True))  # is: bool
SimpleWorker("default", Redis()).work(max_jobs=5)
Worker(5)  # error: arg-type
reveal_type(q.counts)  # is: dict[JobStatus, int]
q.job_ids("failed")
q.job_ids(JobStatus.FAILED, length=5)
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

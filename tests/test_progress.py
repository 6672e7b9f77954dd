"""What a job tells people while it runs: ``progress``, ``log`` and ``JobLogHandler``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import samples
from by_hand import LEASE_MS, HandWorker
from click.testing import CliRunner
from every_status import STATUSES, claim_until, job_in, maintain
from processes import eventually, worker_process
from redis import Redis
from redis.exceptions import ResponseError

import rqdeps.telling
from rqdeps import (
    InvalidJobOperationError,
    Job,
    JobLogHandler,
    NoSuchJobError,
    Queue,
    SimpleWorker,
    Snooze,
    get_current_job,
)
from rqdeps.cli import main
from rqdeps.errors import ConnectionUnavailableError, JobTimeoutError
from rqdeps.store import Call, Store
from rqdeps.store.calls import claims, upkeep
from rqdeps.store.invariants import check_invariants
from rqdeps.telling import LONGEST_LINE, LONGEST_NOTE, LogLine, Progress, Telling

P = "{rqdeps}:"
LONG_NOTE = "x" * 100


@pytest.fixture
def job(q: Queue, hands: HandWorker) -> Job[Any]:
    """A job that runs."""
    started = q.enqueue(samples.anything, retry=3)
    claim_until(hands, started.id)
    return started


def fail_and_retry(hands: HandWorker, job: Job[Any]) -> None:
    hands.fail(job.id, retry_in_ms=0)


def keys_of(connection: Redis, job: Job[Any]) -> set[str]:
    return {key.decode().removeprefix(P) for key in connection.scan_iter(match=f"*:{job.id}")}


# What a progress is


@pytest.mark.parametrize(
    ("progress", "fraction", "text"),
    [
        (Progress(40, 100, "reading"), 0.4, "40 of 100 done (40 %): reading"),
        (Progress(40, 100), 0.4, "40 of 100 done (40 %)"),
        (Progress(40), None, "40 done"),
        (Progress(40, note="so far"), None, "40 done: so far"),
        (Progress(0, 0), 1.0, "0 of 0 done (100 %)"),
        (Progress(3, 0), 1.0, "3 of 0 done (100 %)"),
        (Progress(0, 3), 0.0, "0 of 3 done (0 %)"),
        (Progress(2, 3), 2 / 3, "2 of 3 done (66 %)"),
        (Progress(999, 1_000), 0.999, "999 of 1,000 done (99 %)"),
        (Progress(29, 100), 0.29, "29 of 100 done (29 %)"),
        (Progress(120, 100), 1.0, "120 of 100 done (100 %)"),
        (Progress(1.5, 2.25), 1.5 / 2.25, "1.5 of 2.25 done (66 %)"),
        (Progress(1.0, 1234567.891), 1 / 1234567.891, "1 of 1,234,567.89 done (0 %)"),
        (Progress(10**299, 10**300), 0.1, f"{10**299:,} of {10**300:,} done (10 %)"),
    ],
)
def test_progress_in_words(progress: Progress, fraction: float | None, text: str):
    assert progress.fraction == pytest.approx(fraction)
    assert str(progress) == text


@pytest.mark.parametrize("done", [0, 7, 10**18, 10**299, 0.0, 0.1, 1e-300, 1e299])
@pytest.mark.parametrize("total", [None, 0, 100, 1e16, 0.25])
def test_numbers_come_back_as_they_were(job: Job[Any], done: float, total: float | None):
    job.progress(done, total)
    told = job.get_progress()
    assert told == Progress(done, total, "", attempt=1)
    assert isinstance(told.done, type(done))


@pytest.mark.parametrize("note", ["", " ", "a note", "ü 漢 \U0001f600", "- 1 2", "@", "a\n b\t c", LONG_NOTE, "\ud800"])
def test_notes_come_back_in_one_line(job: Job[Any], note: str):
    job.progress(1, 2, note)
    told = job.get_progress()
    assert told is not None
    assert told.note == " ".join(note.split()).encode(errors="backslashreplace").decode()


def test_a_long_note_is_cut(job: Job[Any]):
    job.progress(1, 2, "ü" * (LONGEST_NOTE + 1))
    told = job.get_progress()
    assert told is not None
    assert told.note == "ü" * LONGEST_NOTE


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("1",), TypeError, "done is an int or a float, not str"),
        ((None,), TypeError, "done is an int or a float, not NoneType"),
        ((True,), TypeError, "done is an int or a float, not bool"),
        ((1, "2"), TypeError, "total is an int or a float, not str"),
        ((1, False), TypeError, "total is an int or a float, not bool"),
        ((1, 2, None), TypeError, "a note on progress is a str, not NoneType"),
        ((1, 2, b"note"), TypeError, "a note on progress is a str, not bytes"),
        ((-1,), ValueError, r"done is a number from 0 to 1e\+300, not -1"),
        ((float("nan"),), ValueError, "done is a number from 0 .* not nan"),
        ((float("inf"),), ValueError, "done is a number from 0 .* not inf"),
        ((1, -0.5), ValueError, "total is a number from 0 .* not -0.5"),
        ((10**301,), ValueError, "done is a number from 0"),
    ],
)
def test_what_is_no_progress_is_refused(job: Job[Any], arguments: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        job.progress(*arguments)
    running = Telling(job.id, 1, job._store)
    with pytest.raises(error, match=message):
        running.progress(*arguments, *(None, "")[len(arguments) - 1 :])
    assert job.get_progress() is None


# Telling it from elsewhere


def test_a_job_that_has_said_nothing_has_no_progress(job: Job[Any]):
    assert job.get_progress() is None
    assert "done" not in job.explain()


def test_the_last_progress_counts(job: Job[Any], connection: Redis):
    for note in ("first", LONG_NOTE, "short again", LONG_NOTE, LONG_NOTE, "last"):
        job.progress(1, 10, note)
        told = job.get_progress()
        assert told == Progress(1, 10, note, attempt=1)
        check_invariants(connection)
    assert keys_of(connection, job) == {f"job:{job.id}"}


def test_progress_is_read_anew_unless_told_otherwise(job: Job[Any]):
    other = Job.fetch(job.id, job._store.client)
    job.progress(1)
    assert other.get_progress(refresh=False) is None
    assert other.get_progress() == Progress(1, attempt=1)
    job.progress(2)
    assert other.get_progress(refresh=False) == Progress(1, attempt=1)


@pytest.mark.parametrize("status", STATUSES)
def test_only_a_job_that_runs_makes_progress(q: Queue, hands: HandWorker, connection: Redis, status: str):
    job = job_in(status, q, hands)
    if status == "started":
        job.progress(1)
        return
    before = connection.hgetall(f"{P}job:{job.id}")
    with pytest.raises(InvalidJobOperationError, match=f"job '{job.id}' is {status}, and does not run"):
        job.progress(1)
    assert connection.hgetall(f"{P}job:{job.id}") == before


def test_neither_a_draft_nor_a_deleted_job_tells_anything(q: Queue, connection: Redis):
    draft = Job.create(samples.anything, connection=connection)
    for tell in (lambda: draft.progress(1), lambda: draft.log("line")):
        with pytest.raises(InvalidJobOperationError, match="is not saved yet"):
            tell()
    gone = q.enqueue(samples.anything)
    gone.delete()
    for tell in (lambda: gone.progress(1, 2, LONG_NOTE), lambda: gone.log("line")):
        with pytest.raises(NoSuchJobError):
            tell()
    assert keys_of(connection, gone) == set()


def test_progress_is_kept_after_the_end(q: Queue, hands: HandWorker, job: Job[Any]):
    job.progress(9, 10, "nearly")
    hands.finish(job.id, b"jnull")
    assert job.get_progress() == Progress(9, 10, "nearly", attempt=1)
    assert job.explain() == f"Job {job.id} has finished."


@pytest.mark.parametrize("note", ["short", LONG_NOTE])
@pytest.mark.parametrize("way", ["deleted", "due"])
def test_nothing_is_left_of_a_job_that_is_deleted(
    q: Queue, hands: HandWorker, connection: Redis, job: Job[Any], note: str, way: str
):
    job.progress(1, 2, note)
    job.log("a line")
    assert f"log:{job.id}" in keys_of(connection, job)
    if way == "deleted":
        job.delete()
    else:
        hands.finish(job.id, b"jnull")
        connection.zadd(f"{P}finished:default", {job.id: 1})
        connection.hset(f"{P}job:{job.id}", "ended_at", 1)
        maintain(q.store)
    assert keys_of(connection, job) == set()


# Attempts


def test_the_progress_of_an_attempt_is_not_that_of_the_next(hands: HandWorker, connection: Redis, job: Job[Any]):
    job.progress(50, 100, LONG_NOTE)
    fail_and_retry(hands, job)
    assert job.get_progress() == Progress(50, 100, LONG_NOTE, attempt=1), "so far it is all there is"
    claim_until(hands, job.id)
    assert job.get_progress() is None
    assert keys_of(connection, job) == {f"job:{job.id}", f"attempts:{job.id}"}
    job.progress(1, 100)
    assert job.get_progress() == Progress(1, 100, attempt=2)


def test_an_attempt_that_the_server_does_not_know_to_have_begun_makes_progress(q: Queue):
    job = q.enqueue(samples.anything)
    call = claims.settle([], holder="hand.1", lease_ms=LEASE_MS, queues=["default"], want=1, begin=0)
    (claim,) = q.store.run(call).claimed
    assert job.attempt == 0
    q.store.run(Progress(1, attempt=claim.attempt).call(job.id))
    assert job.get_progress() == Progress(1, attempt=1)
    job.progress(2)
    assert job.get_progress() == Progress(2, attempt=1)


def test_what_a_lost_attempt_still_says_is_passed_over(q: Queue, hands: HandWorker, connection: Redis, job: Job[Any]):
    lost = Telling(job.id, 1, q.store)
    hands.held.clear()
    connection.zadd(f"{P}started:default", {job.id: 1})
    assert q.store.run(upkeep.maintain(["default"], lease_ms=LEASE_MS)).recovered == [job.id]
    lost.progress(10, 100, "")  # nobody runs it now
    assert job.get_progress() is None
    claim_until(hands, job.id)
    job.progress(1, 100)
    lost.progress(20, 100, LONG_NOTE)
    lost.tell_rest()
    assert job.get_progress() == Progress(1, 100, attempt=2)


def test_an_attempt_that_was_given_back_leaves_no_progress_to_the_next(q: Queue, hands: HandWorker, job: Job[Any]):
    job.progress(1, 2)
    q.store.run(claims.give_back([hands.held.pop(job.id)]))
    claim_until(hands, job.id)
    assert job.attempt == 1
    assert job.get_progress() is None


def test_what_the_process_of_a_deleted_job_still_says_makes_no_keys(q: Queue, connection: Redis, job: Job[Any]):
    running = Telling(job.id, 1, q.store)
    job.delete()
    running.progress(1, 2, LONG_NOTE)
    running.log("a line")
    running.tell_rest()
    assert keys_of(connection, job) == set()


# Telling it from the job


def at_once(*told: tuple[Any, ...], then: str = "") -> str:
    job = get_current_job()
    assert job is not None
    for each in told:
        job.progress(*each)
    if then == "fail":
        raise ValueError("after all")
    if then == "snooze":
        raise Snooze(3600)
    return then


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rqdeps.telling, "time", clock)
    return clock


class Sent:
    """What is told a server, in order: amounts of progress, and lines of the log. It may be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[Any] = []
        self.tries = 0
        self.error: BaseException | None = None
        run = Store.run

        def listen(store: Store, call: Call[Any], **options: Any) -> Any:
            if call.script in ("progress", "log"):
                self.tries += 1
                if self.error is not None:
                    raise self.error
                self.told += [int(str(call.args[2]))] if call.script == "progress" else call.args[3:]
            return run(store, call, **options)

        monkeypatch.setattr(Store, "run", listen)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(monkeypatch)


def run_all(queue: Queue, *, most: int | None = None) -> None:
    SimpleWorker(queue.name, connection=queue.store.client).work(burst=True, max_jobs=most)


@pytest.mark.parametrize(("then", "status"), [("", "finished"), ("fail", "failed"), ("snooze", "scheduled")])
def test_the_last_progress_is_sent_however_the_job_ends(q: Queue, clock: Clock, sent: Sent, then: str, status: str):
    job = q.enqueue(at_once, *((n, 1_000) for n in range(1_000)), then=then)
    run_all(q, most=1)
    assert job.get_status() == status
    assert sent.told == [0, 999]
    assert job.get_progress() == Progress(999, 1_000, attempt=1)


def test_progress_is_sent_every_tenth_of_a_second(q: Queue, clock: Clock, sent: Sent, job: Job[Any]):
    running = Telling(job.id, 1, q.store)
    for n in range(100):
        running.progress(n, 100, "")
        clock.now += 0.011
    running.tell_rest()
    running.tell_rest()
    assert sent.told == [*range(0, 100, 10), 99]


def test_the_first_progress_is_sent_at_once_and_the_last_not_again(q: Queue, sent: Sent):
    job = q.enqueue(at_once, (1, 2, "begun"))
    run_all(q)
    assert sent.told == [1]
    assert job.get_progress() == Progress(1, 2, "begun", attempt=1)


def test_a_mistake_in_telling_progress_fails_the_job_as_any_other(q: Queue):
    job = q.enqueue(at_once, ("1",))
    run_all(q)
    assert job.attempts[0].error_type == "builtins.TypeError"


def tell_of_the_other(job_id: str) -> None:
    """A job has the other in its hands, which it is not."""
    this = get_current_job()
    assert this is not None
    Job(job_id, this._store).progress(5, 10)


def test_a_job_may_tell_of_another_that_runs(q: Queue, hands: HandWorker, job: Job[Any]):
    teller = q.enqueue(tell_of_the_other, job.id)
    run_all(q, most=1)
    assert teller.is_finished
    assert job.get_progress() == Progress(5, 10, attempt=1)


# While the server does not answer


@pytest.mark.parametrize("error", [ConnectionUnavailableError("away"), ResponseError("OOM")])
def test_a_job_goes_on_and_tells_all_when_the_server_is_back(
    q: Queue, clock: Clock, sent: Sent, job: Job[Any], error: Exception
):
    running = Telling(job.id, 1, q.store)
    sent.error = error
    for n in range(20):
        running.progress(n, 20, "")
        running.log(f"line {n}")
        clock.now += 0.1
    assert sent.tries == 1, "not all the time, since each takes a while"
    sent.error = None
    clock.now += 5
    running.log("line 20")
    running.progress(20, 20, "")
    assert sent.told == [*(f"line {n}".encode() for n in range(21)), 20]
    assert [line.text for line in job.log_lines()] == [f"line {n}" for n in range(21)]


def test_a_job_that_ends_meanwhile_ends_as_it_would(q: Queue, sent: Sent):
    job = q.enqueue(at_once, (1, 2), (2, 2), then="done")
    sent.error = ConnectionUnavailableError("away")
    run_all(q)
    assert job.result == "done"
    assert job.get_progress() is None


def test_a_timeout_reaches_the_job_also_while_it_tells_something(q: Queue, sent: Sent, job: Job[Any]):
    running = Telling(job.id, 1, q.store)
    sent.error = JobTimeoutError("time is over")
    with pytest.raises(JobTimeoutError):
        running.progress(1, 2, "")
    with pytest.raises(JobTimeoutError):
        running.log("line")
    sent.error = None
    running.tell_rest()
    assert sent.told == [b"line", 1]


# Where it is shown


def beat(queue: Queue) -> None:
    queue.store.run(upkeep.beat("hand", {"queues": queue.name}))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((40, 100, "reading"), ", 40 of 100 done (40 %): reading"),
        ((40, 100, "reading."), ", 40 of 100 done (40 %): reading"),
        ((40,), ", 40 done"),
    ],
)
def test_progress_is_part_of_the_explanation(q: Queue, job: Job[Any], arguments: Any, said: str):
    beat(q)
    job.progress(*arguments)
    assert job.explain() == f"Job {job.id} runs on worker hand (attempt 1){said}."


@pytest.fixture
def shown(valkey: Redis, valkey_url: str) -> Callable[..., list[str]]:
    def shown(*args: str) -> list[str]:
        result = CliRunner().invoke(main, [*args, "--url", valkey_url], prog_name="rqdeps")
        assert result.exit_code == 0
        return result.output.splitlines()

    return shown


def test_rqdeps_job_shows_progress_and_the_last_line_of_the_log(valkey: Redis, shown: Callable[..., list[str]]):
    queue = Queue(connection=valkey)
    job = queue.enqueue(samples.anything)
    assert not [line for line in shown("job", job.id) if line.startswith(("progress", "log"))]
    HandWorker(queue.store).claim()
    job.progress(40, 100, "reading")
    job.log("first\nsecond \x1b[31m")
    lines = shown("job", job.id)
    assert "progress        attempt 1: 40 of 100 done (40 %): reading" in lines
    assert "log             second \\x1b[31m (the last line; --log shows all)" in lines


def test_rqdeps_job_log_shows_all_lines(valkey: Redis, shown: Callable[..., list[str]]):
    queue = Queue(connection=valkey)
    job = queue.enqueue(samples.anything)
    assert shown("job", job.id, "--log") == []
    job.log("before it runs")
    HandWorker(queue.store).claim()
    job.log("first\nsecond \x1b[31m")
    at = job.log_lines()[0].at.astimezone().isoformat(sep=" ", timespec="milliseconds")
    lines = shown("job", job.id, "--log")
    assert lines[0] == f"{at} [0] before it runs"
    assert [line.partition(" [1] ")[2] for line in lines[1:]] == ["first", "second \\x1b[31m"]


# The log


def log_all(*texts: str, then: str = "") -> None:
    job = get_current_job()
    assert job is not None
    for text in texts:
        job.log(text)
    if then:
        raise ValueError(then)


def test_lines_come_with_the_time_of_the_server_and_the_attempt(q: Queue):
    job = q.enqueue(log_all, "one", "two", then="fail", retry=1)
    run_all(q)
    lines = job.log_lines()
    assert [(line.attempt, line.text) for line in lines] == [(1, "one"), (1, "two"), (2, "one"), (2, "two")]
    assert all(abs(line.at - datetime.now(timezone.utc)) < timedelta(minutes=1) for line in lines)
    assert sorted(line.at for line in lines) == [line.at for line in lines]


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("", [""]),
        ("one\ntwo\r\nthree\n", ["one", "two", "three"]),
        ("\n\n", ["", ""]),
        ("a" * (LONGEST_LINE + 1) + "\nb", ["a" * LONGEST_LINE, "b"]),
        ("ü" * (LONGEST_LINE + 1), ["ü" * LONGEST_LINE]),
        ("  1 2  ", ["  1 2  "]),
        ("\ud800", ["\\ud800"]),
        ("\n".join(map(str, range(1_200))), [str(n) for n in range(200, 1_200)]),
    ],
    ids=range(9),
)
def test_texts_are_split_into_lines(q: Queue, job: Job[Any], text: str, lines: list[str], is_running: bool):
    (Telling(job.id, 1, q.store) if is_running else job).log(text)
    assert [(line.attempt, line.text) for line in job.log_lines()] == [(1, line) for line in lines]


def test_the_last_1000_lines_are_kept(job: Job[Any], connection: Redis):
    for begin in range(0, 1_500, 300):
        job.log("\n".join(str(n) for n in range(begin, begin + 300)))
    assert [line.text for line in job.log_lines()] == [str(n) for n in range(500, 1_500)]
    assert connection.llen(f"{P}log:{job.id}") == 1_000
    assert [line.text for line in job.log_lines(2)] == ["1498", "1499"]
    assert len(job.log_lines(10**30)) == 1_000


@pytest.mark.parametrize("text", [None, 1, b"bytes", ["list"]])
def test_what_is_logged_is_text(q: Queue, job: Job[Any], text: Any):
    for teller in (job, Telling(job.id, 1, q.store)):
        with pytest.raises(TypeError, match=f"what is logged is a str, not {type(text).__name__}"):
            teller.log(text)
    assert job.log_lines() == []


@pytest.mark.parametrize(("count", "error"), [("1", TypeError), (True, TypeError), (0, ValueError), (-1, ValueError)])
def test_a_number_of_lines_is_a_number(job: Job[Any], count: Any, error: type[Exception]):
    with pytest.raises(error, match="count is a number of lines"):
        job.log_lines(count)


@pytest.mark.parametrize("status", STATUSES)
def test_lines_can_be_added_to_the_log_of_any_job(q: Queue, hands: HandWorker, status: str):
    job = job_in(status, q, hands)
    assert job.log_lines() == []
    job.log("a person was here")
    (line,) = job.log_lines()
    assert line == LogLine(line.at, job.attempt, "a person was here")


def test_the_log_goes_on_after_a_requeue(q: Queue, hands: HandWorker):
    job = q.enqueue(log_all, "line", then="fail")
    run_all(q)
    job.requeue()
    run_all(q)
    assert [line.attempt for line in job.log_lines()] == [1, 2]


# Through logging


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("shop")
    level, handlers = logger.level, logger.handlers[:]
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


def use_logging() -> None:
    logger = logging.getLogger("shop")
    logger.info("sold %d pieces", 3)
    try:
        raise KeyError("no such piece")
    except KeyError:
        logger.exception("could not sell")
    logger.debug("the end")


def test_records_of_the_job_that_runs_go_to_its_log(q: Queue, logger: logging.Logger):
    logger.addHandler(JobLogHandler(level="INFO"))
    job, other = q.enqueue(use_logging), q.enqueue(samples.anything)
    logger.info("outside of any job")
    run_all(q)
    texts = [line.text for line in job.log_lines()]
    assert texts[:3] == ["INFO shop: sold 3 pieces", "ERROR shop: could not sell", "Traceback (most recent call last):"]
    assert texts[-1] == "KeyError: 'no such piece'"
    assert other.log_lines() == []


def test_records_may_be_formatted_otherwise(q: Queue, logger: logging.Logger):
    handler = JobLogHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    job = q.enqueue(use_logging)
    run_all(q)
    texts = [line.text for line in job.log_lines()]
    assert (texts[0], texts[-1]) == ("sold 3 pieces", "the end")


def test_what_is_logged_while_a_record_is_sent_is_left_out(
    q: Queue, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
):
    """A client of the server may log too; each record would bring forth another."""
    logger.addHandler(JobLogHandler())
    run = Store.run

    def talk(store: Store, call: Call[Any], **options: Any) -> Any:
        logger.debug("sending %s", call.script)
        return run(store, call, **options)

    monkeypatch.setattr(Store, "run", talk)
    job = q.enqueue(use_logging)
    run_all(q)
    texts = [line.text for line in job.log_lines()]
    assert texts[0] == "INFO shop: sold 3 pieces"
    assert "DEBUG shop: sending log" not in texts


def test_a_record_that_cannot_be_formatted_does_not_fail_the_job(
    q: Queue, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    handler = JobLogHandler()
    handler.setFormatter(logging.Formatter("%(nothing)d"))
    logger.addHandler(handler)
    job = q.enqueue(use_logging)
    run_all(q)
    assert job.is_finished
    assert "--- Logging error ---" in capsys.readouterr().err


def test_a_timeout_is_no_error_of_logging(q: Queue, logger: logging.Logger, sent: Sent):
    logger.addHandler(JobLogHandler())
    job = q.enqueue(use_logging)
    sent.error = JobTimeoutError("time is over")
    run_all(q)
    assert job.attempts[0].error_type == "rqdeps.errors.JobTimeoutError"


# In a worker's own process


def work_slowly(release: str) -> str:
    job = get_current_job()
    assert job is not None
    logging.getLogger().addHandler(JobLogHandler(logging.WARNING))
    for done in range(50):
        job.progress(done, 100, f"step {done}")
    job.log("half of it")
    logging.getLogger("shop").warning("waiting")
    with open(release) as opened:
        opened.read()
    job.progress(100, 100)
    return "done"


def test_progress_and_log_are_seen_while_a_worker_runs_the_job(valkey: Redis, valkey_url: str, tmp_path: Path):
    release = tmp_path / "release"
    os.mkfifo(release)
    queue = Queue("work", connection=valkey)
    job = queue.enqueue(work_slowly, str(release))
    with worker_process(valkey_url, "--burst") as process:
        eventually(lambda: len(job.log_lines()) == 2)
        assert [line.text for line in job.log_lines()] == ["half of it", "WARNING shop: waiting"]
        told = job.get_progress()
        assert told is not None
        assert (told.total, told.note) == (100, f"step {told.done}")
        assert f", {told}." in job.explain()
        release.write_text("")
        assert process.wait() == 0
    assert job.get_progress() == Progress(100, 100, attempt=1)
    assert job.result == "done"


def test_a_job_that_tells_nothing_sends_nothing(q: Queue, sent: Sent):
    q.enqueue(samples.anything)
    run_all(q)
    assert sent.tries == 0

"""Words to workers, and who hears them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
import steps
from processes import Meeting, Witness, eventually, exit_code_of, forked_worker
from redis import Redis

from rqdeps import InvalidJobOperationError, NoSuchJobError, Queue, RqdepsError, SimpleWorker, Worker
from rqdeps.command import send_shutdown_command, send_stop_job_command
from rqdeps.store.calls.inbox import Message
from rqdeps.worker.inbox import Inbox


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


def test_a_job_that_runs_is_stopped(q: Queue, valkey: Redis) -> None:
    job = q.enqueue(steps.sleep, 60)
    with forked_worker(Worker([q])):
        eventually(lambda: job.get_status() == "started")
        send_stop_job_command(valkey, job.id)
        eventually(lambda: job.get_status() == "stopped")


def test_only_what_runs_can_be_stopped(q: Queue, valkey: Redis) -> None:
    job = q.enqueue(steps.nothing)
    with pytest.raises(
        InvalidJobOperationError, match=rf"job '{job.id}' is queued, and does not run: cancel\(\) ends it"
    ):
        send_stop_job_command(valkey, job.id)
    with pytest.raises(NoSuchJobError):
        send_stop_job_command(valkey, "nobody")


@pytest.mark.parametrize("kind", [Worker, SimpleWorker])
def test_a_worker_that_is_asked_to_end_finishes_what_runs(
    q: Queue, valkey: Redis, meeting: Meeting, witness: Witness, monkeypatch: pytest.MonkeyPatch, kind: type[Worker]
) -> None:
    hear = Inbox.hear

    def hear_and_say(inbox: Inbox, messages: Iterable[Message]) -> None:
        hear(inbox, messages := list(messages))
        if messages:
            witness.path.write_text("heard")

    monkeypatch.setattr(Inbox, "hear", hear_and_say)
    job = q.enqueue(steps.meet, *meeting.args)
    with forked_worker(kind([q], name="mine", connection=valkey)) as worker:
        meeting.wait()
        waiting = q.enqueue(steps.nothing)
        assert [worker.name for worker in Worker.all(valkey)] == ["mine"]
        send_shutdown_command(valkey, "mine")
        send_shutdown_command(valkey, "mine")
        assert witness.wait().startswith("heard")
        meeting.let_go()
        assert exit_code_of(worker) == 0
    assert (job.get_status(), waiting.get_status(), Worker.count(valkey)) == ("finished", "queued", 0)


def test_nobody_hears_what_is_said_to_nobody(valkey: Redis) -> None:
    with pytest.raises(RqdepsError, match=r"no worker is called 'nobody': Worker\.all\(\) lists those that are alive"):
        send_shutdown_command(valkey, "nobody")


def test_workers_are_listed_by_queue(q: Queue, valkey: Redis) -> None:
    with (
        forked_worker(Worker([q, "other"], "one", processes=2)),
        forked_worker(Worker(["other"], "two", connection=valkey)),
    ):
        eventually(lambda: Worker.count(valkey) == 2)
        (one,) = Worker.all(queue=q)
        assert (one.name, one.queue_names(), one.processes) == ("one", ["work", "other"], 2)
        assert one.hostname == one.host
        assert (one.successful_job_count, one.failed_job_count) == (0, 0)
        assert one.birth_date is not None
        assert one.birth_date <= one.last_heartbeat or one.age_ms < 5_000
        assert {worker.name for worker in Worker.all(queue=Queue("other", connection=valkey))} == {"one", "two"}


def test_a_client_in_place_of_a_name_is_refused(valkey: Redis) -> None:
    with pytest.raises(TypeError, match="a worker's name is a str, not Redis; a client is given as connection="):
        Worker("work", valkey)  # type: ignore[arg-type]


def test_a_worker_takes_the_options_of_rq(q: Queue) -> None:
    job = q.enqueue(steps.nothing)
    assert SimpleWorker([q]).work(burst=True, logging_level="WARNING", with_scheduler=True, max_jobs=1) is True
    assert job.is_finished


@pytest.mark.parametrize("kind", [Worker, SimpleWorker])
def test_a_worker_ends_that_has_nothing_to_do_for_too_long(q: Queue, kind: type[Worker]) -> None:
    jobs = [q.enqueue(steps.nothing), q.enqueue_in(0.3, steps.nothing)]
    began_at = time.monotonic()
    kind([q]).work(max_idle_time=0.6)
    assert time.monotonic() - began_at >= 0.9
    assert [job.get_status() for job in jobs] == ["finished", "finished"]

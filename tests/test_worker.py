"""Workers with forked horses, on a real server: fakeredis lives in one process."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import steps
from processes import Meeting, eventually, lines, worker_process
from redis import Redis

from rqdeps import Job, JobFailedError, Queue, Retry, SimpleWorker, Worker
from rqdeps.store.calls import claims
from rqdeps.worker import stable
from rqdeps.worker.options import ISOLATIONS


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue("work", connection=valkey)


@pytest.fixture(params=ISOLATIONS)
def drain(request: pytest.FixtureRequest, valkey: Redis) -> Callable[..., None]:
    def drain(*, processes: int = 1) -> None:
        Worker("work", connection=valkey, processes=processes, isolation=request.param).work(burst=True)

    return drain


# Running


def test_values_pass_from_job_to_job(q: Queue, drain: Callable[..., None]) -> None:
    first = q.enqueue(steps.add, 1, 2)
    second = q.enqueue(steps.add, first.output, 10)
    every = q.enqueue(steps.total, [first.output, second.output, *(q.enqueue(steps.echo, n).output for n in range(9))])
    drain(processes=2)
    assert (first.result, second.result, every.result) == (3, 13, 52)


def test_large_values_pass_through_the_pipe_both_ways(q: Queue, drain: Callable[..., None]) -> None:
    large = q.enqueue(steps.text_of, 3_000_000)
    again = q.enqueue(steps.echo, large.output)
    drain()
    assert len(again.result) == 3_000_000


def test_jobs_of_a_queue_run_in_order_and_dependents_after_their_dependencies(
    q: Queue, drain: Callable[..., None], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    names = [str(n) for n in range(50)]
    first = [q.enqueue(steps.note, str(log), name) for name in names]
    q.enqueue(steps.note, str(log), "last", depends_on=first)
    drain()
    assert lines(log) == [*names, "last"]


def test_the_first_queue_named_is_served_first(valkey: Redis, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for name in ("low", "high"):
        Queue(name, connection=valkey).enqueue(steps.note, str(log), name)
    Worker(["high", "low"], connection=valkey).work(burst=True)
    assert lines(log) == ["high", "low"]


def test_a_job_knows_itself_and_can_save_meta(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.save_meta, [1], meta={"before": True})
    drain()
    job.refresh()
    assert job.result == job.id
    assert job.meta == {"before": True, "value": [1]}


def test_a_job_reads_nothing_from_standard_input(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.read_stdin)
    drain()
    assert job.result == ""


def test_work_says_whether_it_ran_any_job(q: Queue, valkey: Redis) -> None:
    assert Worker("work", connection=valkey).work(burst=True) is False
    q.enqueue(steps.nothing)
    assert Worker("work", connection=valkey).work(burst=True) is True


def test_a_worker_ends_after_max_jobs(q: Queue, valkey: Redis) -> None:
    for _ in range(20):
        q.enqueue(steps.nothing)
    Worker("work", connection=valkey).work(burst=True, max_jobs=7)
    assert q.count == 13


def test_the_processes_of_a_worker_run_jobs_at_once(q: Queue, valkey: Redis, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    places = [Meeting(tmp_path / name) for name in "ab"]
    # Each is let go by a job that only a second process can run.
    for here, there in (places, places[::-1]):
        q.enqueue(steps.meet, str(here.here), str(there.release))
    with worker_process(_url(valkey), "--burst", "--processes", "2") as process:
        for place in places:
            place.wait()
        for place in places:
            place.let_go()
        assert process.wait() == 0


# Failing


def test_a_failure_is_kept_with_its_traceback(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.boom, "no such file")
    drain()
    assert job.is_failed
    (attempt,) = job.attempts
    assert (attempt.number, attempt.outcome, attempt.message) == (1, "failed", "no such file")
    assert attempt.error_type == "builtins.ValueError"
    assert job.exc_info is not None
    assert "in boom" in job.exc_info
    assert "execution.py" not in job.exc_info
    with pytest.raises(JobFailedError, match="no such file"):
        _ = job.result


def test_retries_are_used_up_before_dependents_are_told(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.fail_before_attempt, 3, retry=2)
    after = q.enqueue(steps.echo, job.output)
    drain()
    assert after.result == 3
    assert [attempt.number for attempt in job.attempts] == [1, 2]


def test_a_burst_waits_for_attempts_that_come_later_but_not_for_delayed_jobs(
    q: Queue, drain: Callable[..., None]
) -> None:
    job = q.enqueue(steps.fail_before_attempt, 2, retry=Retry(max=1, interval=0.1))
    later = q.enqueue_in(3600, steps.nothing)
    drain()
    assert job.result == 2
    assert later.is_scheduled


def test_only_named_exceptions_are_retried(q: Queue, drain: Callable[..., None]) -> None:
    wrong = q.enqueue(steps.boom, retry=Retry(max=3, on=(ConnectionError,)))
    right = q.enqueue(steps.boom, retry=Retry(max=3, on=(ValueError,)))
    never = q.enqueue(steps.boom, retry=Retry(max=3, never_on=(Exception,)))
    drain()
    assert [len(job.attempts) for job in (wrong, right, never)] == [1, 4, 1]


def test_a_job_may_give_up_or_snooze(q: Queue, drain: Callable[..., None], tmp_path: Path) -> None:
    gave_up = q.enqueue(steps.give_up, retry=5)
    snoozed = q.enqueue(steps.snooze_until, str(tmp_path / "seen"))
    drain()
    assert (gave_up.get_status(), gave_up.attempt) == ("failed", 1)
    assert (snoozed.result, snoozed.attempt, snoozed.attempts) == ("awake", 2, [])


def test_a_result_that_cannot_be_carried_fails_without_retry(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.unserializable, retry=5)
    drain()
    assert (job.get_status(), job.attempt) == ("failed", 1)
    assert "result is of the type object" in str(job.exc_info)


@pytest.mark.parametrize(
    ("path", "message"),
    [("no_such_module.fn", "no module 'no_such_module'"), ("steps.no_such_function", "'steps' has no")],
)
def test_a_function_that_cannot_be_imported_fails_its_job(
    q: Queue, drain: Callable[..., None], path: str, message: str
) -> None:
    job = q.enqueue(path)
    drain()
    assert message in job.attempts[0].message


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (steps.die, "killed by SIGKILL"),
        (steps.hard_exit, "ended with exit code 7"),
        (steps.leave, "3"),
        (steps.interrupt, ""),
    ],
)
def test_whatever_a_job_does_to_its_process_harms_only_itself(
    q: Queue, drain: Callable[..., None], function: Callable[[], None], message: str
) -> None:
    before = q.enqueue(steps.echo, "before")
    job = q.enqueue(function)
    after = [q.enqueue(steps.echo, n) for n in range(40)]
    drain()
    assert job.is_failed
    assert message in job.attempts[0].message
    assert before.result == "before"
    assert [other.result for other in after] == list(range(40))


def test_a_job_whose_process_died_is_retried(q: Queue, drain: Callable[..., None], tmp_path: Path) -> None:
    job = q.enqueue(steps.die_unless, str(tmp_path / "seen"), retry=1)
    drain()
    assert job.result == "survived"


def test_a_job_that_runs_too_long_gets_an_exception(q: Queue, drain: Callable[..., None]) -> None:
    job = q.enqueue(steps.sleep, 60, job_timeout=0.1)
    drain()
    assert job.attempts[0].error_type == "rqdeps.errors.JobTimeoutError"
    assert "job_timeout of 0.1 s" in job.attempts[0].message


def test_a_job_that_ignores_its_timeout_is_killed(
    q: Queue, drain: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable, "GRACE_NS", 100_000_000)
    job = q.enqueue(steps.ignore_time, str(tmp_path / "begun"), job_timeout=0.1)
    after = q.enqueue(steps.echo, "after")
    drain()
    assert "ignored its job_timeout" in job.attempts[0].message
    assert after.result == "after"


def test_a_job_must_not_wait_for_a_job(q: Queue, drain: Callable[..., None]) -> None:
    other = q.enqueue_in(3600, steps.nothing)
    job = q.enqueue(steps.wait_for, other.id)
    drain()
    assert job.attempts[0].error_type == "rqdeps.errors.DeadlockError"


# Being killed, stopped and left alone


def _url(valkey: Redis) -> str:
    kwargs = valkey.connection_pool.connection_kwargs
    return f"unix://{kwargs['path']}?db={kwargs.get('db', 0)}"


def test_jobs_of_a_killed_worker_are_run_by_another(
    q: Queue, valkey: Redis, drain: Callable[..., None], meeting: Meeting
) -> None:
    job = q.enqueue(steps.meet, *meeting.args)
    waiting = [q.enqueue(steps.nothing) for _ in range(5)]
    after = q.enqueue(steps.echo, job.output)
    with worker_process(_url(valkey), "--lease", "0.5") as process:
        horse = meeting.wait()
        process.kill()
        process.wait()
    assert job.is_started
    with worker_process(_url(valkey), "--burst", "--lease", "0.5") as other:
        assert meeting.wait() != horse
        meeting.let_go("done")
        assert other.wait() == 0
    assert after.result == "done"
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]
    assert all(one.is_finished for one in waiting)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="awaits the end of a process that is no child by a pidfd")
def test_horses_die_with_their_supervisor(q: Queue, valkey: Redis, meeting: Meeting) -> None:
    q.enqueue(steps.meet, *meeting.args)
    with worker_process(_url(valkey)) as process:
        horse = os.pidfd_open(meeting.wait())
        try:
            process.kill()
            ended, _, _ = select.select([horse], [], [], 10)
        finally:
            os.close(horse)
    assert ended


def test_the_first_sigterm_lets_jobs_end_and_gives_back_the_rest(q: Queue, valkey: Redis, meeting: Meeting) -> None:
    for _ in range(100):
        q.enqueue(steps.nothing)  # teaches the worker that jobs are short, so that it takes several ahead
    job = q.enqueue(steps.meet, *meeting.args)
    waiting = [q.enqueue(steps.echo, n) for n in range(5)]
    with worker_process(_url(valkey)) as process:
        meeting.wait()
        process.send_signal(signal.SIGTERM)
        eventually(lambda: q.count == 5)
        meeting.let_go("done")
        assert process.wait() == 0
    assert job.result == "done"
    assert q.job_ids == [one.id for one in waiting]
    assert [one.attempt for one in waiting] == [0] * 5


def test_a_second_sigterm_gives_back_at_once_without_using_an_attempt(
    q: Queue, valkey: Redis, meeting: Meeting
) -> None:
    job = q.enqueue(steps.meet, *meeting.args)
    with worker_process(_url(valkey)) as process:
        meeting.wait()
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        assert any("finishing what runs" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 1
    assert (job.get_status(), job.attempt) == ("queued", 0)


def test_what_waits_behind_a_long_job_goes_to_an_idle_process(q: Queue, valkey: Redis, meeting: Meeting) -> None:
    for _ in range(100):
        q.enqueue(steps.nothing)
    q.enqueue(steps.meet, *meeting.args)
    behind = [q.enqueue(steps.echo, n) for n in range(20)]
    with worker_process(_url(valkey), "--processes", "2", "--burst") as process:
        meeting.wait()
        assert [job.wait(timeout=10) for job in behind] == list(range(20))
        meeting.let_go()
        assert process.wait() == 0


def test_a_worker_that_slept_through_its_lease_is_told_that_it_lost_the_job(
    q: Queue, valkey: Redis, meeting: Meeting
) -> None:
    job = q.enqueue(steps.meet, *meeting.args)
    with worker_process(_url(valkey), "--lease", "0.3") as sleeper:
        meeting.wait()
        sleeper.send_signal(signal.SIGSTOP)
        with worker_process(_url(valkey), "--lease", "0.3") as other:
            meeting.wait()
            sleeper.send_signal(signal.SIGCONT)
            assert sleeper.stderr is not None
            assert any("killed, because the claim of its job was lost" in line for line in sleeper.stderr)
            meeting.let_go("second")
            assert job.wait(timeout=10) == "second"
            other.terminate()
            assert other.wait() == 0
        sleeper.terminate()
        assert sleeper.wait() == 0
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]


def test_a_job_whose_claim_is_lost_is_stopped_and_another_process_goes_on(
    q: Queue, valkey: Redis, meeting: Meeting
) -> None:
    job = q.enqueue(steps.meet, *meeting.args)
    with worker_process(_url(valkey), "--lease", "0.3") as worker:
        horse = meeting.wait()
        valkey.hincrby(f"{{rqdeps}}:job:{job.id}", "fence", 1)  # as if another worker had claimed it
        assert worker.stderr is not None
        said = [next(line for line in worker.stderr if words in line) for words in ("was lost", "killed, because")]
        assert job.id in said[0]
        assert f"[{job.id}] (pid {horse})" in said[1]
        assert meeting.wait() != horse  # that other worker is never heard of: the job goes to whoever comes first
        meeting.let_go("second")
        assert job.wait(timeout=30) == "second"
        worker.terminate()
        assert worker.wait() == 0
        assert "refused" not in worker.stderr.read()
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]


def test_a_result_that_the_server_refuses_fails_its_job_and_no_other(
    q: Queue, valkey: Redis, drain: Callable[..., None]
) -> None:
    valkey.config_set("proto-max-bulk-len", 1 << 20)
    try:
        others = [q.enqueue(steps.echo, number) for number in range(20)]
        large = q.enqueue(steps.text_of, 3_000_000, retry=3)
        below = q.enqueue(steps.echo, large.output)
        others += [q.enqueue(steps.echo, number) for number in range(20, 40)]
        drain()
        again = q.enqueue(steps.text_of, 3_000_000)
        SimpleWorker("work", connection=valkey).work(burst=True)
    finally:
        valkey.config_set("proto-max-bulk-len", 512 << 20)
    assert [job.result for job in others] == list(range(40))
    assert (large.get_status(), large.attempt, below.get_status()) == ("failed", 1, "upstream_failed")
    for job in (large, again):
        (attempt,) = job.attempts
        assert attempt.error_type == "rqdeps.worker.held.ReportRefusedError"
        assert "(3,000,003 bytes)" in attempt.message


def test_a_result_over_the_limit_fails_without_retry(valkey: Redis, q: Queue) -> None:
    large = q.enqueue(steps.text_of, 1_000_000, retry=3)
    fits = q.enqueue(steps.text_of, 1_000_000 - 3)
    Worker("work", connection=valkey, max_payload=1_000_000).work(burst=True)
    assert (large.get_status(), large.attempt, fits.get_status()) == ("failed", 1, "finished")
    assert large.attempts[0].message == (
        "the result is 1 MiB large (1,000,003 bytes), and 1 MiB at most are allowed: keep it elsewhere, and return "
        "where; or allow more with RQDEPS_MAX_PAYLOAD"
    )


def test_a_worker_without_a_server_does_not_start(tmp_path: Path) -> None:
    with worker_process(f"unix://{tmp_path}/nobody") as process:
        assert process.wait() == 1
        assert process.stderr is not None
        message = process.stderr.read()
    assert "no answer from the server" in message
    assert "Traceback" not in message


def test_a_worker_needs_names_and_numbers_that_make_sense(valkey: Redis) -> None:
    with pytest.raises(ValueError, match="at least one queue"):
        Worker([], connection=valkey)
    with pytest.raises(ValueError, match="at least one process"):
        Worker("work", connection=valkey, processes=0)
    with pytest.raises(ValueError, match="a lease is at least"):
        Worker("work", connection=valkey, lease=0.001)
    with pytest.raises(ValueError, match="max_jobs is at least 1"):
        Worker("work", connection=valkey).work(max_jobs=0)


# In one process


def test_a_simple_worker_runs_jobs_in_its_own_process(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    first = queue.enqueue(steps.pid)
    second = queue.enqueue(steps.echo, first.output)
    failed = queue.enqueue(steps.boom, retry=1)
    below = queue.enqueue(steps.echo, failed.output)
    assert SimpleWorker("work", connection=connection).work(burst=True) is True
    assert second.result == os.getpid()
    assert [failed.get_status(), failed.attempt, below.get_status()] == ["failed", 2, "upstream_failed"]


def test_inside_a_job_its_own_deployment_is_meant_where_none_is_named(
    connection: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_URL", "redis://localhost:1")
    job = Queue("work", connection=connection).enqueue(steps.enqueue_here, "other")
    SimpleWorker("work", connection=connection).work(burst=True)
    assert job.result == "other"
    assert Queue("other", connection=connection).count == 1


def test_a_simple_worker_looks_after_the_queues_while_a_job_takes_long(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    lost = queue.enqueue(steps.nothing)
    gone = claims.settle([], holder="gone.1", lease_ms=500, queues=["work"], want=1, begin=0)
    assert [claim.id for claim in queue.store.run(gone).claimed] == [lost.id]
    job = queue.enqueue(steps.wait_while_started, lost.id)
    SimpleWorker("work", connection=connection, lease=0.3).work(burst=True)
    assert job.is_finished
    assert lost.is_finished


def test_a_simple_worker_says_that_it_lost_the_claim_of_what_it_runs(
    connection: Redis, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    queue = Queue("work", connection=connection)
    job = queue.enqueue(steps.lose_claim, str(tmp_path / "seen"))
    SimpleWorker("work", connection=connection, lease=0.3).work(burst=True)
    assert f"the claim of job {job.id} was lost" in caplog.text
    assert "the report was refused" in caplog.text
    assert job.result == "again"


def test_a_simple_worker_ends_after_max_jobs(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    jobs: list[Job[object]] = [queue.enqueue(steps.nothing) for _ in range(5)]
    SimpleWorker("work", connection=connection).work(max_jobs=2)
    assert [job.get_status() for job in jobs] == ["finished"] * 2 + ["queued"] * 3


def test_a_simple_worker_that_is_interrupted_finishes_its_job_and_ends(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    job, other = queue.enqueue(steps.interrupt_worker, "done"), queue.enqueue(steps.nothing)
    SimpleWorker("work", connection=connection).work()
    assert job.result == "done"
    assert other.is_queued


def test_an_exception_without_a_message_is_kept_all_the_same(connection: Redis) -> None:
    queue = Queue("work", connection=connection)
    job = queue.enqueue(steps.fail_without_words)
    SimpleWorker("work", connection=connection).work(burst=True)
    (attempt,) = job.attempts
    assert attempt.error_type == "steps.UnspeakableError"


def test_a_job_that_closes_standard_output_harms_only_its_process(q: Queue, valkey: Redis) -> None:
    job, after = q.enqueue(steps.close_stdout), q.enqueue(steps.echo, "after")
    with worker_process(_url(valkey), "--burst") as process:
        assert process.wait() == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert job.is_finished
    assert after.result == "after"


def test_a_full_server_drains(q: Queue, valkey: Redis) -> None:
    jobs = [q.enqueue(steps.echo, "x" * 50) for _ in range(50)]
    later = q.enqueue_in(0.2, steps.echo, "later")
    below = q.enqueue(steps.echo, later.output)
    valkey.config_set("maxmemory-policy", "noeviction")
    valkey.config_set("maxmemory", 1)
    try:
        with pytest.raises(Exception, match="maxmemory"):
            q.enqueue(steps.nothing)
        with worker_process(_url(valkey)) as process:
            eventually(lambda: below.get_status().is_terminal, seconds=30)
            process.terminate()
            assert process.wait() == 0
    finally:
        valkey.config_set("maxmemory", 0)
    assert below.result == "later"
    assert all(job.is_finished for job in jobs)


# Stopping what runs


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("lease", ["30", "2"], ids=["told by its inbox", "told again at a renewal"])
def test_a_job_that_runs_is_stopped_when_it_is_canceled(q: Queue, valkey_url: str, meeting: Meeting, lease: str):
    stopped = q.enqueue(steps.meet, *meeting.args, retry=3)
    after = q.enqueue(steps.nothing, depends_on=stopped, run_after_failure=True)
    with worker_process(valkey_url, "--lease", lease):
        pid = meeting.wait()
        if lease == "2":  # the word in the inbox may get lost
            q.store.client.hset(f"{{rqdeps}}:job:{stopped.id}", "stop", 1)
        else:
            assert stopped.cancel()
        with pytest.raises(JobFailedError, match="ended as stopped"):
            stopped.wait(timeout=20)
        assert after.wait(timeout=20) is None
    assert stopped.is_stopped
    assert [attempt.outcome for attempt in stopped.attempts] == ["stopped"]
    assert not stopped.cancel()
    eventually(lambda: not is_alive(pid))
    stopped.requeue()
    assert stopped.is_queued


def test_a_worker_hears_at_once_that_a_job_is_to_be_stopped(q: Queue, valkey: Redis, valkey_url: str, meeting: Meeting):
    """It gives fewer signs of life meanwhile than it stops jobs, one after the other."""
    before = None

    def signs_of_life() -> int:
        return int(valkey.info("commandstats").get("cmdstat_smembers", {"calls": 0})["calls"])

    with worker_process(valkey_url):
        for _ in range(5):
            job = q.enqueue(steps.meet, *meeting.args)
            meeting.wait()
            before = signs_of_life() if before is None else before
            assert job.cancel()
            with pytest.raises(JobFailedError, match="ended as stopped"):
                job.wait(timeout=20)
        assert before is not None
        assert signs_of_life() - before < 5


def test_a_job_that_waits_in_a_worker_is_stopped_before_it_begins(q: Queue, valkey_url: str, meeting: Meeting):
    first = q.enqueue(steps.meet, *meeting.args)
    with worker_process(valkey_url):
        meeting.wait()
        waiting = q.enqueue(steps.nothing)
        assert waiting.cancel()
        meeting.let_go()
        first.wait(timeout=20)
        eventually(lambda: waiting.get_status().is_terminal)
    assert waiting.is_canceled or waiting.is_stopped


def test_a_job_that_is_skipped_or_deleted_while_it_runs_is_killed(q: Queue, valkey_url: str, meeting: Meeting):
    running = q.enqueue(steps.meet, *meeting.args)
    below = q.enqueue(steps.echo, running.output)
    with worker_process(valkey_url, "--lease", "2"):
        pid = meeting.wait()
        running.skip("instead")
        assert below.wait(timeout=20) == "instead"
        eventually(lambda: not is_alive(pid))
    assert running.result == "instead"


# Fallbacks


@pytest.mark.parametrize("make", [Worker, SimpleWorker])
def test_a_fallback_gets_the_arguments_and_the_error_of_its_job(q: Queue, valkey: Redis, make: type[Worker]) -> None:
    job = q.enqueue(steps.boom, "no luck", fallback=steps.explain_failure)
    below = q.enqueue(steps.echo, job.output)
    make("work", connection=valkey).work(burst=True)
    assert below.result == [job.id, "builtins.ValueError", "no luck", True, ["no luck"]]
    other = q.enqueue(steps.failed_job)
    make("work", connection=valkey).work(burst=True)
    assert other.result is None


# Data that nobody of ours has written


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", "abc"), ("function", b"\xff\xfe.x"), ("retry", "zzz"), ("callbacks", b"\xff"), ("failures", "-5")],
)
@pytest.mark.parametrize("kind", [Worker, SimpleWorker])
def test_a_job_that_makes_no_sense_fails_and_nothing_else_does(
    valkey: Redis, name: str, value: str | bytes, kind: type[Worker]
) -> None:
    queue = Queue("work", connection=valkey)
    broken, good = queue.enqueue(steps.boom, retry=3), queue.enqueue(steps.echo, 1)
    valkey.hset(f"{{rqdeps}}:job:{broken.id}", name, value)
    kind("work", connection=valkey).work(burst=True)
    assert good.result == 1
    assert valkey.hget(f"{{rqdeps}}:job:{broken.id}", "status") == b"failed"
    valkey.delete(*valkey.keys("*"))


@pytest.mark.parametrize("details", [b"{garbage", b"[1]", b"\xff"])
@pytest.mark.parametrize("kind", [Worker, SimpleWorker])
def test_a_fallback_runs_whatever_is_noted_of_the_failure(valkey: Redis, details: bytes, kind: type[Worker]) -> None:
    queue = Queue("work", connection=valkey)
    job = queue.enqueue(steps.boom, fallback=steps.nothing)
    kind("work", connection=valkey).work(burst=True, max_jobs=1)
    head = valkey.lindex(f"{{rqdeps}}:attempts:{job.id}", -1).partition(b"\n")[0]
    valkey.lset(f"{{rqdeps}}:attempts:{job.id}", -1, head + b"\n" + details)
    kind("work", connection=valkey).work(burst=True)
    job.refresh()
    assert Job.fetch(job.fallback_id or "", valkey).is_finished
    assert job.attempts[-1].message == ""

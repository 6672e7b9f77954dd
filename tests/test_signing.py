"""Signatures: what they are over, with which keys they are accepted, and that nothing else is run or read."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import samples
import steps
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from rqdeps import (
    AsyncQueue,
    Callback,
    Dependency,
    Fallback,
    Job,
    JobFailedError,
    Queue,
    Retry,
    SimpleWorker,
    Worker,
    Workflow,
)
from rqdeps.cli import main
from rqdeps.signing import KEYS_VARIABLE, Keyring, SignatureError, options_of

OLD, NEW, OTHER = "old" * 11, "new" * 11, "other" * 7
CONTEXT = ["payload", "a", "default", "tasks.report", options_of(None, 3, "", "")]

texts = st.text(max_size=5)


def sealed_and_opened(keys: Keyring, sealed: bytes, context: list[str]) -> bytes:
    return keys.unseal(sealed, context, "it")[0]


# As such


def test_what_is_sealed_is_unsealed_with_the_same_key_and_context() -> None:
    keys = Keyring([NEW])
    sealed = keys.seal(b"j[]", CONTEXT, ["a", "b"])
    assert sealed.endswith(b"j[]")
    assert keys.unseal(sealed, CONTEXT, "it") == (b"j[]", ["a", "b"])
    assert keys.unseal(keys.seal(b"", CONTEXT), CONTEXT, "it") == (b"", [])


@given(st.binary(max_size=40), st.lists(texts, min_size=2, max_size=6), st.lists(texts, min_size=2, max_size=6))
def test_a_signature_fits_no_other_context(data: bytes, context: list[str], other: list[str]) -> None:
    keys = Keyring([NEW])
    sealed = keys.seal(data, context)
    assert sealed_and_opened(keys, sealed, context) == data
    if other != context:
        with pytest.raises(SignatureError, match="does not fit"):
            sealed_and_opened(keys, sealed, other)


@given(st.binary(max_size=40), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_an_altered_byte_is_noticed(data: bytes, place: int, change: int) -> None:
    keys = Keyring([NEW])
    sealed = bytearray(keys.seal(data, CONTEXT, ["a"]))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SignatureError):
        sealed_and_opened(keys, bytes(sealed), CONTEXT)


def test_the_first_key_signs_and_all_are_accepted() -> None:
    before, rotating, after = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    assert sealed_and_opened(rotating, before.seal(b"x", CONTEXT), CONTEXT) == b"x"
    assert sealed_and_opened(after, rotating.seal(b"x", CONTEXT), CONTEXT) == b"x"
    with pytest.raises(SignatureError, match="a key that is not among those"):
        sealed_and_opened(after, before.seal(b"x", CONTEXT), CONTEXT)


def test_with_a_key_nothing_unsigned_is_accepted() -> None:
    with pytest.raises(SignatureError, match="it is not signed"):
        sealed_and_opened(Keyring([NEW]), b"j1", CONTEXT)


def test_without_a_key_nothing_is_signed_and_what_is_signed_is_refused() -> None:
    keys = Keyring()
    assert not keys.signs
    assert keys.seal(b"j1", CONTEXT, ["a"]) == sealed_and_opened(keys, b"j1", CONTEXT) == b"j1"
    with pytest.raises(SignatureError, match=f"set {KEYS_VARIABLE}"):
        sealed_and_opened(keys, Keyring([NEW]).seal(b"j1", CONTEXT), CONTEXT)


def test_a_cut_signature_is_refused() -> None:
    keys = Keyring([NEW])
    whole = keys.seal(b"", CONTEXT)
    for length in range(1, len(whole)):
        with pytest.raises(SignatureError):
            sealed_and_opened(keys, whole[:length], CONTEXT)


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, f" {NEW},{OLD}\n{OTHER} ")
    sealed = Keyring.of_environment().seal(b"x", CONTEXT)
    assert sealed == Keyring([NEW]).seal(b"x", CONTEXT)
    for key in (OLD, OTHER):
        assert sealed_and_opened(Keyring.of_environment(), Keyring([key]).seal(b"x", CONTEXT), CONTEXT) == b"x"
    monkeypatch.delenv(KEYS_VARIABLE)
    assert not Keyring.of_environment().signs


def test_a_key_that_could_be_guessed_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match=f"has 32 characters or more, and one of {KEYS_VARIABLE} has 6") as caught:
        Keyring([NEW, "secret"])
    assert "secret'" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    assert NEW not in repr(Keyring([NEW])) + str(Keyring([NEW]))


def test_options_without_callbacks_are_signed_as_before_there_were_any() -> None:
    assert options_of(5, 3, "1000", "") == options_of(5, 3, "1000", None) == "5\n3\n1000"
    assert options_of(None, None, None, None) == options_of("", 0, "", "") == "\n0\n"


@pytest.mark.parametrize("retry", ["", "1000"])
@pytest.mark.parametrize("timeout", ["", 5])
def test_callbacks_can_not_be_hidden_in_another_option(timeout: str | int, retry: str) -> None:
    signed = options_of(timeout, 3, retry, "a.b")
    hiding = ["a.b", f"{retry}\na.b", f"a.b\n{retry}", f"{timeout}\n3\n{retry}", f"3\n{retry}\na.b", signed]
    assert all(signed != options_of(timeout, retries, text, "") for retries in (0, 3) for text in hiding)
    without = options_of(timeout, 3, retry, "")
    assert all(without != options_of(timeout, 3, text, "a.b") for text in ("", retry))


# What programs enqueue and workers run

Work = Callable[..., None]


@pytest.fixture(params=[Worker, SimpleWorker])
def work(request: pytest.FixtureRequest, valkey: Redis) -> Work:
    """Runs what is queued, in processes or in this one."""
    return lambda *queues: request.param(queues or ("default",), connection=valkey).work(burst=True)


@pytest.fixture
def q(valkey: Redis, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A queue of a program that has a key."""
    monkeypatch.setenv(KEYS_VARIABLE, NEW)
    return Queue(connection=valkey)


def stored(job: Job[Any], name: str) -> bytes:
    """What is stored of a job: a field, or the key of its own that a long one has."""
    client = job._store.client
    value = client.hget(f"{{rqdeps}}:job:{job.id}", name)
    assert value is not None
    return client.get(f"{{rqdeps}}:{name}:{job.id}") if value == b"@" else value


def store(job: Job[Any], name: str, value: bytes | str | int) -> None:
    """Writes what an attacker likes."""
    if stored(job, name) and job._store.client.hget(f"{{rqdeps}}:job:{job.id}", name) == b"@":
        job._store.client.set(f"{{rqdeps}}:{name}:{job.id}", value)
    else:
        job._store.client.hset(f"{{rqdeps}}:job:{job.id}", name, value)


def assert_refused(job: Job[Any], why: str) -> None:
    assert (job.get_status(), job.attempt) == ("failed", 1)
    assert job.attempts[-1].error_type == "rqdeps.signing.SignatureError"
    assert why in job.attempts[-1].message


def test_signed_jobs_of_every_kind_run(q: Queue, work: Work) -> None:
    first = q.enqueue(steps.count_to, 3, retry=Retry(2, interval=1), job_timeout=60)
    mapped = q.map(steps.echo, first.output)
    chained = q.chain(steps.add, steps.echo, args=(1, 2))[-1]
    failing = q.enqueue(steps.boom, fallback=Fallback(steps.boom, fallback=Fallback(steps.echo, "at last")))
    taking = q.enqueue(steps.echo, failing.output)
    calling = q.options(on_success=samples.anything, on_stopped=Callback(samples.anything, 5)).map(steps.echo, [1])
    held = q.options(hold=True).enqueue(steps.nothing)
    taking_skipped = q.enqueue(steps.echo, held.output)
    held.skip("skipped")
    with Workflow(queue=q) as workflow:
        workflow.map(steps.echo, ["x"])
    after = q.enqueue(steps.nothing, depends_on=workflow)
    late = q.enqueue(steps.echo, "late")
    late.add_dependency(Dependency(failing, rule="all_done"))
    work()
    assert mapped.result == [0, 1, 2]
    assert (chained.result, calling.result) == (3, [1])
    assert taking.result == "at last"
    assert taking_skipped.result == "skipped"
    assert workflow.status == "finished"
    assert [after.get_status(), late.result] == ["finished", "late"]
    assert stored(first, "payload")[:1] == stored(first, "result")[:1] == b"s"
    failing.requeue(force=True)
    work()
    assert failing.is_failed


def test_a_job_of_someone_without_a_key_is_not_run_and_the_log_says_why(
    q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv(KEYS_VARIABLE)
        forged = q.enqueue(steps.echo, 1, retry=3)
    signed = q.enqueue(steps.echo, 2)
    with caplog.at_level(logging.WARNING, "rqdeps.worker"):
        work()
    assert_refused(forged, f"the call of job '{forged.id}' is not signed, but {KEYS_VARIABLE} is set")
    assert "SignatureError: the call of job" in caplog.text
    assert signed.result == 2


def test_a_job_signed_with_another_key_is_not_run(q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(KEYS_VARIABLE, OTHER)
        foreign = q.enqueue(steps.echo, 1)
    work()
    assert_refused(foreign, "bears a signature that does not fit")


def test_while_keys_are_rotated_jobs_of_both_run(q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, OLD)
    first = q.enqueue(steps.echo, 1)
    work()
    taking = q.enqueue(steps.echo, first.output)
    monkeypatch.setenv(KEYS_VARIABLE, f"{NEW} {OLD}")
    work()
    assert taking.result == 1


def test_a_payload_is_of_no_use_to_another_job(q: Queue, work: Work) -> None:
    dear, cheap = q.enqueue(steps.echo, "dear"), q.enqueue(steps.echo, "cheap")
    store(cheap, "payload", stored(dear, "payload"))
    work()
    assert_refused(cheap, "signed for another job")
    assert dear.result == "dear"


def test_a_job_can_not_be_moved_to_another_queue(q: Queue, work: Work) -> None:
    job = q.enqueue(steps.echo, 1)
    client = q.store.client
    client.rename("{rqdeps}:queue:default", "{rqdeps}:queue:other")
    client.sadd("{rqdeps}:queues", "other")
    store(job, "queue", "other")
    work("other")
    assert_refused(job, "signed for another job or with other options")


@pytest.mark.parametrize(
    ("name", "value"), [("function", "os.system"), ("timeout", 86_400_000), ("retries", 99), ("retry", "1")]
)
def test_neither_the_function_nor_an_option_can_be_altered(q: Queue, work: Work, name: str, value: str | int) -> None:
    job = q.enqueue(steps.boom, "x", retry=Retry(1, interval=1), job_timeout=60)
    store(job, name, value)
    work()
    assert job.attempts[0].error_type == "rqdeps.signing.SignatureError"
    assert job.is_failed


@pytest.mark.parametrize("change", ["replaced", "taken away", "added", "prolonged", "moved"])
def test_callbacks_can_not_be_altered(q: Queue, work: Work, change: str) -> None:
    callbacks = {} if change == "added" else {"on_failure": Callback(samples.anything, 5)}
    job = q.enqueue(steps.nothing, retry=Retry(1, interval=1), **callbacks)
    client, key = q.store.client, f"{{rqdeps}}:job:{job.id}"
    if change in {"replaced", "added"}:
        client.hset(key, "callbacks", ",os.system")
    elif change == "prolonged":
        client.hset(key, "callbacks", ",samples.anything")
    else:
        client.hdel(key, "callbacks")
    if change == "moved":
        client.hset(key, "retry", "1000\n,samples.anything:5000ms")
    with pytest.raises(SignatureError):
        _ = Job.fetch(job.id, client).args
    work()
    assert_refused(job, "with other options")


@pytest.mark.parametrize("altered", ["unsigned", "swapped", "damaged"])
def test_an_altered_result_is_neither_passed_on_nor_read(q: Queue, work: Work, altered: str) -> None:
    job, other = q.enqueue(steps.echo, "right"), q.enqueue(steps.echo, "wrong")
    work()
    value = {
        "unsigned": b'j"wrong"',
        "swapped": stored(other, "result"),
        "damaged": stored(job, "result")[:-2] + b'x"',
    }[altered]
    store(job, "result", value)
    taking = q.enqueue(steps.echo, job.output)
    inside = q.enqueue(steps.echo, [{"deep": job.output_or(None)}])
    work()
    for refused in (taking, inside):
        assert_refused(refused, f"the result of job '{job.id}'")
    with pytest.raises(SignatureError):
        _ = job.result


def test_a_link_to_another_job_does_not_make_that_stand_in(q: Queue, work: Work) -> None:
    other = q.enqueue(steps.echo, "wrong")
    failing = q.enqueue(steps.boom, fallback=Fallback(steps.echo, "right"))
    taking = q.enqueue(steps.echo, failing.output)
    SimpleWorker([q]).work(burst=True, max_jobs=3)
    assert taking.is_queued
    failing.refresh()
    linked = failing.fallback_id
    assert linked is not None
    store(failing, "fallback", other.id)
    work()
    assert_refused(taking, f"the result of job '{failing.id}' bears a signature that does not fit")
    store(failing, "fallback", linked)


def test_what_a_job_spawned_can_not_be_altered(q: Queue, work: Work) -> None:
    mapped = q.map(steps.echo, ["a", "b"])
    SimpleWorker([q]).work(burst=True, max_jobs=1)
    first, second = (Job(job_id, q.store) for job_id in mapped.spawned_ids)
    store(first, "payload", stored(second, "payload"))
    work()
    assert_refused(first, "signed for another job")
    assert second.result == "b"


def test_who_has_no_key_can_not_read_what_is_signed_but_see_all_else(
    q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch, valkey_url: str
) -> None:
    job = q.enqueue(steps.echo, "kept")
    work()
    assert job.args == ("kept",)
    monkeypatch.delenv(KEYS_VARIABLE)
    with pytest.raises(SignatureError, match=f"is signed, and no key is known here to check that: set {KEYS_VARIABLE}"):
        _ = job.result
    shown = CliRunner().invoke(main, ["job", job.id, "--url", valkey_url])
    assert shown.exit_code == 0
    assert "steps.echo(…)" in shown.output
    assert KEYS_VARIABLE in shown.output
    assert NEW not in shown.output


def test_a_worker_without_a_key_runs_nothing_that_is_signed(
    q: Queue, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = q.enqueue(steps.echo, 1)
    monkeypatch.delenv(KEYS_VARIABLE)
    work()
    assert_refused(job, f"set {KEYS_VARIABLE}")


@pytest.mark.usefixtures("q")
def test_jobs_enqueued_from_asyncio_are_signed_too(work: Work, valkey_url: str) -> None:
    async def enqueue() -> str:
        async with AsyncQueue(url=valkey_url) as queue:
            return (await queue.enqueue(steps.echo, "async")).id

    job_id = asyncio.run(enqueue())
    work()
    assert Job.fetch(job_id, url=valkey_url).result == "async"


def test_a_waiting_program_is_told_that_a_job_was_refused(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = q.enqueue(steps.echo, 1)
    monkeypatch.setenv(KEYS_VARIABLE, OTHER)
    SimpleWorker([q]).work(burst=True)
    with pytest.raises(JobFailedError, match="SignatureError"):
        job.wait(timeout=1)


@pytest.mark.usefixtures("q")
def test_a_worker_says_that_it_accepts_only_what_is_signed(valkey_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "rqdeps", "worker", "--burst", "--url", valkey_url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "lease 30 s, accepts only what is signed\n" in ran.stderr
    assert NEW not in ran.stderr


# What a reviewer found


def test_a_saved_job_and_its_fallback_may_move_to_another_queue(q: Queue, work: Work, valkey: Redis) -> None:
    job = Job.create(steps.boom, args=("x",), connection=valkey, fallback=Fallback(steps.echo, "instead"))
    job.save()
    taking = q.enqueue(steps.echo, job.output)
    Queue("other", connection=valkey).enqueue_job(job)
    work("other", "default")
    assert taking.result == "instead"
    forged = Job.create(steps.echo, args=("x",), connection=valkey)
    forged.save()
    store(forged, "function", "os.system")
    with pytest.raises(SignatureError):  # moving signs nothing that was not signed before
        Queue("other", connection=valkey).enqueue_job(forged)
    forged.delete()


def test_who_skips_a_job_signs_for_no_other_than_it_stood_in_for(q: Queue, work: Work) -> None:
    victim, skipped = q.enqueue(steps.echo, "right"), q.options(hold=True).enqueue(steps.nothing)
    work()
    store_field(skipped, "fallback_of", victim.id)
    skipped.skip("wrong")
    q.store.client.hdel(f"{{rqdeps}}:job:{skipped.id}", "fallback_of")
    store(victim, "result", stored(skipped, "result"))
    with pytest.raises(SignatureError):
        _ = victim.result


def store_field(job: Job[Any], name: str, value: str) -> None:
    job._store.client.hset(f"{{rqdeps}}:job:{job.id}", name, value)


def test_what_is_skipped_may_stand_in_for_all_that_it_stands_behind(q: Queue, work: Work) -> None:
    job = q.enqueue(steps.boom, fallback=Fallback(steps.boom, "1", fallback=Fallback(steps.boom, "2")))
    taking = q.enqueue(steps.echo, job.output)
    q.pause()
    first = Job.fetch(Job.fetch(job.id, q.store.client).fallback_id or "", q.store.client)
    second = Job.fetch(first.fallback_id or "", q.store.client)
    q.resume()
    work()
    assert taking.is_upstream_failed
    second.skip("skipped")
    work()
    assert taking.result == "skipped"


def test_no_time_limit_can_not_be_written_where_there_was_one(q: Queue, work: Work) -> None:
    job = q.enqueue(steps.nothing)
    store_field(job, "timeout", "0")
    work()
    assert_refused(job, "with other options")

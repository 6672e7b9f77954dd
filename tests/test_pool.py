"""The pool that has a connection at hand: it hands out none that is another's, closed, or waits for a reply."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import samples
from redis import Redis

import rqdeps.store.store
from rqdeps import JobTimeoutError, Queue
from rqdeps.store import Call, Keys
from rqdeps.store.pool import QuickPool
from rqdeps.store.store import evaluate


@pytest.fixture
def q(valkey_url: str) -> Iterator[Queue]:
    """A queue that has made its own client, and used it once."""
    queue = Queue(url=valkey_url)
    queue.enqueue(samples.anything)
    yield queue
    queue.connection.close()


@pytest.fixture
def pool(q: Queue) -> QuickPool:
    assert isinstance(q.store.pool, QuickPool)
    return q.store.pool


def names_of_connections(server: Redis) -> set[str]:
    return {client["id"] for client in server.client_list()}


def test_calls_share_a_connection_with_what_else_the_client_does(q: Queue, valkey: Redis):
    before = names_of_connections(valkey)
    for _ in range(3):
        q.enqueue(samples.anything)
        assert q.connection.ping()
    assert names_of_connections(valkey) == before


def test_a_pool_of_one_connection_does_for_program_and_queue(valkey_url: str):
    queue = Queue(url=f"{valkey_url}?max_connections=1")
    queue.enqueue(samples.anything)
    assert queue.connection.ping()
    assert queue.count == 1
    queue.connection.close()


def test_two_that_call_at_the_same_time_have_a_connection_each(q: Queue, pool: QuickPool):
    first, second = pool.get_connection(), pool.get_connection()
    assert first is not second
    pool.release(first)
    pool.release(second)
    assert {pool.get_connection(), pool.get_connection()} == {first, second}
    pool.release(first)
    pool.release(second)


def test_many_threads_get_the_replies_to_their_own_calls(q: Queue):
    found: list[list[str]] = []

    def work() -> None:
        ids = [q.enqueue(samples.anything, args=(number,)).id for number in range(50)]
        found.append([job.id for job_id in ids if (job := q.fetch_job(job_id)) is not None and job.id == job_id])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(ids) for ids in found] == [50] * 4
    assert len({job_id for ids in found for job_id in ids}) == 200


def test_a_connection_that_the_server_has_closed_is_not_handed_out(q: Queue, pool: QuickPool, valkey: Redis):
    valkey.client_kill_filter(_type="normal", skipme=True)
    connection = pool.get_connection()
    pool.release(connection)
    q.store.is_hasty = True  # calls are sent once only
    q.enqueue(samples.anything)
    assert q.count == 2


def test_a_connection_that_was_closed_meanwhile_is_made_anew(q: Queue):
    q.connection.close()
    q.enqueue(samples.anything)
    assert q.count == 2


def test_a_forked_process_leaves_the_connection_to_its_parent(q: Queue, valkey: Redis):
    before = names_of_connections(valkey)
    child = os.fork()
    if child == 0:
        try:
            q.enqueue(samples.anything)
            os._exit(0 if q.count == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    q.enqueue(samples.anything)
    assert q.count == 3
    assert names_of_connections(valkey) >= before


def test_what_interrupts_a_call_closes_its_connection(q: Queue, pool: QuickPool, monkeypatch: pytest.MonkeyPatch):
    def interrupted(connection: Any, calls: Sequence[Call[Any]], keys: Keys) -> list[Any]:
        connection.read_response = _raise_timeout  # the reply is still under way
        return evaluate(connection, calls, keys)

    connection = pool.get_connection()
    pool.release(connection)
    with monkeypatch.context() as patched:
        patched.setattr(rqdeps.store.store, "evaluate", interrupted)
        with pytest.raises(JobTimeoutError):
            q.enqueue(samples.anything)
    del connection.read_response
    assert q.count == 2  # which is the reply to this very call
    assert q.get_job_ids() == q.job_ids


def _raise_timeout(*args: object, **options: object) -> None:
    raise JobTimeoutError


def test_scripts_that_the_server_has_forgotten_are_loaded_again(q: Queue, valkey: Redis):
    valkey.script_flush()
    q.enqueue(samples.anything)
    assert q.count == 2

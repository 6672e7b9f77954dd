"""The keeper: a small process that stops the server of a folder some minutes after its last client has gone.

It is run as a script of its own (``python -I -S keeper.py FOLDER SOCKET DESCRIPTOR IDLE_SECONDS``), so that its process
holds small parts of the standard library, and nothing of rqdeps, redis-py or the program that started it. For the same
reason what both sides need lives down here: the names of the files in a folder, the locks, the way to ask the server.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import sys
import time

#: The note that says where the server is found.
RECORD = "server.json"
#: What the server and its keeper have to say.
LOG = "server.log"
#: Held by the server for as long as it lives.
SERVER_LOCK = "server.lock"
#: Held by whoever starts, stops or hides the server.
START_LOCK = "start.lock"
#: Held by the keeper for as long as it lives. Like the server, it inherits its lock from whoever starts it.
KEEPER_LOCK = "keeper.lock"

#: What a keeper puts behind the name of a socket to hide it.
HIDDEN = ".off"
#: The name of the keeper's connection, as ``CLIENT LIST`` shows it.
CLIENT_NAME = "rqdeps-keeper"
#: Seconds that a server may take to answer before it counts as stuck.
ANSWER_SECONDS = 30.0


def take_lock(path: str | os.PathLike[str]) -> int | None:
    """Take a lock if it is free; closing the descriptor gives it back.

    Returns:
        The descriptor, or ``None`` if somebody else holds the lock.

    Raises:
        OSError: the file can't be opened, or its file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def connect(path: str) -> socket.socket:
    """A connection to the server behind a socket; no wait on it is longer than ``ANSWER_SECONDS``.

    Raises:
        OSError: there is no such socket, or nobody listens.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.settimeout(ANSWER_SECONDS)
        server.connect(path)
    except BaseException:
        server.close()
        raise
    return server


def ask(server: socket.socket, command: str) -> str:
    """Send one command, without spaces in its arguments, and read its reply.

    Returns:
        A text as it is; a status or an error with the ``+`` or ``-`` that it starts with.

    Raises:
        OSError: the server does not answer; ``ConnectionError`` if it has closed the connection.
    """
    server.sendall(f"{command}\r\n".encode())
    with server.makefile("rb") as replies:
        head = replies.readline()
        body = replies.read(int(head[1:]) + 2) if head.startswith(b"$") else head
    if not body.endswith(b"\r\n"):
        raise ConnectionResetError("the server closed the connection")
    return body[:-2].decode("utf-8", "replace")


def info(server: socket.socket, *sections: str) -> dict[str, str]:
    """The fields of some sections of the server's ``INFO``; none while a script keeps it from answering."""
    lines = ask(server, " ".join(("INFO", *sections))).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def main(socket_path: str, descriptor: int, idle_seconds: float) -> None:
    """Keep the server of a folder until it is gone, or has been without clients for long enough.

    The folder is the working directory, so that a keeper follows a folder that is moved. Its name among the arguments
    is for people who look at a list of processes.

    Args:
        socket_path: the socket of its server.
        descriptor: a connection to the server, which is inherited: whatever becomes of the folder and the socket before
            the keeper looks, it can still tell the server to go.
        idle_seconds: how long the server stays without clients.
    """
    try:
        with socket.socket(fileno=descriptor) as server:
            server.settimeout(ANSWER_SECONDS)
            keep(server, socket_path, idle_seconds)
    except OSError:
        pass  # the server has gone, and its keeper goes with it


def keep(server: socket.socket, socket_path: str, idle_seconds: float) -> None:
    """Look at the server again and again until it is time to stop it; works in the server's folder.

    Raises:
        OSError: the server has gone.
    """
    step = min(max(idle_seconds / 60, 0.05), 5.0)
    seen = look(server)
    idle_since = time.monotonic()
    while not has_gone(server, step):
        if not (os.path.exists(RECORD) and os.path.exists(socket_path)):
            # The folder was deleted, or a log-out took the runtime folder away: nobody can find this server any more.
            # Its clients come back to one that can be found.
            log("the way to this server has been deleted: shutting down")
            ask(server, "SHUTDOWN")
            continue
        now = look(server)
        if now != seen or now[0] > 0:
            seen, idle_since = now, time.monotonic()
        elif time.monotonic() - idle_since >= idle_seconds:
            if stop_if_unused(server, socket_path, seen[1]):
                return
            idle_since = time.monotonic()


def look(server: socket.socket) -> tuple[int, int]:
    """How many clients the server has, apart from this one, and how many it has ever had."""
    fields = info(server, "clients", "stats")
    if "connected_clients" not in fields:
        return 1, 0  # it answers that it is busy with a long script, so somebody uses it
    return int(fields["connected_clients"]) - 1, int(fields["total_connections_received"])


def has_gone(server: socket.socket, seconds: float) -> bool:
    """Wait so long; whether the server closed the connection meanwhile."""
    events = select.poll()  # not select(), since an inherited descriptor may have a high number
    events.register(server, select.POLLIN)
    return bool(events.poll(seconds * 1000))


def stop_if_unused(server: socket.socket, socket_path: str, connections: int) -> bool:
    """Stop the server, unless a client has come since we looked.

    First the socket is hidden, and from then on nobody new gets in: whoever comes waits for the lock that we hold, and
    then starts the server again. Then we look once more, twice over, as a client that was let in just before may not be
    counted yet by the first look. Only if there is still nobody does the server stop, so that it never stops under a
    client.

    Args:
        server: the keeper's connection.
        socket_path: the socket to hide.
        connections: how many connections the server had ever had at the last look.

    Returns:
        Whether the server has stopped.

    Raises:
        OSError: the server had gone before.
    """
    lock = take_lock(START_LOCK)
    if lock is None:
        return False  # somebody starts or stops the server right now
    hidden = socket_path + HIDDEN
    try:
        look(server)
        os.rename(socket_path, hidden)
        try:
            look(server)
            if look(server) == (0, connections):
                log("no clients for a while: shutting down")
                log(f"the server does not shut down: {ask(server, 'SHUTDOWN')}")
        except ConnectionError:
            os.unlink(hidden)
            return True
        os.rename(hidden, socket_path)
        return False
    finally:
        os.close(lock)


def log(text: str) -> None:
    """Write a line into the server's log, which is where a keeper's standard error goes."""
    moment = time.strftime("%d %b %Y %H:%M:%S")
    sys.stderr.write(f"{os.getpid()}:keeper {moment} * {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

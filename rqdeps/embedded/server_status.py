"""Look at the server of a folder, and change nothing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from rqdeps.embedded.explain import explained
from rqdeps.embedded.keeper import CLIENT_NAME, SERVER_LOCK, ask, info
from rqdeps.embedded.launch import DATA
from rqdeps.embedded.locks import is_held
from rqdeps.embedded.paths import absolute
from rqdeps.embedded.record import read_record
from rqdeps.embedded.server import dial

#: Seconds that a server is given to answer somebody who only looks.
LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class ServerStatus:
    """The server of a folder, as somebody sees it who only looks.

    Attributes:
        folder: the absolute path of the folder.
        running: whether a server lives in it.
        has_data: whether a server has ever kept data in it.
        pid: its process id, if it is running and known.
        socket: where it listens, if it is running and known.
        clients: how many connections it has, without its keeper and the one that asked; ``None`` if it does not answer.
        keys: how many keys it holds; ``None`` if it does not answer, or is still loading them.
    """

    folder: Path
    running: bool
    has_data: bool
    pid: int | None = None
    socket: Path | None = None
    clients: int | None = None
    keys: int | None = None


def status(folder: str | os.PathLike[str]) -> ServerStatus:
    """Look at a folder's server; nothing is started or created.

    Args:
        folder: the folder, which need not exist.

    Raises:
        EmbeddedServerError: the folder can't be read.
    """
    folder = absolute(folder)
    with explained(folder):
        running = is_held(folder / SERVER_LOCK)
        has_data = (folder / DATA).is_dir()
        record = read_record(folder) if running else None
        if record is None:
            return ServerStatus(folder, running, has_data)
        pid, clients, keys = record.pid, None, None
        if server := dial(folder):
            with server, contextlib.suppress(OSError, LookupError):
                server.settimeout(LOOK_SECONDS)
                fields = info(server, "server", "persistence", "keyspace")
                pid = int(fields["process_id"])
                if fields["loading"] == "0":
                    keys = sum(int(fields[name].split(",")[0].partition("=")[2]) for name in fields if _is_db(name))
                names = ask(server, "CLIENT LIST").splitlines()
                clients = sum(f" name={CLIENT_NAME} " not in line for line in names) - 1
        return ServerStatus(folder, running, has_data, pid, Path(record.socket), clients, keys)


def _is_db(name: str) -> bool:
    """Whether a field of ``INFO keyspace`` counts the keys of a database, as ``db0`` does."""
    return name.startswith("db") and name[2:].isdigit()

"""``server.json``: the note in a folder that says where its server is found.

It is a sign, not a proof: that a server lives is proved by the lock it holds. A note that was copied along with a
folder, or that another user wrote, is not believed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rqdeps.embedded.keeper import RECORD


@dataclass(frozen=True)
class Record:
    """Where the server of a folder is found.

    Attributes:
        socket: the absolute path of its socket.
        pid: its process id, ``None`` until it has been launched.
        host: the machine or container on which it was started.
        started: when it was launched, in ISO 8601 and UTC.
        inode: device and inode of the folder that it serves.
    """

    socket: str
    pid: int | None
    host: str
    started: str
    inode: tuple[int, int]


def new_record(folder: Path, socket_path: Path, pid: int | None) -> Record:
    """The record of a server that is being started now, on this machine."""
    return Record(
        socket=str(socket_path),
        pid=pid,
        host=socket.gethostname(),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        inode=_inode(folder),
    )


def write_record(folder: Path, record: Record) -> None:
    """Put a record in the place of the last one; a reader sees the one or the other, never a part.

    Only whoever holds the lock to start a server writes it.

    Raises:
        OSError: the folder can't be written to.
    """
    new = folder / f"{RECORD}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(record), file, indent=2)
        file.write("\n")
    os.replace(new, folder / RECORD)


def read_record(folder: Path) -> Record | None:
    """The record of a folder, or ``None`` if there is none that speaks of this folder and comes from this user.

    Raises:
        OSError: the folder can't be read.
    """
    try:
        with open(folder / RECORD, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            fields = json.load(file)
        record = Record(
            socket=str(fields["socket"]),
            pid=None if fields["pid"] is None else int(fields["pid"]),
            host=str(fields["host"]),
            started=str(fields["started"]),
            inode=(int(fields["inode"][0]), int(fields["inode"][1])),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, LookupError):  # emptied by a power loss, or edited
        return None
    return record if record.inode == _inode(folder) else None


def _inode(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino

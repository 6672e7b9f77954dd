"""Which folder a URL means, and where the socket of its server goes.

The folder is always the absolute, real one, so that every process and every message means the same place. The socket
can't live in it, because the path of a socket is limited to about 104 bytes; it goes to a short runtime folder that
only this user may enter.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from rqdeps.errors import EmbeddedServerError

SCHEME = "embedded:"

#: Bytes of a socket's path, with room for the ending under which a keeper hides it. macOS takes 103, Linux 107.
MAX_SOCKET_PATH_BYTES = 96


def is_embedded_url(url: str) -> bool:
    """Whether a URL names a folder with an embedded server, as ``embedded:./data`` does."""
    return url[: len(SCHEME)].lower() == SCHEME


def folder_of(url: str) -> Path:
    """The absolute folder that a URL names; nothing is created.

    Args:
        url: ``embedded:./data``, ``embedded:/var/lib/jobs``, ``embedded:~/jobs`` or ``embedded:///var/lib/jobs``. What
            follows the scheme is taken as it is: spaces need no escape.

    Raises:
        ValueError: the URL has another scheme, no path, a host, or a query; the message says what to write.
    """
    if not is_embedded_url(url):
        raise ValueError(f"{url!r} is not the URL of an embedded server: write embedded:./data")
    path = url[len(SCHEME) :]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        if host:
            raise ValueError(
                f"{url!r} names a host, and an embedded server has none: "
                f"write embedded:{path[2:]} for a relative folder, or embedded:/{path[2:]} for an absolute one"
            )
        path = slash + rest
    if not path.strip():
        raise ValueError(f"{url!r} names no folder: write embedded:./data for the folder ./data")
    if "?" in path:
        raise ValueError(f"{url!r} has a query, and embedded servers take no options: write embedded:./data")
    return absolute(path)


def anchored(url: str, at: Path) -> str:
    """The URL that means the same in every folder as this one does in another.

    Args:
        url: the URL of an embedded server.
        at: from where on it is read if it names a relative folder.
    """
    path = os.path.expanduser(url[len(SCHEME) :])
    return f"{SCHEME}{at / path}" if path.strip() and not path.startswith("/") else url


def absolute(folder: str | os.PathLike[str]) -> Path:
    """The real, absolute path of a folder, with ``~`` expanded and symbolic links resolved; it need not exist."""
    return Path(os.path.realpath(os.path.expanduser(folder)))


def socket_for(folder: Path) -> Path:
    """Where a server that this process starts for a folder gets its socket; creates the runtime folder.

    The name is a hash of the folder's path and inode. A folder that was deleted and made again is another one, and
    has another socket; so the server of the old one, if it still runs, can't be taken for the new one's.

    Args:
        folder: the absolute path of an existing folder.

    Raises:
        EmbeddedServerError: no runtime folder can be had that is private to this user and has a short path.
    """
    identity = folder.stat()
    text = f"{folder}\0{identity.st_dev}:{identity.st_ino}"
    name = hashlib.sha256(os.fsencode(text)).hexdigest()[:16] + ".sock"
    refusals = []
    for candidate in _runtime_candidates():
        if len(os.fsencode(candidate / name)) > MAX_SOCKET_PATH_BYTES:
            refusals.append(f"{candidate} is too long a path for a socket")
        elif refusal := _why_not_private(candidate):
            refusals.append(refusal)
        else:
            return candidate / name
    raise EmbeddedServerError(
        f"the server of {folder} can't have a socket: {'; '.join(refusals)}. "
        "Set XDG_RUNTIME_DIR to a folder with a short path that belongs to you"
    )


def _runtime_candidates() -> list[Path]:
    """The folders in which sockets may go, best first."""
    candidates = []
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(session) and os.path.isdir(session) and os.stat(session).st_uid == os.geteuid():
        candidates.append(Path(session, "rqdeps"))
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 (what goes there is checked to be private)
        candidate = Path(parent, f"rqdeps-{os.geteuid()}")
        if candidate not in candidates:
            candidates.append(candidate)
    return candidates


def _why_not_private(path: Path) -> str | None:
    """Make a folder for this user alone; say why it is not one, or nothing.

    Anybody may create names in a temporary folder, so what is found there is believed only if it is a real folder (not
    a link to one) of this user. Nobody else can replace it then.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return f"{path} is not a real folder (a link or a file put there by somebody)"
        if found.st_uid != os.geteuid():
            return f"{path} belongs to another user (uid {found.st_uid})"
        if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
    except FileExistsError:
        return f"{path} is not a real folder (a link or a file put there by somebody)"
    except OSError as error:
        return f"{path} can't be used: {error.strerror}"
    return None

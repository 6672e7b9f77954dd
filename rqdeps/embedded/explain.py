"""Say to people what is wrong with a folder's server: where, why, and what to do."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from rqdeps.embedded.keeper import LOG, RECORD
from rqdeps.embedded.record import read_record
from rqdeps.errors import EmbeddedServerError


def fail(folder: Path, reason: str) -> NoReturn:
    """Raise an ``EmbeddedServerError`` that names the folder."""
    raise EmbeddedServerError(f"embedded server of {folder}: {reason}")


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that names the folder and says what to do."""
    try:
        yield
    except PermissionError as error:
        raise EmbeddedServerError(
            f"embedded server of {folder}: {user_name(os.geteuid())} may not use {error.filename or 'its socket'}. "
            "Change the permissions, or name a folder that you can write to"
        ) from error
    except TimeoutError as error:
        raise EmbeddedServerError(
            f"embedded server of {folder}: it does not answer ({whereabouts(folder)}). "
            f"See {folder / LOG}; a server that hangs can be ended with kill"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedServerError(
            f"embedded server of {folder}: {error}. "
            "It needs a writable folder on a local disk with room, and a system that lets it start a process"
        ) from error


def whereabouts(folder: Path) -> str:
    """What is known of a server that can't be asked."""
    record = read_record(folder)
    if record is None:
        return f"another process is starting it, or {folder / RECORD} is lost"
    return f"process {record.pid or 'unknown'} on {record.host}, socket {record.socket}"


def user_name(uid: int) -> str:
    """A user's name for people."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"

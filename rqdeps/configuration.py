"""What a project says of rqdeps: the table ``[tool.rqdeps]`` of its ``pyproject.toml``.

It is looked for from the current folder upwards, when somebody asks for it, and then remembered as it was.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

#: The file, and the name of the table in it, as people write it.
FILE_NAME: Final = "pyproject.toml"
TABLE_NAME: Final = "tool.rqdeps"

#: What stands in every file that has the table. Others are not even parsed, which takes longer than all the rest.
_MENTION: Final = b"rqdeps"


@dataclass(frozen=True)
class Configuration:
    """The table of a project.

    Attributes:
        path: the file.
        table: what stands there.
    """

    path: Path
    table: Mapping[str, Any]

    @property
    def url(self) -> str | None:
        """Where the server is, as it is written there.

        Raises:
            ValueError: that is no text, or a key of the table is misspelled, so that it may have been meant for this.
        """
        for key, value in self.table.items():
            if key != "url" and not isinstance(value, Mapping):
                raise ValueError(f"{self.path}: {why_not_a_key(key)}")
        url = self.table.get("url")
        if url is not None and not isinstance(url, str):
            raise ValueError(f"{self.path}: [{TABLE_NAME}] url is a text, not {url!r}")
        return url or None


def why_not_a_key(key: str) -> str:
    """Why something that is no table can't stand in ``[tool.rqdeps]``, in words.

    Args:
        key: its name.
    """
    if is_signing_key(key):
        return why_no_signing_key(TABLE_NAME, key)
    return f"[{TABLE_NAME}] has no key {key!r}: it takes url, and a table for each command, as [{TABLE_NAME}.worker]"


def is_signing_key(key: str) -> bool:
    """Whether somebody has written down the key by which jobs are signed."""
    return key.replace("-", "_") in ("signing_key", "signing_keys")


def why_no_signing_key(table_name: str, key: str) -> str:
    """Why that can't be, in words.

    Args:
        table_name: where it stands.
        key: by which name.
    """
    return f"[{table_name}] {key} is a secret, which does not belong in a project: set $RQDEPS_SIGNING_KEY"


def configuration() -> Configuration | None:
    """What the nearest ``pyproject.toml`` says that has the table; ``None`` if there is none.

    Files without it are passed over, as are those that can't be read, and those that other users have put into a folder
    such as ``/tmp``.

    Raises:
        ValueError: a file that mentions rqdeps on the way there is no TOML, or has something else by that name.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it has been deleted
        return None
    return nearest(folder)


@lru_cache(maxsize=64)
def nearest(folder: str) -> Configuration | None:
    """The same for a folder, given by its absolute path."""
    here = Path(folder)
    for each in (here, *here.parents):
        path = each / FILE_NAME
        table = _table_in(path)
        if table is not None:
            return Configuration(path, table)
    return None


def _table_in(path: Path) -> Mapping[str, Any] | None:
    try:
        written = path.read_bytes()
    except OSError:
        return None
    if _MENTION not in written or _may_be_planted(path):
        return None
    try:
        tools = _parsed(written.decode()).get("tool", {})
    except ValueError as error:  # of TOML, or of UTF-8
        raise ValueError(f"{path} can't be read: {error}") from None
    table = tools.get("rqdeps") if isinstance(tools, Mapping) else None
    if table is not None and not isinstance(table, Mapping):
        raise ValueError(f"{path}: [{TABLE_NAME}] is a table, not {table!r}")
    return table


def _may_be_planted(path: Path) -> bool:
    """Whether somebody else has put the file into a folder where all may put theirs, such as ``/tmp``."""
    shared = stat.S_IWOTH | stat.S_ISVTX
    return path.parent.stat().st_mode & shared == shared and path.stat().st_uid not in (0, os.geteuid())


def _parsed(text: str) -> dict[str, Any]:
    parser = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    parsed: dict[str, Any] = parser.loads(text)
    return parsed

